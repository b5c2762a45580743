"""The only door from the machine to the world: clocks, locks, waiting, waking and choosing.

Law: everything below this floor that waits, wakes, reads a clock or chooses does it through a Platform, so that the
same kernel runs on live processes and on the simulated machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context

PATIENCE_NS: Final = 50_000
"""How long whoever has just had work looks for more before it sleeps; the one figure of host, processors and workers.

To be rung and to wake costs both sides together about as much, on a virtual machine more.  Who looks lets everybody
else run in between, and who has had nothing to do does not look at all.
"""
LONGEST_PATIENCE_NS: Final = 6 * PATIENCE_NS
"""How long they look at most that have found more within that time before, as with lone frames."""


def looks_after(gap: int) -> int:
    """How often to linger for more when the last has come after so long: twice as long, or not at all."""
    if gap >= LONGEST_PATIENCE_NS:
        return 0
    return min(max(0, 2 * gap) // PATIENCE_NS + 1, LONGEST_PATIENCE_NS // PATIENCE_NS)


class Platform(Protocol):
    """What a platform gives to the kernel.  Times are nanoseconds of the machine's monotonic clock."""

    sees_locks: bool
    """Every lock is to be taken here, also one for which nobody can be waiting: it shows in a trace."""

    def now(self) -> int:
        """The machine's clock, ns since an arbitrary start; never goes back."""

    def system_time(self) -> int:
        """The date: 100 ns units since 1601-01-01 UTC, as KeQuerySystemTime."""

    def acquire(self, lock: int) -> None:
        """Take a lock of the lock table, blocking; raises MachineStopped when its owner died or the machine stops."""

    def try_acquire(self, lock: int) -> bool:
        """Take a lock if it is free."""

    def release(self, lock: int) -> None:
        """Give back a lock that the current context holds."""

    def bound(self, lock: int) -> tuple[Callable[[], int | None], Callable[[], int | None]]:
        """``acquire`` and ``release`` of one lock, for whoever takes it again and again.

        Each gives a number other than 0 when it failed, for ``lock_failed``: so no call lies in between.
        """

    def lock_failed(self, lock: int, number: int) -> NoReturn:
        """Raise what ``acquire`` would have raised."""

    def fetch_add(self, cell: Any, value: int) -> int:
        """Add to a 32- or 64-bit cell in one indivisible step; the old value."""

    def exchange(self, cell: Any, value: int) -> int:
        """Store into a cell in one indivisible step; the old value."""

    def compare_exchange(self, cell: Any, expected: int, desired: int) -> int:
        """Store ``desired`` if the cell holds ``expected``, in one indivisible step; the old value."""

    def fence(self) -> None:
        """Order all stores before it ahead of all loads behind it."""

    def sleep(self, deadline: int | None) -> None:
        """Block the current context on its own doorbell, until rung or until ``deadline``; may return early."""

    def linger(self, ready: Callable[[], bool]) -> bool:
        """Look again for PATIENCE_NS before going to sleep, which is cheaper than being woken; did it become ready?

        Who calls has just looked.  Where nobody else could make it ready meanwhile this does not look, and on the
        simulated machine not either; no time passes there.
        """

    def ring(self, slot: int) -> None:
        """Ring the doorbell of a slot."""

    def choose(self, count: int, site: str) -> int:
        """Pick one of ``count`` equally legal ways to go on; the simulated machine explores them."""

    def switch(self, site: str) -> None:
        """A DDI call, before which another context could run; nothing on the live platform."""

    def point(self) -> None:
        """A point within a call where another context could run; nothing on the live platform."""

    def grow(self) -> None:
        """Ask for one more passive worker."""

    def read_file(self, path: str) -> bytes:
        """The whole of a file; OSError where there is none, or where it cannot be read."""

    def log(self, level: int, logger: str, text: str) -> None:
        """Send one record to the machine's log; never blocks, drops are counted."""


class _Current:
    """Holder of the context whose code runs now: one per process live, switched by the scheduler when simulated."""

    __slots__ = ("context",)
    context: Context


current = _Current()
