"""Takes as much as it gets of what the file beside it names: processes, memory, processors or the disk."""

import os
import pathlib
import time

WANTS = pathlib.Path("/usr/local/lib/hog.wants").read_text().split()


def tasks():
    while True:
        try:
            if os.fork() == 0:
                tasks()
        except OSError:
            # Without the sandbox there are hundreds: they are to be measured, not waited for.
            time.sleep(1)


def memory():
    held = []
    # Not more than the machine has without it: the other services are to be measured, not ended.
    while len(held) < 1200:
        held.append(b"x" * (1 << 20))
    while True:
        for block in held:
            block[0]


def processors():
    for _ in range(7):
        if os.fork() == 0:
            break
    while True:
        pass


def disk():
    path = WANTS[1]
    block = b"x" * (1 << 20)
    with open(path, "wb", buffering=0) as file:
        while True:
            file.seek(0)
            for _ in range(64):
                file.write(block)
            os.fsync(file.fileno())


globals()[WANTS[0]]()
