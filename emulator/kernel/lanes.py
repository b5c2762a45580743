"""The control lanes: PnP operations and OID requests at PASSIVE_LEVEL, and the stand-ins of a lane that blocks.

Law: operations on one adapter run one at a time and in order, those on different adapters beside each other, and one
that concerns the whole machine runs alone.  A lane has one context; while that waits in a driver and another adapter
has work, the machine gets a stand-in of its kind, which leaves when it has had nothing to do for a while.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel.stop import raise_if_stopped
from emulator.kernel.waits import sleep_until, wake
from emulator.layout.arena import CONTROL_ENTRIES
from emulator.layout.machine import ADAPTER, ContextKind, SlotState, SystemLock
from emulator.rules.control import BESIDE_OTHERS, WHOLE_MACHINE, ControlOperation

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.layout.arena import Arena
    from emulator.layout.control import CONTROL

BLOCKED_AFTER = 50_000_000
"""A lane whose contexts have all been at one thing for so long gets a stand-in."""
IDLE_STAND_IN_NS = 1_000_000_000
ANY: frozenset[ControlOperation] = frozenset()
_COUNT_MASK = 0xFFFF_FFFF


class Answer(int):
    """The status with which an operation ended, and what came with it."""

    data: bytes = b""
    needed: int = 0
    """How many bytes the answer has that found no room."""


class Operation(NamedTuple):
    """One operation of the host's, and who wants to hear its answer."""

    operation: int
    target: int
    argument: int
    done: Callable[[Answer], None]
    data: bytes = b""

    def write(self, entry: CONTROL) -> None:
        """Write it where the contexts find it; it is theirs when the ring's ``put`` has moved."""
        entry.operation, entry.target, entry.argument = self.operation, self.target, self.argument
        entry.status = entry.slot = entry.started = entry.finished = entry.needed = 0
        entry.hold(self.data)

    def answer(self, entry: CONTROL) -> None:
        """Tell whoever waits how it ended."""
        answer = Answer(entry.status)
        if entry.length:
            answer.data = entry.content
        answer.needed = entry.needed
        self.done(answer)


class ControlRing:
    """The host's end of the control ring: what waits for room, what is handed over, what is done.

    It is the ring's only producer and keeps its own count; of what it finds it believes only what concerns operations
    that were handed over.
    """

    def __init__(self, arena: Arena, ring_pnp: Callable[[], None]) -> None:
        self.arena = arena
        self.waiting: deque[Operation] = deque()
        self.handed: dict[int, Operation] = {}
        """By place in the ring, oldest first."""
        self._ring = ring_pnp
        self._put = 0
        self._seen = 0

    @property
    def busy(self) -> bool:
        """Is an operation under way or waiting?"""
        return bool(self.handed or self.waiting)

    @property
    def finished(self) -> bool:
        """Is there something that ``service`` would take note of?"""
        return bool(self.handed) and self.arena.control.finished != self._seen

    def service(self) -> bool:
        """Take note of what has been done since the last look, in the order of handing over, and hand over what waits.

        True when there was one of either.
        """
        moved = False
        self._seen = self.arena.control.finished
        for place in list(self.handed):
            entry = self.arena.control_entry(place)
            if entry.finished:
                operation = self.handed.pop(place)
                self.noted(operation, "done", entry.status)
                operation.answer(entry)
                moved = True
        return self.hand_over() or moved

    def hand_over(self) -> bool:
        """Hand over what waits, as far as there is room."""
        handed = False
        while self.waiting and self._put - next(iter(self.handed), self._put) & _COUNT_MASK < CONTROL_ENTRIES // 2:
            operation = self.waiting.popleft()
            operation.write(self.arena.control_entry(self._put))
            self.handed[self._put] = operation
            self._put = self._put + 1 & _COUNT_MASK
            # Stored after the entry, and stores are not reordered on the processors that are supported.
            self.arena.control.put = self._put
            self.noted(operation, "handed over", operation.target)
            # Rung without a look at the sleeping flag: control is rare, and a ring too many only wakes.
            self._ring()
            handed = True
        return handed

    def noted(self, operation: Operation, what: str, value: int) -> None:
        """An operation has come so far; for whoever keeps a record."""


def waiting_operation(arena: Arena) -> CONTROL | None:
    """The first operation that may begin now and has not begun; reads only, and trusts nothing that it reads."""
    busy = _claimed(arena)
    waited_for: set[int] = set()
    for entry in _unfinished(arena):
        alone, beside = entry.operation in WHOLE_MACHINE, entry.operation in BESIDE_OTHERS
        held_up = waited_for if beside else busy
        if not entry.started and entry.target not in held_up and not (alone and busy):
            return entry
        if alone:
            return None
        if not (beside and entry.started):
            busy.add(entry.target)
        if not entry.started:
            waited_for.add(entry.target)
    return None


def serve_beside(context: Context) -> None:
    """Begin what may be under way beside the operation that this PnP thread waits in."""
    if context.kind is not ContextKind.PNP:
        return
    entry = waiting_operation(context.machine.arena)
    if entry is not None and entry.operation in BESIDE_OTHERS:
        entry = begin_operation(context, BESIDE_OTHERS)
        if entry is not None:
            _carry_out(context, entry)


def _claimed(arena: Arena) -> set[int]:
    """The adapters for which a PnP thread does what a driver has asked for."""
    return {adapter.number for adapter in _adapters(arena) if adapter.head.allocated and adapter.claimed}


def claim(context: Context, adapter: Any) -> bool:
    """Begin what a driver has asked for; False while an operation of the host on this adapter is under way."""
    platform, arena = context.platform, context.machine.arena
    platform.acquire(SystemLock.CONTROL)
    begun = operations_under_way(arena)
    free = not adapter.claimed and not any(
        entry.target == adapter.number or entry.operation in WHOLE_MACHINE for entry in begun
    )
    if free:
        adapter.claimed = 1
    platform.release(SystemLock.CONTROL)
    return free


def unclaim(context: Context, adapter: Any) -> None:
    """It is done; what waited for it may begin, in whichever PnP thread."""
    adapter.claimed = 0
    context.platform.fence()
    wake_lane(context, ContextKind.PNP)


def operations_under_way(arena: Arena) -> list[CONTROL]:
    """The operations that have begun and not ended."""
    return [entry for entry in _unfinished(arena) if entry.started]


def _unfinished(arena: Arena) -> list[CONTROL]:
    ring = arena.control
    done = ring.done
    count = min(ring.put - done & _COUNT_MASK, CONTROL_ENTRIES)
    entries = (arena.control_entry(place) for place in range(done, done + count))
    return [entry for entry in entries if not entry.finished]


def blocked_lane(arena: Arena) -> tuple[ContextKind, int] | None:
    """A lane that has work for another adapter while all its contexts are at something, and since when; reads only."""
    if arena.geometry.all_adapters < 2:
        return None
    if waiting_operation(arena) is not None:
        begun = [entry.started for entry in operations_under_way(arena)]
        if begun and len(begun) >= len(_living(arena, ContextKind.PNP)):
            return ContextKind.PNP, max(begun)
    if _request_waits(arena):
        entered = [box.entered for box in _living(arena, ContextKind.REQUESTS)]
        if entered and all(entered):
            return ContextKind.REQUESTS, max(entered)
    return None


def _living(arena: Arena, kind: ContextKind) -> list[Any]:
    boxes = [arena.slots[slot] for slot in arena.geometry.lane_slots(kind)]
    return [box for box in boxes if box.kind == kind and box.state in (SlotState.STARTING, SlotState.RUNNING)]


def _request_waits(arena: Arena) -> bool:
    """Is a request queued to an adapter whose miniport has none in hand?"""
    return any(a.head.allocated and not a.request_state and a.request_head for a in _adapters(arena))


def _adapters(arena: Arena) -> list[Any]:
    start, size = arena.offsets["table_all_adapters"], ADAPTER.size()
    return [ADAPTER.at(arena.memory, start + place * size) for place in range(arena.geometry.all_adapters)]


def wake_lane(context: Context, kind: ContextKind) -> None:
    """Wake every context of a lane that sleeps: for work, or for an answer that one of them waits for."""
    for slot in context.machine.geometry.lane_slots(kind):
        wake(context, slot)


def serve_operations(context: Context) -> None:
    """Live as a PnP thread, or as its stand-in."""
    machine = context.machine
    services, head, arena = machine.services, machine.arena.machine, machine.arena
    while not head.shutting_down:
        if context.stop_word[0]:
            raise_if_stopped(context)
        entry = begin_operation(context)
        if entry is not None:
            services.round(context)
            _carry_out(context, entry)
        elif services.wishes(context):
            services.leave(context)
        elif not _await_work(context, lambda: waiting_operation(arena) is not None or services.wishes_pending(context)):
            return


def _carry_out(context: Context, entry: CONTROL) -> None:
    services = context.machine.services
    status = services.control(context, entry)
    services.leave(context)
    if status is not None:
        end_operation(context, entry, status)


def begin_operation(context: Context, only: frozenset[ControlOperation] = ANY) -> CONTROL | None:
    """Take the first operation that may begin now; None when there is none, or none of these."""
    platform, arena = context.platform, context.machine.arena
    if waiting_operation(arena) is None:
        return None
    now = platform.now()
    platform.acquire(SystemLock.CONTROL)
    entry = waiting_operation(arena)
    if entry is not None and only and entry.operation not in only:
        entry = None
    if entry is not None:
        entry.slot = context.slot
        entry.started = now
    platform.release(SystemLock.CONTROL)
    return entry


def end_operation(context: Context, entry: CONTROL, status: int) -> None:
    """Tell the host; the next operation on the same adapter may begin."""
    platform, arena = context.platform, context.machine.arena
    ring = arena.control
    entry.status = status & 0xFFFF_FFFF
    now = platform.now()
    platform.acquire(SystemLock.CONTROL)
    entry.finished = now
    while ring.done != ring.put and arena.control_entry(ring.done).finished:
        ring.done = ring.done + 1 & _COUNT_MASK
    ring.finished = ring.finished + 1 & _COUNT_MASK
    platform.release(SystemLock.CONTROL)
    platform.ring(0)


def end_operations(context: Context, operation: ControlOperation, target: int, status: int) -> None:
    """End every operation of a kind on an adapter that has begun: what it asked for is over."""
    for entry in operations_under_way(context.machine.arena):
        if entry.operation == operation and entry.target == target:
            end_operation(context, entry, status)


def serve_requests(context: Context) -> None:
    """Live as the request thread, or as its stand-in."""
    services, head = context.machine.services, context.machine.arena.machine
    while not head.shutting_down:
        # The lane's own context looks around from time to time; a stand-in does not.
        look = None if context.index else services.next_look(context)
        if not _await_work(context, lambda: services.requests_pending(context), look):
            return
        services.round(context)
        while services.requests(context):
            services.leave(context)


def _await_work(context: Context, ready: Callable[[], bool], look: int | None = None) -> bool:
    """Sleep until there is work, it is time to look around or the machine ends; False when a stand-in retires.

    It does when it has had nothing to do for a while.
    """
    head = context.machine.arena.machine
    deadline = context.platform.now() + IDLE_STAND_IN_NS if context.index else look
    context.idle = not context.index
    came = sleep_until(context, lambda: head.shutting_down != 0 or ready(), deadline)
    context.idle = False
    if came or not context.index:
        return True
    context.enter_state(SlotState.RETIRING)
    return False
