"""Control operations from the host to a machine's PnP thread, through the control ring in the arena.

Law: the host is the ring's only producer and keeps its own count; what the thread writes is believed only as far as it
concerns operations that were really handed over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from emulator.layout.arena import CONTROL_ENTRIES, PNP_SLOT
from emulator.layout.machine import ContextKind

if TYPE_CHECKING:
    from emulator.layout.arena import Arena

INDEX_MASK = 0xFFFF_FFFF


class Operation(NamedTuple):
    """One operation, and who wants to hear its status."""

    operation: int
    target: int
    argument: int
    done: Callable[[int], None]


class ControlLane:
    """The host's end of one machine's control ring."""

    def __init__(self, arena: Arena, ring_pnp: Callable[[], None]) -> None:
        self._arena = arena
        self._ring = ring_pnp
        self._put = 0
        self._seen = 0
        self._waiting: deque[Operation] = deque()
        self._handed: dict[int, Operation] = {}

    @property
    def busy(self) -> bool:
        """Is an operation under way or waiting?"""
        return bool(self._handed or self._waiting)

    def submit(self, operation: int, target: int, argument: int, done: Callable[[int], None]) -> None:
        """Hand an operation over, behind those that were handed over before."""
        self._waiting.append(Operation(operation, target, argument, done))
        self._hand_over()

    def service(self) -> None:
        """Take note of what has been done since the last look, in the order of handing over."""
        self._seen = self._arena.control.finished
        for place in list(self._handed):
            entry = self._arena.control_entry(place)
            if entry.finished:
                self._handed.pop(place).done(entry.status)
        if self._waiting:
            self._hand_over()

    @property
    def finished(self) -> bool:
        """Is there something that ``service`` would take note of?"""
        return bool(self._handed) and self._arena.control.finished != self._seen

    @property
    def slot(self) -> int:
        """The context that is at the oldest operation, as far as that can be believed."""
        slot = next((self._arena.control_entry(place).slot for place in self._handed), PNP_SLOT)
        return slot if slot in self._arena.geometry.lane_slots(ContextKind.PNP) else PNP_SLOT

    def under_way(self) -> str:
        """The oldest operation that is not done, in words."""
        if not self._handed:
            return ""
        from emulator.rules.control import ControlOperation

        operation = next(iter(self._handed.values()))
        try:
            return f"{ControlOperation(operation.operation).name} of adapter {operation.target}"
        except ValueError:
            return f"operation {operation.operation} of adapter {operation.target}"

    def _hand_over(self) -> None:
        handed = False
        while self._waiting and self._put - next(iter(self._handed), self._put) & INDEX_MASK < CONTROL_ENTRIES // 2:
            operation = self._waiting.popleft()
            entry = self._arena.control_entry(self._put)
            entry.operation, entry.target, entry.argument = operation.operation, operation.target, operation.argument
            entry.status, entry.slot, entry.started, entry.finished = 0, 0, 0, 0
            self._handed[self._put] = operation
            self._put = self._put + 1 & INDEX_MASK
            # Stored after the entry, and stores are not reordered on the processors that are supported.
            self._arena.control.put = self._put
            handed = True
        if handed:
            # Rung without a look at the sleeping flag: control is rare, and a ring too many only wakes.
            self._ring()
