"""System calls that fail: what a disk does that cannot be had for a test."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

CALLS = {
    "x86_64": {"pwrite64": 18, "fsync": 74, "fdatasync": 75},
    "aarch64": {"pwrite64": 68, "fsync": 82, "fdatasync": 83},
}
"""The numbers of system calls, by machine (Linux's tables of them)."""

_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _FOR_ALL_THREADS = 1, 1
_NO_NEW_PRIVILEGES = 38
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06


def fail(*calls: str) -> None:
    """Have these system calls of this process fail from now on, as if the disk did (EIO); see seccomp(2).

    There is no way back, so it is for processes of their own. Raises OSError where the kernel does not allow it.
    """
    numbers = [CALLS[platform.machine()][call] for call in calls]
    program = [
        (_LOAD, 0, 0, 0),  # the number of the call
        *((_JUMP_IF_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO | errno.EIO),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    # struct sock_fprog: the number of steps, padded to the alignment of the pointer to them.
    filter_ = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if libc.syscall(_SECCOMP[platform.machine()], _SET_MODE_FILTER, _FOR_ALL_THREADS, filter_):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
