"""``python -m tests.faults.harmed serve …``: the server, with faults that a signal lets loose.

SIGUSR1: from then on every fsync and fdatasync of the process fails with EIO, refused by the kernel itself (seccomp).
SIGUSR2: the wall clock jumps, each time by the next of ``HARMED_JUMPS`` (seconds, separated by commas).
"""

import ctypes
import errno
import os
import platform
import signal
import struct
import sys
import time

_SYSCALLS = {"x86_64": (0xC000003E, 74, 75, 317), "aarch64": (0xC00000B7, 82, 83, 277)}
"""By machine: its name for the filter, and the numbers of fsync, fdatasync and seccomp."""
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NO_NEW_PRIVILEGES, _FILTER, _ALL_THREADS = 38, 1, 1


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def refuse_fsync(*_: object) -> None:
    """Let fsync and fdatasync fail from now on, in all threads."""
    machine, fsync, fdatasync, seccomp = _SYSCALLS[platform.machine()]
    code = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (_LOAD, 0, 0, 4),
            (_EQUAL, 0, 3, machine),
            (_LOAD, 0, 0, 0),
            (_EQUAL, 2, 0, fsync),
            (_EQUAL, 1, 0, fdatasync),
            (_RETURN, 0, 0, _ALLOW),
            (_RETURN, 0, 0, _ERRNO | errno.EIO),
        )
    )
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.syscall(
        seccomp, _FILTER, _ALL_THREADS, ctypes.byref(program)
    ):
        os._exit(99)
    print("harmed: fsync fails from now on", file=sys.stderr, flush=True)


def jump(*_: object) -> None:
    """Let the wall clock jump."""
    global _offset  # noqa: PLW0603
    by = float(_jumps.pop(0))
    _offset += by
    print(f"harmed: the clock has jumped by {by}", file=sys.stderr, flush=True)


_offset = 0.0
_jumps = os.environ.get("HARMED_JUMPS", "").split(",")

if __name__ == "__main__":
    # The product takes the clock where it needs it, once: what it takes must be able to jump.
    real = time.time
    time.time = lambda: real() + _offset
    signal.signal(signal.SIGUSR1, refuse_fsync)
    signal.signal(signal.SIGUSR2, jump)
    from tideline.cli import main

    main()
