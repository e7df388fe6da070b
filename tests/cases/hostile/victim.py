"""Another service of the machine, with everything a taken-over neighbour could reach for."""

import ctypes
import os
import selectors
import signal
import socket
import sys

SECRET = sys.argv[1].encode()
PORT = 9999
libc = ctypes.CDLL(None)

signal.signal(signal.SIGUSR1, lambda *_: open("/run/victim/signalled", "w").close())

libc.shmat.restype = ctypes.c_void_p
segment = libc.shmget(0x5EC, 4096, 0o1666)
ctypes.memmove(libc.shmat(segment, None, 0), SECRET, len(SECRET))
libc.msgget(0x5EC, 0o1666)
os.umask(0)
libc.mq_open(b"/victim", os.O_RDWR | os.O_CREAT, 0o666, None)

ADD_KEY, KEYCTL, SET_PERMISSIONS, LINK, SESSION_KEYRING, USER_KEYRING = 248, 250, 5, 8, -3, -4
libc.syscall(KEYCTL, LINK, USER_KEYRING, SESSION_KEYRING)
key = libc.syscall(ADD_KEY, b"user", b"victim", SECRET, len(SECRET), USER_KEYRING)
libc.syscall(KEYCTL, SET_PERMISSIONS, key, 0x3F3F0000)

ready = selectors.DefaultSelector()


def serve(family, kind, address):
    server = socket.socket(family, kind)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind(address)
    if kind == socket.SOCK_STREAM:
        server.listen()
    ready.register(server, selectors.EVENT_READ)


for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
    serve(socket.AF_INET, kind, ("0.0.0.0", PORT))
    serve(socket.AF_INET6, kind, ("::", PORT))
serve(socket.AF_UNIX, socket.SOCK_STREAM, "/run/victim/socket")
serve(socket.AF_UNIX, socket.SOCK_STREAM, "\0victim")

with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notification:
    notification.connect(os.environ["NOTIFY_SOCKET"])
    notification.send(b"READY=1")

while True:
    for entry, _ in ready.select():
        server = entry.fileobj
        if server.type == socket.SOCK_STREAM:
            with server.accept()[0] as client:
                client.recv(100)
                client.send(SECRET)
        else:
            server.sendto(SECRET, server.recvfrom(100)[1])
