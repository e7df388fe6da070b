"""Tries what Landlock and the last system call filter forbid, and what they let through: null where nothing stood in the way."""

import fcntl
import json
import os
import shutil
import socket
import subprocess

RNDGETENTCNT = 0x80045200


def bind(family, address, port, protocol=0):
    with socket.socket(family, socket.SOCK_STREAM, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen()


def ask_device():
    with open("/dev/urandom", "rb") as device:
        fcntl.ioctl(device, RNDGETENTCNT, bytes(4))


def execute_written():
    path = os.environ["RUNTIME_DIRECTORY"] + "/written"
    shutil.copy("/usr/bin/true", path)
    os.chmod(path, 0o755)
    subprocess.run([path], check=True)


def make(kind, protocol):
    socket.socket(socket.AF_INET, kind, protocol).close()


FORBIDDEN = {
    "bind a port": lambda: bind(socket.AF_INET, "127.0.0.1", 7070),
    "bind a port by IPv6": lambda: bind(socket.AF_INET6, "::", 7071),
    "bind a port by MPTCP": lambda: bind(socket.AF_INET, "127.0.0.1", 7072, 262),
    "ask a device": ask_device,
    "execute what it wrote": execute_written,
    "make a socket of UDP-Lite": lambda: make(socket.SOCK_DGRAM, 136),
}
ALLOWED = {
    "bind an offered port": lambda: bind(socket.AF_INET, "127.0.0.1", 8008),
    "bind a port of the kernel's choice": lambda: bind(socket.AF_INET6, "::", 0),
    "make a socket of UDP": lambda: make(socket.SOCK_DGRAM, 17),
    "execute a program": lambda: subprocess.run(["/bin/sh", "-c", "exec /usr/bin/true"], check=True),
}


def outcome(attempt):
    try:
        attempt()
    except (OSError, subprocess.CalledProcessError) as error:
        return str(error)
    return None


report = {
    kind: {name: outcome(attempt) for name, attempt in attempts.items()}
    for kind, attempts in (("forbidden", FORBIDDEN), ("allowed", ALLOWED))
}
print(json.dumps(report), flush=True)
