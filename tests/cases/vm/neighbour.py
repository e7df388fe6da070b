"""A service that works a little and writes a little for each of its clients, and such a client: `serve` and `ask`.

`ask` prints the median and the 95th percentile of a hundred answers' times, in milliseconds.
"""

import hashlib
import os
import socket
import statistics
import sys
import time

ADDRESS = "/run/neighbour/socket"


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
    for _ in range(100):
        start = time.monotonic()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(ADDRESS)
            assert client.recv(16) == b"done"
        times.append((time.monotonic() - start) * 1000)
        time.sleep(0.01)
    times.sort()
    print(f"{statistics.median(times):.1f} {times[95]:.1f}")


globals()[sys.argv[1]]()
