"""A service that tells what happens to it: it notifies, reloads, feeds the watchdog and takes a second to clean up."""

import os
import signal
import socket
import sys
import time

log = open("/run/launched/log", "a", buffering=1)
terminated = 0


def notify(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.connect(os.environ["NOTIFY_SOCKET"])
        manager.send(text.encode())


def terminate(*_):
    global terminated
    terminated += 1
    log.write(f"terminated {terminated}\n")
    time.sleep(1)
    log.write("clean\n")
    sys.exit(0)


def reload(*_):
    log.write("reloaded\n")
    notify("STATUS=reloaded")


signal.signal(signal.SIGTERM, terminate)
signal.signal(signal.SIGHUP, reload)
own = str(os.getpid())
log.write(f"started {own == os.environ.get('WATCHDOG_PID', own)}\n")
notify(f"READY=1\nMAINPID={own}\nSTATUS=up")
fed_until = time.monotonic() + float(os.environ.get("FED", "1e9"))
while True:
    if time.monotonic() < fed_until:
        notify("WATCHDOG=1")
    time.sleep(0.1)
