"""Runs the commands that come through a virtio port and sends back what they did, one at a time.

Both ways: a line of JSON that says how many bytes follow, and these bytes.
"""

import json
import os
import subprocess


def read(port, count):
    data = bytearray()
    while len(data) < count:
        piece = os.read(port, min(count - len(data), 1 << 20))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def read_line(port):
    line = b""
    while not line.endswith(b"\n"):
        line += read(port, 1)
    return json.loads(line)


def write(port, data):
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(port, rest) :]


def run(words, data):
    try:
        done = subprocess.run(words, input=data, capture_output=True, cwd="/")
    except OSError as error:
        return 127, b"", f"{error}\n".encode()
    return done.returncode, done.stdout, done.stderr


port = os.open("/dev/virtio-ports/sandboxed-testbed", os.O_RDWR)
write(port, b"ready\n")
while True:
    request = read_line(port)
    status, out, err = run(request["words"], read(port, request["input"]))
    answer = {"status": status if status >= 0 else None, "stdout": len(out), "stderr": len(err)}
    write(port, json.dumps(answer).encode() + b"\n" + out + err)
