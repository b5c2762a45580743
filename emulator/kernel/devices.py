"""What user programs ask of devices: the requests in the arena, the host's end of them, and the I/O threads.

Law: the host hands a request over and takes it back, and believes of what it finds no more than whether it is done; the
machine decides the rest under DEVICES.  The requests of one file begin in order, the next when the dispatch routine of
the last has returned.  I/O threads are born when they are needed; all but the first leave when they have nothing to do.
"""

from __future__ import annotations

from enum import IntEnum, unique
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.kernel.stop import raise_if_stopped
from emulator.kernel.waits import sleep_until
from emulator.layout.arena import DEVICE_BYTES, DEVICE_FILES, DEVICE_REQUESTS
from emulator.layout.devices import DeviceRequestState
from emulator.layout.machine import ContextKind, SlotState, SystemLock

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.layout.arena import Arena
    from emulator.layout.devices import DEVICE_REQUEST

IDLE_IO_THREAD_NS: Final = 1_000_000_000
NAME_BYTES: Final = 64
_S = DeviceRequestState


@unique
class Major(IntEnum):
    """What a request asks for: the major function code of its IRP."""

    CREATE = 0x00
    CLOSE = 0x02
    READ = 0x03
    WRITE = 0x04
    DEVICE_CONTROL = 0x0E
    CLEANUP = 0x12


class Answer(NamedTuple):
    """What became of a request."""

    status: int
    information: int
    data: bytes

    @property
    def failed(self) -> bool:
        """Is it an error, which brings no data?"""
        return self.status >> 30 == 3


class Call(NamedTuple):
    """One request of a user program: for a device by its handle (to open it), or for a file that is open."""

    major: int
    file: int
    device: int = 0
    code: int = 0
    data: bytes = b""
    output: int = 0


class DeviceLane:
    """The host's end: what is handed over, what is done."""

    def __init__(self, arena: Arena, ring: Callable[[], None]) -> None:
        self._arena = arena
        self._ring = ring
        self._sequence = 0
        self._seen = 0
        self._handed: dict[int, tuple[Call, Callable[[Answer], None]]] = {}

    @property
    def idle(self) -> bool:
        """Is nothing handed over?"""
        return not self._handed

    @property
    def full(self) -> bool:
        """Is there no room for another request?"""
        return len(self._handed) >= DEVICE_REQUESTS

    @property
    def finished(self) -> bool:
        """Is there something that ``service`` would take note of?"""
        return bool(self._handed) and self._arena.machine.devices_done != self._seen

    def submit(self, call: Call, done: Callable[[Answer], None]) -> int:
        """Hand a request over; its number, for ``cancel``.  Only while it is not ``full``."""
        index = next(index for index in range(DEVICE_REQUESTS) if index not in self._handed)
        entry = self._arena.device_request(index)
        self._sequence += 1
        entry.cancel = 0
        entry.sequence, entry.device, entry.file, entry.major = self._sequence, call.device, call.file, call.major
        entry.code, entry.input, entry.output = call.code, len(call.data), call.output
        entry.irp = entry.slot = entry.completed = entry.marked = entry.cancelled = entry.started = 0
        self._arena.device_data(index)[: len(call.data)] = call.data
        self._handed[index] = call, done
        entry.state = _S.SUBMITTED  # after all else; stores are not reordered on the processors that are supported
        self._ring()
        return index

    def cancel(self, index: int) -> None:
        """Ask the driver to give a request up."""
        if index in self._handed:
            self._arena.device_request(index).cancel = 1
            self._ring()

    def service(self) -> None:
        """Take note of what has been done since the last look."""
        self._seen = self._arena.machine.devices_done
        for index in list(self._handed):
            entry = self._arena.device_request(index)
            if entry.state != _S.DONE:
                continue
            call, done = self._handed.pop(index)
            length = min(entry.information, call.output, DEVICE_BYTES)
            answer = Answer(entry.status, entry.information, bytes(self._arena.device_data(index)[:length]))
            entry.state = _S.FREE
            done(answer._replace(data=b"") if answer.failed else answer)


class Names(NamedTuple):
    """A device that can be opened: the handle of its name, and the name."""

    handle: int
    name: str


def device_names(arena: Arena) -> list[Names]:
    """The names under which devices are reached now; reads only, and trusts nothing that it reads."""
    from emulator.layout.devices import DEVICE
    from emulator.layout.handles import HandleKind, make_handle

    found = []
    start, size = arena.offsets["table_devices"], DEVICE.size()
    for index in range(arena.geometry.devices):
        record: Any = DEVICE.at(arena.memory, start + index * size)
        kind = record.head.kind
        if not record.head.allocated or kind not in (HandleKind.DEVICE, HandleKind.SYMBOLIC_LINK):
            continue
        name = record.name.rstrip(b"\0").decode(errors="replace")
        if name:
            found.append(Names(make_handle(kind, record.head.generation, index), name))
    return found


# -- the machine's end -------------------------------------------------------------------------------------------------


def waiting_request(arena: Arena) -> tuple[int, DEVICE_REQUEST] | None:
    """What an I/O thread could do now: a request that may begin, or one that is pending and to be cancelled."""
    entries = [(index, arena.device_request(index)) for index in range(DEVICE_REQUESTS)]
    busy = {entry.file for _, entry in entries if entry.state == _S.BEGUN}
    first: tuple[int, DEVICE_REQUEST] | None = None
    for index, entry in entries:
        state = entry.state
        if state == _S.PENDING and entry.cancel and not entry.cancelled:
            return index, entry
        earlier = first is None or entry.sequence < first[1].sequence
        if state == _S.SUBMITTED and entry.file not in busy and entry.file < DEVICE_FILES and earlier:
            first = index, entry
    return first


def io_thread_wanted(arena: Arena) -> bool:
    """Does something wait that no living I/O thread is free for?  Reads only."""
    if waiting_request(arena) is None:
        return False
    boxes = [arena.slots[slot] for slot in arena.geometry.lane_slots(ContextKind.IO)]
    living = [
        box for box in boxes if box.kind == ContextKind.IO and box.state in (SlotState.STARTING, SlotState.RUNNING)
    ]
    return all(box.entered for box in living)


def serve_devices(context: Context) -> None:
    """Live as an I/O thread."""
    machine = context.machine
    head, arena, services = machine.arena.machine, machine.arena, machine.services
    while not head.shutting_down:
        if context.stop_word[0]:
            raise_if_stopped(context)
        if serve_device_request(context):
            services.leave(context)
            continue
        deadline = context.platform.now() + IDLE_IO_THREAD_NS if context.index else None
        if not sleep_until(context, lambda: head.shutting_down != 0 or waiting_request(arena) is not None, deadline):
            context.enter_state(SlotState.RETIRING)
            return


def serve_device_request(context: Context) -> bool:
    """Do what waits; False when nothing did."""
    services = context.machine.services
    taken = _take(context)
    if taken is None:
        return False
    services.round(context)
    index, cancels = taken
    (services.cancel_device_request if cancels else services.device_request)(context, index)
    return True


def _take(context: Context) -> tuple[int, bool] | None:
    arena, platform = context.machine.arena, context.platform
    if waiting_request(arena) is None:
        return None
    now = platform.now()
    platform.acquire(SystemLock.DEVICES)
    found = waiting_request(arena)
    if found is None:
        platform.release(SystemLock.DEVICES)
        return None
    index, entry = found
    cancels = entry.state == _S.PENDING
    if cancels:
        entry.cancelled = 1
    else:
        entry.state, entry.slot, entry.started = _S.BEGUN, context.slot, now
    platform.release(SystemLock.DEVICES)
    return index, cancels


def finish_request(context: Context, entry: DEVICE_REQUEST, state: DeviceRequestState) -> None:
    """A request's dispatch routine has returned, or what was pending is completed.  Under DEVICES."""
    entry.state = state
    if state is _S.DONE:
        head = context.machine.arena.machine
        head.devices_done = head.devices_done + 1 & 0xFFFF_FFFF
