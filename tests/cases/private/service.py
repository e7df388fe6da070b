"""A service that offers ports, and does what its caller asks of it: `attack`, or a single attempt in words.

It answers each connection with one JSON object: the caller's address, and the attempts with null for each that succeeded, else
what stood in its way. The same program runs with and without a sandbox.
"""

import errno
import json
import os
import signal
import socket
import socketserver
import struct
import sys
import threading
import time


def fetch(kind, host, port):
    """An answer from whoever listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as client:
        client.settimeout(3)
        client.connect((host, int(port)))
        client.send(b"hello\n")
        if not client.recv(100):
            raise ConnectionError("no answer")


def tcp(host, port):
    fetch(socket.SOCK_STREAM, host, port)


def udp(host, port):
    fetch(socket.SOCK_DGRAM, host, port)


def bound(interface, host, port):
    """As tcp, past the routing tables."""
    with socket.socket() as client:
        client.settimeout(3)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        client.connect((host, int(port)))
        client.send(b"hello\n")
        if not client.recv(100):
            raise ConnectionError("no answer")


def hold(host, port):
    """As tcp, and does not close it."""
    client = socket.create_connection((host, int(port)), 3)
    kept.append(client)
    if not client.recv(100):
        raise ConnectionError("no answer")


def burst(host, port):
    """A hundred datagrams at once, of which all must be answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        sent = answered = 0
        for _ in range(100):
            try:
                client.sendto(b"hello\n", (host, int(port)))
                sent += 1
            except OSError:
                pass
        try:
            while client.recv(100):
                answered += 1
        except OSError:
            pass
        if answered < 100:
            raise ConnectionError(f"of 100 {sent} were sent and {answered} answered")


def abstract(name):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(3)
        client.connect("\0" + name)
        if not client.recv(100):
            raise ConnectionError("no answer")


def squat(name):
    """Takes a name that others connect to."""
    server = socket.socket(socket.AF_UNIX)
    server.bind("\0" + name)
    server.listen()
    kept.append(server)


def take(port):
    """Takes a port that others connect to."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("0.0.0.0", int(port)))
    server.listen()
    kept.append(server)


def claim(kind, host, port):
    """Takes exactly this port, or another's beside it where both are to share it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kinds = {"tcp": (socket.SOCK_STREAM, 0), "mptcp": (socket.SOCK_STREAM, 262), "udp": (socket.SOCK_DGRAM, 0)}
    with socket.socket(family, *kinds[kind]) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind((host, int(port)))
        given = server.getsockname()[1]
        if int(port) not in (0, given):
            raise ConnectionError(f"was given {given}")


def chosen(how, host, port):
    """Has the kernel choose this port, which it takes for free where both sockets let others use theirs."""
    local_port_range = 51
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.setsockopt(socket.IPPROTO_IP, local_port_range, struct.pack("=HH", int(port), int(port)))
        except PermissionError:
            pass
        if how == "bind":
            server.bind((host, 0))
        elif how == "connect":
            server.connect((host, 9))
        else:
            server.sendto(b"", (host, 9))
        given = server.getsockname()[1]
        if given != int(port):
            raise ConnectionError(f"was given {given}")


def exhaust(kind, host, port):
    """Takes ports until there are none left: `tcp` and `udp` by sockets, `ended` by connections that have ended."""
    until = time.monotonic() + 20
    refused = ConnectionError("there are still some")
    while time.monotonic() < until:
        try:
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
            client.bind(("0.0.0.0", 0))
            if kind == "ended":
                client.connect((host, int(port)))
                # Who ends a connection first is left with the port.
                client.shutdown(socket.SHUT_WR)
                while client.recv(100):
                    pass
                client.close()
            else:
                kept.append(client)
        except PermissionError as error:
            refused = error
            time.sleep(0.1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
                return
            raise
    raise refused


def spray(host, many):
    """Datagrams to many ports, of which each is a connection for those that track them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for port in range(10000, 10000 + int(many)):
            try:
                client.sendto(b"hello\n", (host, port))
            except OSError:
                pass


def hurry(host, port, many):
    """Connections that end at once, after which they are tracked for two more minutes."""
    for _ in range(int(many)):
        tcp(host, port)


def release():
    """Closes what others of these have left open."""
    while kept:
        kept.pop().close()


def persist(host, port):
    """Tries without an end, and says so now and then."""
    tries = 0
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        tries += 1
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            try:
                with socket.socket(family, kind) as client:
                    client.settimeout(0.05)
                    client.connect((host, int(port)))
                    client.send(b"hello\n")
            except OSError:
                pass
        if tries % 10 == 0:
            print("still trying", host, flush=True)


def answer(port):
    """Answers each question by UDP, whoever it is from."""
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", int(port)))

    def serve():
        while True:
            asked, address = server.recvfrom(100)
            if asked == b"question\n":
                try:
                    server.sendto(b"answer\n", address)
                except OSError as error:
                    print("no answer to", address[0], error, flush=True)

    threading.Thread(target=serve, daemon=True).start()


def offer(host, port, own):
    """A datagram from a port of one's own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        client.bind(("0.0.0.0", int(own)))
        client.sendto(b"hello\n", (host, int(port)))


def pose(source, host, port):
    """A datagram from an address that is another's, for which IPv6 needs no privilege."""
    ipv6_freebind = 78
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.IPPROTO_IPV6, ipv6_freebind, 1)
        client.bind((source, 0))
        client.sendto(b"hello\n", (host, int(port)))


WORDS = (tcp, udp, answer, offer, pose, bound, hold, burst, abstract, squat, take, claim, chosen, exhaust, spray, hurry, release, persist)
ATTEMPTS = {word.__name__: word for word in WORDS}
kept = []


def attempt(words):
    try:
        ATTEMPTS[words[0]](*words[1:])
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        asked = self.rfile.readline().decode().strip()
        answers = {text: attempt(text.split()) for text in asked.split(",") if text}
        report = {"caller": self.client_address[0], "attempts": answers}
        self.wfile.write(json.dumps(report).encode() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


if "STUBBORN" in os.environ:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
for port in sys.argv[1:]:
    try:
        server = Server(("::", int(port)), Handler)
    except PermissionError as error:
        # Some are not offered, and where Landlock knows of ports it refuses them.
        print("no port", port, error, file=sys.stderr)
    else:
        threading.Thread(target=server.serve_forever, daemon=True).start()
address = os.environ["NOTIFY_SOCKET"]
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
    notify.sendto(b"READY=1", "\0" + address[1:] if address[0] == "@" else address)
threading.Event().wait()
