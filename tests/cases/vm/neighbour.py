"""A service that works a little and writes a little for each of its clients, and such a client: `serve` and `ask`.

`ask` prints the median and the 95th percentile of the answers' times, in milliseconds, of as many answers as it gets in
`ENOUGH` seconds, and of a hundred at the most: beside a hog that nothing holds back each may take seconds.
"""

import hashlib
import os
import socket
import statistics
import sys
import time

ADDRESS = "/run/neighbour/socket"
ENOUGH = 40


def serve():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(ADDRESS)
    listener.listen()
    journal = os.open("/var/lib/neighbour/journal", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    while True:
        client, _ = listener.accept()
        hashlib.sha256(bytes(200_000)).digest()
        os.pwrite(journal, bytes(4096), 0)
        os.fdatasync(journal)
        client.sendall(b"done")
        client.close()


def ask():
    times = []
    end = time.monotonic() + ENOUGH
    while len(times) < 100 and time.monotonic() < end:
        start = time.monotonic()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(ADDRESS)
            assert client.recv(16) == b"done"
        times.append((time.monotonic() - start) * 1000)
        time.sleep(0.01)
    times.sort()
    print(f"{statistics.median(times):.1f} {times[len(times) * 95 // 100]:.1f}")


globals()[sys.argv[1]]()
