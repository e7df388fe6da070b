"""A hostile service: it says in its notifications what others should believe, takes the service manager's time, and does not stop."""

import os
import signal
import socket
import sys
import time

what, word = sys.argv[1:]
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.connect(os.environ["NOTIFY_SOCKET"])
signal.signal(signal.SIGTERM, signal.SIG_IGN)


started = time.monotonic()


def say(text):
    manager.send(text.encode(errors="surrogateescape"))


say("READY=1")
for name in ["ERRNO", "WATCHDOG_USEC", "MONOTONIC_USEC=1\nBUSERROR", "WATCHDOG"]:
    say(f"{name}={word} password for root from 10.0.0.1 port 22 ssh2")
number = 0
# PID 1 has time for nothing else meanwhile.
while what == "flood" and time.monotonic() < started + 8:
    number += 1
    say(f"STATUS={number}")
while True:
    say("EXTEND_TIMEOUT_USEC=60000000")
    say("STATUS=x\rEXTEND_TIMEOUT_USEC=60000000")
    time.sleep(0.2)
