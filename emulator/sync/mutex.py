"""Robust, error-checking, process-shared pthread mutexes in a table of shared memory.

A lock is a kernel-known mutex because a process may be killed while it holds one: the next taker is told (EOWNERDEAD)
instead of waiting for ever, and a second acquire by the holder is an error (EDEADLK) instead of a hang. Nothing here
raises for what a lock says: the error number is the return value, and the platform decides. The functions are bound
through PyDLL, which keeps the interpreter lock while it blocks: only single-threaded processes may call them.

The numbers that acquire, try_acquire and acquire_until return:

    0                 taken
    EOWNERDEAD        taken; the last holder died with it, what it guards may be half written
    EDEADLK           not taken; the caller holds it already
    EBUSY             not taken; try_acquire alone: somebody holds it
    ETIMEDOUT         not taken; acquire_until alone: the deadline passed
    ENOTRECOVERABLE   not taken; an EOWNERDEAD holder released it without make_consistent
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from typing import TYPE_CHECKING, Any, Final

from emulator.sync.errors import SharedMemoryError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes for one lock: a pthread_mutex_t has 40, and two locks in one cache line slow each other down.
MUTEX_SIZE: Final = 64

EOWNERDEAD: Final = errno.EOWNERDEAD
EDEADLK: Final = errno.EDEADLK
EBUSY: Final = errno.EBUSY
EPERM: Final = errno.EPERM
ETIMEDOUT: Final = errno.ETIMEDOUT
ENOTRECOVERABLE: Final = errno.ENOTRECOVERABLE

_PROCESS_SHARED: Final = 1
_ROBUST: Final = 1
_ERROR_CHECK: Final = 2
_CLOCK_MONOTONIC: Final = 1
_NANOSECONDS: Final = 1_000_000_000
#: The part of a robust futex's first word that is its holder's thread id (linux/futex.h).
_HOLDER_MASK: Final = 0x3FFFFFFF

_LIBRARY: Final = ctypes.PyDLL(None)
# No argtypes on the five: an argument made by byref passes without a conversion, which saves 60 ns a call.
_lock: Final = _LIBRARY["pthread_mutex_lock"]
_unlock: Final = _LIBRARY["pthread_mutex_unlock"]
_trylock: Final = _LIBRARY["pthread_mutex_trylock"]
_clocklock: Final = _LIBRARY["pthread_mutex_clocklock"]
_consistent: Final = _LIBRARY["pthread_mutex_consistent"]


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def initialize(address: int) -> None:
    """Make the MUTEX_SIZE bytes at the address a free lock. Never on a lock that anybody may hold or want."""
    if address % 8:
        raise ValueError(f"a lock at {address:#x} is not on an eight-byte boundary")
    attributes = ctypes.create_string_buffer(64)
    ctypes.memset(address, 0, MUTEX_SIZE)
    for call, *arguments in (
        ("pthread_mutexattr_init",),
        ("pthread_mutexattr_setpshared", _PROCESS_SHARED),
        ("pthread_mutexattr_setrobust", _ROBUST),
        ("pthread_mutexattr_settype", _ERROR_CHECK),
    ):
        _check(_LIBRARY[call](attributes, *arguments), call)
    _check(_LIBRARY["pthread_mutex_init"](ctypes.c_void_p(address), attributes), "pthread_mutex_init")
    _LIBRARY["pthread_mutexattr_destroy"](attributes)


class LockTable:
    """The locks at one address of shared memory, each known by its index.

    The four calls are attributes that hold closures, not methods, which saves the look-ups through self. An index
    beyond the table is an IndexError; who takes one from a driver checks it first: a negative one counts from the end.
    """

    __slots__ = (
        "_pointers",
        "_words",
        "acquire",
        "acquirers",
        "attempters",
        "count",
        "make_consistent",
        "release",
        "releasers",
        "try_acquire",
    )

    acquire: Callable[[int], int]
    try_acquire: Callable[[int], int]
    #: 0, or EPERM when the caller does not hold the lock.
    release: Callable[[int], int]
    #: After EOWNERDEAD, when what the lock guards has been put right: the lock is an ordinary one again.
    make_consistent: Callable[[int], int]
    #: The acquire, the release and the try of each lock without an argument: acquirers[index]() has no Python frame of
    #: its own, which saves a fifth of the cost of acquire(index).
    acquirers: list[Callable[[], int]]
    releasers: list[Callable[[], int]]
    attempters: list[Callable[[], int]]

    def __init__(self, address: int, count: int) -> None:
        if count < 0 or address % 8:
            raise ValueError(f"a table of {count} locks cannot lie at {address:#x}")
        self.count = count
        locks = (ctypes.c_char * (MUTEX_SIZE * count)).from_address(address)
        pointers: list[Any] = [ctypes.byref(locks, MUTEX_SIZE * index) for index in range(count)]
        self._pointers = pointers
        self._words = [ctypes.c_uint32.from_address(address + MUTEX_SIZE * index) for index in range(count)]
        self.acquirers = [functools.partial(_lock, pointer) for pointer in pointers]
        self.releasers = [functools.partial(_unlock, pointer) for pointer in pointers]
        self.acquire = _bind(_lock, pointers)
        self.attempters = [functools.partial(_trylock, pointer) for pointer in pointers]
        self.try_acquire = _bind(_trylock, pointers)
        self.release = _bind(_unlock, pointers)
        self.make_consistent = _bind(_consistent, pointers)

    def initialize(self) -> None:
        """Make every lock of the table a free one: once, by the process that created the memory."""
        for word in self._words:
            initialize(ctypes.addressof(word))

    def acquire_until(self, index: int, deadline_ns: int) -> int:
        """Acquire, but give up (ETIMEDOUT) when time.monotonic_ns() reaches the deadline."""
        seconds, nanoseconds = divmod(max(deadline_ns, 0), _NANOSECONDS)
        deadline = _Timespec(seconds, nanoseconds)
        result: int = _clocklock(self._pointers[index], _CLOCK_MONOTONIC, ctypes.byref(deadline))
        return result

    def bound(self, index: int) -> tuple[Callable[[], int], Callable[[], int]]:
        """The acquire and the release of one lock, for whoever keeps them."""
        return self.acquirers[index], self.releasers[index]

    def holder(self, index: int) -> int:
        """The thread id of the holder, 0 when free: a glance that takes nothing, stale as soon as it is read."""
        return self._words[index].value & _HOLDER_MASK


def _bind(function: Callable[[Any], int], pointers: list[Any]) -> Callable[[int], int]:
    def call(index: int) -> int:
        return function(pointers[index])

    return call


def _check(number: int, call: str) -> None:
    if number:
        raise SharedMemoryError("preparing a robust mutex", OSError(number, f"{call}: {os.strerror(number)}"))
