"""A context: anything that runs driver code, with its slot, its IRQL and its private memory.

Law: everything here is private to one context; what others must see is written to its slot in the arena.
"""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any

from emulator.kernel.pointers import Pointers
from emulator.kernel.sites import SiteNumbers
from emulator.layout.machine import CALLBACKS_CELL, DRIVER_SHIFT, ROUTINE_CELL, ROUTINE_MASK, ContextKind, SlotState
from emulator.rules.irql import DISPATCH_LEVEL
from emulator.trace.calls import call_recorder, ignore

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.machine import Machine
    from emulator.kernel.platform import Platform

KIND_NAMES = {
    ContextKind.HOST: "host",
    ContextKind.ZYGOTE: "zygote",
    ContextKind.PNP: "PnP thread",
    ContextKind.REQUESTS: "request thread",
    ContextKind.PROCESSOR: "processor",
    ContextKind.PASSIVE_WORKER: "passive worker",
    ContextKind.IO: "I/O thread",
}

_NUMBERED = (ContextKind.PROCESSOR, ContextKind.PASSIVE_WORKER, ContextKind.IO)


AGAIN = 1 << 16
"""More than a lock table has entries."""
NO_LEVEL = -1
"""No IRQL."""


def context_name(kind: int, index: int) -> str:
    """``processor 0``, ``passive worker 1``, ``PnP thread``: the words that stop screens and logs use."""
    name = KIND_NAMES.get(ContextKind(kind), "context")
    return f"{name} {index}" if index or kind in _NUMBERED else name


class Context:
    """One execution context of a machine.

    ``irql`` is authoritative here and mirrored into the slot at every change; ``processor`` is the current processor
    (a passive worker's slot modulo the number of processors).  ``routines`` maps routine numbers to this context's
    own functions (clones of them on the simulated platform).  ``memory`` is where floors above keep what they cache,
    ``datapath`` what the floor above needs at every frame, ``lines`` the interrupts that it serves here, with
    ``serve_lines`` and ``lines_asserted`` for what ``Services`` has to say of them, ``queue_item`` what it calls to
    queue a work item, ``escaped`` what was stored in shared memory under a spin lock and must be
    published before the lock is released, ``stored`` what a processor has stored without one, in the order of storing,
    to be published at the latest when somebody else may come to DISPATCH_LEVEL on it; ``serve_round`` is its round.
    ``calls`` count what others ask it for and what it has answered.
    ``delays`` is its histogram of work items, ``cells`` the slot as words; one says whose code runs,
    another how many callbacks there have been (``next_callback``).
    ``entered`` is when the last callback that NDIS called (not one that a driver's call led to) began.
    ``idle``: it sleeps in its loop and has nothing to do; that it looks around at the end of that sleep is no event.
    ``site`` is the call site of the DDI call in progress (checked build; 0 in the free one), unless that is a lock's,
    which the black box alone has; ``nowhere`` stands for it where 0 would say nobody.
    ``held`` are the locks that it holds, oldest first: the entry of the lock table, with AGAIN for each time that it
    was acquired before, and where that was and at which IRQL; None for a spin lock whose release has nothing to look at
    (``watch_releases``).  ``takes_mutexes``: locks of drivers have mutexes.  ``lone_level`` is the IRQL at which they
    are taken and released in a few steps: DISPATCH_LEVEL on a machine's only processor, no level anywhere else.
    """

    __slots__ = (
        "box",
        "calls",
        "cells",
        "datapath",
        "delays",
        "escaped",
        "forgotten",
        "held",
        "idle",
        "index",
        "irql",
        "kind",
        "lines",
        "lines_asserted",
        "lock_holders",
        "lone_level",
        "machine",
        "memory",
        "nesting",
        "next_callback",
        "nowhere",
        "platform",
        "pointers",
        "processor",
        "processor_lock",
        "queue_item",
        "routines",
        "serve_lines",
        "serve_round",
        "site",
        "site_numbers",
        "sites",
        "slot",
        "stop_word",
        "stored",
        "takes_mutexes",
        "trace",
        "tracked",
    )

    def __init__(self, machine: Machine, platform: Platform, slot: int, kind: ContextKind, index: int) -> None:
        geometry = machine.arena.geometry
        self.machine = machine
        self.platform = platform
        self.slot = slot
        self.kind = kind
        self.index = index
        self.idle = False
        self.irql = 0
        self.processor = index if kind is ContextKind.PROCESSOR else slot % geometry.processors
        self.processor_lock = machine.processor_lock(self.processor)
        self.nesting = 0
        self.held: dict[int, tuple[int, int] | None] = {}
        self.takes_mutexes = geometry.processors > 1 or platform.sees_locks
        alone = kind is ContextKind.PROCESSOR and not self.takes_mutexes
        self.lone_level = DISPATCH_LEVEL if alone else NO_LEVEL
        self.lock_holders = machine.arena.lock_holders
        self.nowhere = slot << 16
        self.delays = machine.arena.delays(slot)
        self.routines: list[Callable[..., Any] | None] = machine.images.routines_for(self)
        self.pointers = Pointers(self)
        # Counts what was taken out of them, or freed: what was remembered before is looked up again, by others too.
        self.forgotten = slot << 48
        self.memory: dict[str, Any] = {}
        self.datapath: Any = None
        self.lines: Any = None
        self.serve_lines: Callable[[], bool] = functools.partial(machine.services.interrupts, self)
        self.lines_asserted: Callable[[], bool] = functools.partial(machine.services.interrupts_pending, self)
        self.queue_item: Any = None
        self.serve_round: Callable[[], bool] | None = None
        self.escaped: list[Any] = []
        self.stored: dict[Any, None] = {}
        # What the data path has at home here, to be published when a callback returns.
        self.tracked: list[Any] = []
        self.site_numbers = SiteNumbers(self)
        self.sites = machine.arena.sites(slot)
        self.box = machine.arena.slots[slot]
        self.calls = machine.arena.recall_counts(slot)
        self.cells = machine.arena.cells(slot)
        self.next_callback: Callable[[], int] = itertools.count(self.cells[CALLBACKS_CELL] + 1).__next__
        self.site = 0
        self.stop_word = machine.arena.stop_word
        self.trace: Callable[[int], None] = call_recorder(machine.arena.calls(slot)) if geometry.traced else ignore
        self.box.kind = kind
        self.box.index = index
        self.box.processor = self.processor

    @property
    def driver(self) -> int:
        """The number of the image whose code runs; 0 outside every driver.  The black box's word is the only one."""
        return self.cells[ROUTINE_CELL] >> DRIVER_SHIFT

    @driver.setter
    def driver(self, number: int) -> None:
        self.cells[ROUTINE_CELL] = number << DRIVER_SHIFT | self.callback

    @property
    def callback(self) -> int:
        """The number of the callback that runs; 0 outside every callback, and in a DriverEntry."""
        return self.cells[ROUTINE_CELL] & ROUTINE_MASK

    @property
    def name(self) -> str:
        """The context in words."""
        return context_name(self.kind, self.index)

    def locks_held(self) -> list[tuple[int, int]]:
        """The locks that it holds, oldest first: the entry of the lock table, and the call site."""
        holders = self.lock_holders
        return [(lock % AGAIN, kept[0] if kept else holders[lock]) for lock, kept in self.held.items()]

    def watch_releases(self) -> None:
        """The IRQL changes, or the machine has stopped: who releases a lock that is held now has to look."""
        for lock, kept in self.held.items():
            if kept is None:
                self.held[lock] = self.lock_holders[lock], DISPATCH_LEVEL

    def enter_state(self, state: SlotState) -> None:
        """Publish a step of the slot's life."""
        self.box.state = state
