"""The few functions of the C library that Python does not wrap, with their types.

Bound once, at import: a name that is looked up on a ctypes library at each call costs more than the call.
Functions that may block release the interpreter lock (CDLL); the mutexes are bound in mutex.py, where they must not.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

PR_SET_PDEATHSIG: Final = 1
PR_SET_NAME: Final = 15
PR_SET_CHILD_SUBREAPER: Final = 36

PROT_READ: Final = 1
PROT_WRITE: Final = 2
MAP_SHARED: Final = 1

#: The number of close_range on every architecture that has it (Linux 5.9).
SYS_CLOSE_RANGE: Final = 436
LAST_DESCRIPTOR: Final = 0xFFFFFFFF

_LIBRARY: Final = ctypes.CDLL(None, use_errno=True)

_prctl = _LIBRARY["prctl"]
_prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong]
_prctl.restype = ctypes.c_int

_mmap = _LIBRARY["mmap"]
_mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_mmap.restype = ctypes.c_void_p

_munmap = _LIBRARY["munmap"]
_munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_munmap.restype = ctypes.c_int

_syscall = _LIBRARY["syscall"]
_syscall.argtypes = [ctypes.c_long, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint]
_syscall.restype = ctypes.c_long

_MAP_FAILED: Final = ctypes.c_void_p(-1).value


def prctl(option: int, argument: int) -> None:
    """Call prctl with one argument; raise OSError when it refuses."""
    if _prctl(option, argument, 0, 0, 0) != 0:
        raise _failure("prctl")


def set_process_name(name: str) -> None:
    """Name the calling process as ps and top show it: the kernel keeps fifteen bytes."""
    text = ctypes.create_string_buffer(name.encode()[:15])
    prctl(PR_SET_NAME, ctypes.addressof(text))


def map_shared(descriptor: int, size: int) -> int:
    """Map a file for reading and writing, shared; return the address."""
    address: int | None = _mmap(None, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    if address is None or address == _MAP_FAILED:
        raise _failure("mmap")
    return address


def unmap(address: int, size: int) -> None:
    """Undo map_shared."""
    if _munmap(address, size) != 0:
        raise _failure("munmap")


def close_all_but(keep: Collection[int]) -> None:
    """Close every descriptor of the process that is not in keep."""
    first = 0
    for kept in sorted(keep):
        if kept > first:
            _close_range(first, kept - 1)
        first = kept + 1
    _close_range(first, LAST_DESCRIPTOR)


def _close_range(first: int, last: int) -> None:
    if _syscall(SYS_CLOSE_RANGE, first, last, 0) == 0:
        return
    # A kernel before 5.9, or a sandbox without the call: one at a time, only those that are open.
    for entry in os.listdir("/proc/self/fd"):
        descriptor = int(entry)
        if first <= descriptor <= last:
            os.closerange(descriptor, descriptor + 1)


def _failure(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")
