"""A service that was taken over: tries whatever the machine around it might let it do.

Prints one JSON object: each attempt's name, and null if it succeeded, else what stood in its way. Everything that it
tries at was laid out so that the machine's mode bits do not stand in the way of the service's user.
"""

import ctypes
import errno
import json
import os
import signal
import socket
import subprocess
import sys

VICTIM = int(sys.argv[1])
SECRET = b"the victim's secret"
PORT = 9999
libc = ctypes.CDLL(None, use_errno=True)


def checked(result):
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def require(found):
    if SECRET not in found:
        raise ValueError(f"found only {found!r}")


def read(path):
    with open(path, "rb") as file:
        require(file.read())


def write(path):
    # Not created where it is missing: a file of one's own is no interference.
    with open(path, "r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(b"\nhostile")


def fetch(family, kind, address):
    with socket.socket(family, kind) as client:
        client.settimeout(5)
        client.connect(address)
        client.send(b"hello\n")
        require(client.recv(100))


def tcp(host):
    fetch(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, (host, PORT))


def udp(host):
    fetch(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM, (host, PORT))


def system_bus():
    with socket.socket(socket.AF_UNIX) as bus:
        bus.settimeout(5)
        bus.connect("/run/dbus/system_bus_socket")
        bus.send(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        if not bus.recv(100).startswith(b"OK "):
            raise ValueError("refused")


def process_listed():
    require(open(f"/proc/{VICTIM}/cmdline", "rb").read())


def process_environment():
    require(open(f"/proc/{VICTIM}/environ", "rb").read())


def process_memory():
    class Vector(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    with open(f"/proc/{VICTIM}/maps") as maps:
        address = next(int(line.split("-")[0], 16) for line in maps if "[stack]" in line)
    buffer = ctypes.create_string_buffer(16)
    here, there = Vector(ctypes.addressof(buffer), 16), Vector(address, 16)
    checked(libc.process_vm_readv(VICTIM, ctypes.byref(here), 1, ctypes.byref(there), 1, 0))


def process_signalled():
    os.kill(VICTIM, signal.SIGUSR1)


def sysv_shared_memory():
    libc.shmat.restype = ctypes.c_void_p
    segment = checked(libc.shmget(0x5EC, 0, 0))
    address = libc.shmat(segment, None, 0)
    if address == ctypes.c_void_p(-1).value:
        checked(-1)
    require(ctypes.string_at(address, len(SECRET)))


def sysv_message_queue():
    queue = checked(libc.msgget(0x5EC, 0))
    checked(libc.msgsnd(queue, b"\1" + bytes(7) + b"hostile", 7, 0o4000))


def posix_message_queue():
    queue = checked(libc.mq_open(b"/victim", os.O_RDWR))
    checked(libc.mq_send(queue, b"hostile", 7, 0))


KEYCTL, SEARCH, READ, USER_KEYRING = 250, 10, 11, -4


def keyring():
    key = checked(libc.syscall(KEYCTL, SEARCH, USER_KEYRING, b"user", b"victim", 0))
    buffer = ctypes.create_string_buffer(100)
    checked(libc.syscall(KEYCTL, READ, key, buffer, 100))
    require(buffer.value)


def set_user_id():
    if b"euid=0(root)" not in subprocess.run(["/usr/local/bin/id-as-root"], capture_output=True, check=True).stdout:
        raise ValueError("not root")


def file_capability():
    program = "import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)"
    subprocess.run(["/usr/local/bin/python-with-raw-sockets", "-c", program], capture_output=True, check=True)


def user_namespace():
    # In a process of its own: this one stays as it is.
    pid = os.fork()
    if pid == 0:
        os._exit(0 if libc.unshare(0x10000000) == 0 else ctypes.get_errno())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise OSError(code, os.strerror(code))


ATTEMPTS = {
    **{f"read {path}": (read, path) for path in sys.argv[2:]},
    **{f"write {path}": (write, path) for path in sys.argv[2:]},
    **{
        f"connect to {host}": (tcp, host)
        for host in ("127.0.0.1", "127.1.2.3", "0.0.0.0", "198.51.100.1", "::1", "::", "::ffff:127.0.0.1",
                     "::ffff:198.51.100.1", "2001:db8:100::1")
    },
    **{f"send a datagram to {host}": (udp, host) for host in ("127.0.0.1", "198.51.100.1", "::1", "2001:db8:100::1")},
    "connect to a socket in /run": (fetch, socket.AF_UNIX, socket.SOCK_STREAM, "/run/victim/socket"),
    "connect to an abstract socket": (fetch, socket.AF_UNIX, socket.SOCK_STREAM, "\0victim"),
    "talk to the system bus": (system_bus,),
    "see another process": (process_listed,),
    "read another process's environment": (process_environment,),
    "read another process's memory": (process_memory,),
    "signal another process": (process_signalled,),
    "attach shared memory": (sysv_shared_memory,),
    "send to a System V message queue": (sysv_message_queue,),
    "send to a POSIX message queue": (posix_message_queue,),
    "read the user's keyring": (keyring,),
    "run a set-user-ID program": (set_user_id,),
    "run a program with capabilities": (file_capability,),
    "gain capabilities in a user namespace": (user_namespace,),
}


def attempt(function, *arguments):
    try:
        return function(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


print(json.dumps({name: attempt(*call) for name, call in ATTEMPTS.items()}), flush=True)
