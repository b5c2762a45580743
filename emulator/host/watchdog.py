"""The watchdog: how long each context has been in one callback, by the processor's clock and by the wall's.

Law: only the host's own clocks are believed; the arena merely says whether a context is still in the callback in which
it was seen before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from emulator.rules.irql import DISPATCH_LEVEL
from emulator.sync.processes import process_cpu_ns

if TYPE_CHECKING:
    from emulator.host.specification import WatchdogLimits
    from emulator.layout.arena import Arena

DPC_WATCHDOG_VIOLATION = 0x133
THREAD_STUCK_IN_DEVICE_DRIVER = 0xEA
MILLISECOND = 1_000_000


class Seen(NamedTuple):
    """A callback as it was first seen."""

    callbacks: int
    entered: int
    pid: int
    cpu: int
    at: int


class Overrun(NamedTuple):
    """A callback that ran too long."""

    slot: int
    irql: int
    used_ms: int
    allowed_ms: int
    clock: str
    """``processor`` or ``wall``."""

    @property
    def code(self) -> int:
        """The bug check that Windows has for it."""
        return DPC_WATCHDOG_VIOLATION if self.irql >= DISPATCH_LEVEL else THREAD_STUCK_IN_DEVICE_DRIVER


class Watchdog:
    """Looks at the contexts of one machine."""

    def __init__(self, arena: Arena, limits: WatchdogLimits) -> None:
        self._arena = arena
        self._cpu_limit = limits.cpu_ms * MILLISECOND
        self._wall_limit = limits.wall_ms * MILLISECOND
        self._seen: dict[int, Seen] = {}
        self.interval = max(MILLISECOND, min(50 * MILLISECOND, self._cpu_limit // 4, self._wall_limit // 4))

    def look(self, pids: dict[int, int], now: int) -> Overrun | None:
        """Look at every context, by slot and pid; the worst overrun, if there is one."""
        worst: Overrun | None = None
        for slot, pid in pids.items():
            overrun = self._look_at(slot, pid, now)
            # Whoever burns the processor is to blame before whoever waits for it.
            if overrun is not None and (worst is None or (overrun.clock, worst.clock) == ("processor", "wall")):
                worst = overrun
        return worst

    def _look_at(self, slot: int, pid: int, now: int) -> Overrun | None:
        box = self._arena.slots[slot]
        entered = box.entered
        if not entered:
            self._seen.pop(slot, None)
            return None
        seen = self._seen.get(slot)
        callbacks = box.callbacks
        try:
            cpu = process_cpu_ns(pid)
        except ProcessLookupError:
            return None
        if seen is None or (seen.callbacks, seen.entered, seen.pid) != (callbacks, entered, pid):
            self._seen[slot] = Seen(callbacks, entered, pid, cpu, now)
            return None
        irql = box.irql
        if cpu - seen.cpu >= self._cpu_limit:
            return _overrun(slot, irql, cpu - seen.cpu, self._cpu_limit, "processor")
        if now - seen.at >= self._wall_limit:
            return _overrun(slot, irql, now - seen.at, self._wall_limit, "wall")
        return None


def _overrun(slot: int, irql: int, used: int, allowed: int, clock: str) -> Overrun:
    return Overrun(slot, irql, used // MILLISECOND, allowed // MILLISECOND, clock)
