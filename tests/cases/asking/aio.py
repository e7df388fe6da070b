"""Ask for a context of asynchronous reads and writes; the exit status is 0, or 100 and the error's number."""

import ctypes
import platform
import sys

IO_SETUP = {"x86_64": 206, "aarch64": 0}[platform.machine()]

libc = ctypes.CDLL(None, use_errno=True)
context = ctypes.c_ulong(0)
failed = libc.syscall(IO_SETUP, 1000, ctypes.byref(context)) != 0
sys.exit(100 + ctypes.get_errno() if failed else 0)
