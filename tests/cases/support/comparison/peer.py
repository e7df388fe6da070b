"""The other machine: says hello to whoever connects."""

import socket

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("198.51.100.2", 7000))
listener.listen()
while True:
    caller, _ = listener.accept()
    with caller:
        caller.sendall(b"hello\n")
