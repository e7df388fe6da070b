"""A small service of the usual kind: it answers requests on a port, keeps its state in a file, and calls another machine.

Each request is entered in the ledger with what the other machine said; the answer is how many entries there are.
"""

import os
import signal
import socket
import sys

PORT = 8080
PEER = ("198.51.100.2", 7000)


def peer():
    with socket.create_connection(PEER, timeout=60) as connection:
        return connection.recv(100).decode().strip()


def enter(text):
    path = os.path.join(os.environ.get("STATE_DIRECTORY", "/var/lib/ledger"), "entries")
    with open(path, "a+") as entries:
        entries.write(text + "\n")
        entries.flush()
        entries.seek(0)
        return len(entries.readlines())


# As the init of a PID namespace it would be deaf to this otherwise.
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("0.0.0.0", PORT))
listener.listen()
while True:
    caller, _ = listener.accept()
    with caller:
        caller.recv(1000)
        try:
            answer = f"{enter(peer())} entries"
        except OSError as error:
            answer = f"failed: {error}"
        caller.sendall(f"HTTP/1.0 200 OK\r\n\r\n{answer}\n".encode())
