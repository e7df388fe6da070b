"""Runs the script of a NixOS test on this machine: as much of the test driver's interface as the scripts use.

`NODE` is this machine; each `NEIGHBOUR` is a machine on the same network, which has a network namespace of its own here
and no services. Names and meanings are those of "Writing Tests" in the manual of NixOS.
"""

import contextlib
import subprocess
import sys
import time

SCRIPT, NODE, *NEIGHBOURS = sys.argv[1:]
PATIENCE = 120
PATH = "/run/current-system/sw/bin:/usr/local/bin:/usr/bin:/usr/sbin"


class Machine:
    def __init__(self, prefix):
        self.prefix = prefix

    def execute(self, command):
        words = [*self.prefix, "/usr/bin/env", f"PATH={PATH}", "bash", "-c", f"set -euo pipefail; {command}"]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE * 2)
        sys.stderr.write(done.stderr)
        return done.returncode, done.stdout

    def succeed(self, *commands):
        output = ""
        for command in commands:
            status, text = self.execute(command)
            assert status == 0, f"`{command}` exited with {status}: {text}"
            output += text
        return output

    def fail(self, *commands):
        output = ""
        for command in commands:
            status, text = self.execute(command)
            assert status != 0, f"`{command}` succeeded: {text}"
            output += text
        return output

    def wait_until_succeeds(self, command, timeout=PATIENCE):
        deadline = time.monotonic() + timeout
        while True:
            status, text = self.execute(command)
            if status == 0:
                return text
            assert time.monotonic() < deadline, f"`{command}` does not succeed: {text}"
            time.sleep(0.5)

    def show(self, unit, name):
        return self.succeed(f"systemctl show --value --property={name} {unit}").strip()

    def wait_for_unit(self, unit, timeout=PATIENCE):
        deadline = time.monotonic() + timeout
        while (state := self.show(unit, "ActiveState")) != "active":
            if state == "failed" or time.monotonic() > deadline:
                raise AssertionError(f"{unit} is {state}: {self.execute(f'journalctl --no-pager --unit={unit}')[1]}")
            time.sleep(0.2)

    def require_unit_state(self, unit, required="active"):
        state = self.show(unit, "ActiveState")
        assert state == required, f"{unit} is {state} rather than {required}"

    def wait_for_open_port(self, port, address="localhost", timeout=PATIENCE):
        self.wait_until_succeeds(f"exec 3<>/dev/tcp/{address}/{port}", timeout)

    def sleep(self, seconds):
        time.sleep(seconds)


@contextlib.contextmanager
def subtest(name):
    print(f"- {name}", file=sys.stderr)
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{name}: {error}") from error


names = {NODE: Machine([])}
for neighbour in NEIGHBOURS:
    names[neighbour] = Machine(["ip", "netns", "exec", "neighbour"])
# A test of one machine may call it so, whatever its name.
names.setdefault("machine", names[NODE])
with open(SCRIPT) as script:
    code = compile(script.read(), SCRIPT, "exec")
try:
    exec(code, names | {"subtest": subtest, "start_all": lambda: None})
except Exception:
    # What the machine says of it.
    print(names[NODE].execute("journalctl --no-pager --boot --priority=info | tail -n 60")[1], file=sys.stderr)
    raise
