"""Sends to an abstract name of the machine by a unix datagram socket that is not made by socket(2): one that systemd hands
over, or one of a pair; and takes one. What it sends is which of them it was.
"""

import os
import socket
import sys

NAME = "\0victim"


def attempt(what, sender):
    try:
        sender().sendto(what.encode(), NAME)
        print(what, "reached", flush=True)
    except OSError as error:
        print(what, "stopped:", error, flush=True)


if "LISTEN_FDS" in os.environ:
    attempt("handed", lambda: socket.socket(fileno=3))
for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK):
    attempt(f"pair-{kind:x}", lambda: socket.socketpair(socket.AF_UNIX, kind)[0])
# Standard output, a connection to the journal, takes a name of its own.
try:
    socket.socket(fileno=os.dup(1)).bind("\0another's")
    print("output taken", flush=True)
except OSError as error:
    print("output stopped:", error, flush=True)
# What programs need pairs for.
one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
one.send(b"x")
print("stream", other.recv(1), file=sys.stderr)
