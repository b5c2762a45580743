"""The live platform: what the kernel asks for, done with mutexes, doorbells and clocks of this computer.

Law: one object for each process that runs driver code, made after the fork; it raises MachineStopped where the dead
are met and never repairs what they left.
"""

from __future__ import annotations

import ctypes
import functools
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from emulator.host.messages import Grow, LogRecord
from emulator.kernel.platform import PATIENCE_NS, current
from emulator.kernel.stop import owner_death
from emulator.layout.machine import SystemLock
from emulator.rules.errors import EmulatorError
from emulator.sync import atomic, mutex
from emulator.sync.doorbell import Doorbell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emulator.layout.arena import Arena
    from emulator.sync.atomic import Interlocked
    from emulator.sync.memory import Mapping

LONGEST_SLEEP_NS: Final = 500_000_000
"""No sleep is longer, whatever the deadline: a lost ring would cost this much and not the machine."""
LINGER_NS: Final = PATIENCE_NS if len(os.sched_getaffinity(0)) > 1 else 0
"""With only one processor nobody could make anything ready while another looks for it."""
LONGEST_LOG_TEXT: Final = 8192
UNIX_EPOCH_100NS: Final = 116_444_736_000_000_000
LOG_BUFFER: Final = 1 << 20
_SO_SNDBUFFORCE: Final = 32


def lock_table(mapping: Mapping, arena: Arena) -> mutex.LockTable:
    """The machine's locks."""
    return mutex.LockTable(mapping.address + arena.offsets["locks"], arena.geometry.locks)


def private_fence() -> Callable[[], None]:
    """A fence that shares nothing: libatomic's, or a lock of this process alone, which nobody else can die with."""
    operations = atomic.load()
    if operations is not None:
        return operations.fence
    memory = ctypes.create_string_buffer(2 * mutex.MUTEX_SIZE)
    address = (ctypes.addressof(memory) + mutex.MUTEX_SIZE - 1) // mutex.MUTEX_SIZE * mutex.MUTEX_SIZE
    table = mutex.LockTable(address, 1)
    table.initialize()

    def fence(_kept_alive: object = memory) -> None:
        table.acquire(0)
        table.release(0)

    return fence


def enlarge(sock: socket.socket) -> None:
    """Make room for as many log records as the computer grants."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, LOG_BUFFER)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LOG_BUFFER)


class LivePlatform:
    """A Platform over this computer, for the one context of this process."""

    __slots__ = (
        "_bell",
        "_dropped",
        "_encode",
        "_level",
        "_log",
        "_rings",
        "_slot",
        "_table",
        "acquire",
        "compare_exchange",
        "exchange",
        "fence",
        "fetch_add",
        "now",
        "release",
        "ring",
        "try_acquire",
    )

    sees_locks: bool = False

    #: Take a lock of the lock table, blocking.
    acquire: Callable[[int], None]
    #: Take a lock if it is free.
    try_acquire: Callable[[int], bool]
    #: Give back a lock.
    release: Callable[[int], None]

    def __init__(
        self, slot: int, locks: mutex.LockTable, doorbells: Sequence[int], log: socket.socket, level: int = 0
    ) -> None:
        self._level = level
        self._slot = slot
        self._table = locks
        self._log = log
        self._dropped = 0
        self._encode = msgspec.msgpack.Encoder().encode
        self._bell = Doorbell(doorbells[slot])
        self._rings = [functools.partial(_ring, fd) for fd in doorbells]
        interlocked: Interlocked = atomic.interlocked(
            functools.partial(self._acquire_slowly, SystemLock.INTERLOCKED),
            functools.partial(locks.release, SystemLock.INTERLOCKED),
        )
        self.fetch_add: Callable[[Any, int], int] = interlocked.fetch_add
        self.exchange: Callable[[Any, int], int] = interlocked.exchange
        self.compare_exchange: Callable[[Any, int, int], int] = interlocked.compare_exchange
        self.fence: Callable[[], None] = interlocked.fence if interlocked.available else private_fence()
        self.now: Callable[[], int] = time.monotonic_ns
        self.ring: Callable[[int], None] = self._ring_slot
        self._bind_locks(locks)

    def _bind_locks(self, locks: mutex.LockTable) -> None:
        # Closures over the table's bound calls: no look-up through self on the path that every frame takes.
        take, give, attempt = locks.acquirers, locks.releasers, locks.attempters
        failed, busy = self.lock_failed, mutex.EBUSY

        def acquire(lock: int) -> None:
            number = take[lock]()
            if number:
                failed(lock, number)

        def release(lock: int) -> None:
            number = give[lock]()
            if number:
                failed(lock, number)

        def try_acquire(lock: int) -> bool:
            number = attempt[lock]()
            if number and number != busy:
                failed(lock, number)
            return not number

        self.acquire, self.release, self.try_acquire = acquire, release, try_acquire

    def bound(self, lock: int) -> tuple[Callable[[], int], Callable[[], int]]:
        """The mutex's own calls."""
        return self._table.bound(lock)

    def lock_failed(self, lock: int, number: int) -> NoReturn:
        """The owner died, or the emulator is broken."""
        if number in (mutex.EOWNERDEAD, mutex.ENOTRECOVERABLE):
            owner_death(current.context, lock)
        raise EmulatorError(f"lock {lock} in slot {self._slot}: {os.strerror(number)}")

    def _acquire_slowly(self, lock: int) -> None:
        number = self._table.acquire(lock)
        if number:
            self.lock_failed(lock, number)

    def _ring_slot(self, slot: int) -> None:
        self._rings[slot]()

    def system_time(self) -> int:
        """100 ns units since 1601-01-01 UTC."""
        return time.time_ns() // 100 + UNIX_EPOCH_100NS

    def sleep(self, deadline: int | None) -> None:
        """Block on this context's doorbell, until rung, until ``deadline`` or for half a second."""
        remaining = LONGEST_SLEEP_NS if deadline is None else min(deadline - time.monotonic_ns(), LONGEST_SLEEP_NS)
        self._bell.wait(remaining)
        current.context.box.wakes += 1

    def linger(self, ready: Callable[[], bool]) -> bool:
        """Look again and again for LINGER_NS, letting everybody else run in between."""
        now, step_aside = time.monotonic_ns, os.sched_yield
        end = now() + LINGER_NS
        while now() < end:
            step_aside()
            if ready():
                return True
        return False

    def choose(self, count: int, site: str) -> int:
        """The first of the legal ways: live processes choose by themselves."""
        return 0

    def switch(self, site: str) -> None:
        """Nothing: processes switch by themselves."""

    def point(self) -> None:
        """Nothing, as ``switch``."""

    def grow(self) -> None:
        """Ask the host for one more passive worker."""
        self._send(Grow(self._slot))

    def read_file(self, path: str) -> bytes:
        """The whole of a file."""
        return Path(path).read_bytes()

    def log(self, level: int, logger: str, text: str) -> None:
        """Send one record to the host in one act; never waits, and says with the next one how many found no room."""
        if level < self._level:
            return
        if len(text) > LONGEST_LOG_TEXT:
            text = text[:LONGEST_LOG_TEXT] + " ..."
        if self._send(LogRecord(level, logger, text, self._slot, self._dropped)):
            self._dropped = 0
        else:
            self._dropped += 1

    def _send(self, record: LogRecord | Grow) -> bool:
        try:
            self._log.send(self._encode(record), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            return False
        return True


def _ring(fd: int) -> None:
    try:
        os.eventfd_write(fd, 1)
    except BlockingIOError:
        pass  # so many rings wait already that the counter is full: one more says nothing new
