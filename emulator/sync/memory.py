"""Shared memory that cannot shrink, grow or fail later: a memfd, allocated in full and sealed before it is used.

Law: what the computer lacks shows when the machine is made, never as a SIGBUS in its middle. The mapping is not the
mmap object of Python, which keeps a second descriptor of its own: a process that closes all but a listed set would
close that one too, and the object would later close whatever had taken its number.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import weakref
from typing import Final

from emulator.sync import libc
from emulator.sync.errors import SharedMemoryError

SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL

#: Since Linux 6.3, and demanded where vm.memfd_noexec is 2; older kernels refuse it.
_MFD_NOEXEC_SEAL: Final = 0x0008
_KIBIBYTE: Final = 1024


class Mapping:
    """Shared memory as this process sees it: an address, a size and a writable view of bytes.

    It is unmapped when it has been closed and nothing points into it any more: the view, its slices and what
    from_buffer makes of them count; what was made by address alone (a lock table) does not, so who has one keeps this.
    """

    __slots__ = ("_unmap", "address", "size", "view")

    def __init__(self, address: int, size: int) -> None:
        self.address = address
        self.size = size
        whole = (ctypes.c_ubyte * size).from_address(address)
        self.view = memoryview(whole).cast("B")
        # Tied to the array, which every view refers to: an mmap object would count for us, see above why it is not one.
        self._unmap = weakref.finalize(whole, libc.unmap, address, size)
        self._unmap.atexit = False

    @property
    def mapped(self) -> bool:
        """Whether the memory is still there."""
        return self._unmap.alive

    def close(self) -> None:
        """Let go of the memory."""
        self.view.release()


def create(name: str, size: int) -> int:
    """Make shared memory of this many zero bytes, all of them allocated; return its descriptor."""
    step = f"allocating {_in_words(size)} of shared memory"
    if size <= 0:
        raise ValueError(f"shared memory of {size} bytes")
    try:
        # Asked first, because for memory that is not there the kernel would rather kill a process than return an error.
        if size > _available_bytes():
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        descriptor = _memfd(name)
        try:
            os.posix_fallocate(descriptor, 0, size)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
        except BaseException:
            os.close(descriptor)
            raise
    except OSError as error:
        raise SharedMemoryError(step, error) from error
    return descriptor


def map(descriptor: int) -> Mapping:
    """Map shared memory that create() made; ValueError when the descriptor is of anything that could still shrink."""
    try:
        seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        seals = 0
    if seals & SEALS != SEALS:
        raise ValueError(f"descriptor {descriptor} is not sealed shared memory")
    size = os.fstat(descriptor).st_size
    try:
        return Mapping(libc.map_shared(descriptor, size), size)
    except OSError as error:
        raise SharedMemoryError(f"mapping {_in_words(size)} of shared memory", error) from error


def _memfd(name: str) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    with contextlib.suppress(OSError):
        return os.memfd_create(name, flags | _MFD_NOEXEC_SEAL)
    return os.memfd_create(name, flags)


def _available_bytes() -> int:
    """How much the kernel could give without killing anybody, by its own estimate, swap included."""
    available = 0
    with open("/proc/meminfo", encoding="ascii") as lines:
        for line in lines:
            field, _, rest = line.partition(":")
            if field in {"MemAvailable", "SwapFree"}:
                available += int(rest.split()[0]) * _KIBIBYTE
    return available


def _in_words(size: int) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if size < _KIBIBYTE or size % _KIBIBYTE or unit == "TiB":
            return f"{size} {unit}"
        size //= _KIBIBYTE
    return f"{size} bytes"
