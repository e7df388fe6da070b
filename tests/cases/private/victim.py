"""What others on a machine offer: answers on a TCP and a UDP port at every address, and on an abstract unix socket."""

import socket
import sys
import threading


def serve(server):
    while True:
        client, address = server.accept()
        if address:
            print("called by", address[0], flush=True)
        client.sendall(b"here\n")
        client.close()


def answer(server):
    while True:
        _, address = server.recvfrom(100)
        print("called by", address[0], flush=True)
        server.sendto(b"here\n", address)


port = int(sys.argv[1])
for kind, work in ((socket.SOCK_STREAM, serve), (socket.SOCK_DGRAM, answer)):
    server = socket.socket(socket.AF_INET6, kind)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", port))
    if kind == socket.SOCK_STREAM:
        server.listen()
    threading.Thread(target=work, args=(server,), daemon=True).start()
abstract = socket.socket(socket.AF_UNIX)
abstract.bind(f"\0victim-{port}")
abstract.listen()
serve(abstract)
