"""The simulated host: the hardware's end of every adapter and the control ring, as one task among the contexts.

Law: it trusts what it reads no more than the live host does, takes no lock, and each of its acts is a step of the
schedule: how many frames it moves at a time is a choice of the scheduler's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emulator.kernel.lanes import Answer, ControlRing, Operation
from emulator.layout.arena import FIRST_PROCESSOR_SLOT
from emulator.layout.machine import ContextKind
from emulator.rules.control import ControlOperation
from emulator.simulated.wire import SimulatedWire, frame_digest
from emulator.trace import EventKind
from vnic.device.hardware import DeviceFault, HostVnic
from vnic.device.layout import VNIC_DESCRIPTOR_MORE, VNIC_MAXIMUM_FRAME, VNIC_MINIMUM_FRAME
from vnic.device.registers import VNIC_CONTROL_RECEIVE_ENABLE, VNIC_CONTROL_TRANSMIT_ENABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.devices import DeviceLane
    from emulator.layout.arena import Arena
    from emulator.simulated.platform import SimulatedPlatform
    from vnic.device.host_queue import HostQueue

HOST_SLOT: Final = 0
BUDGET: Final = 64
FRAME_NS: Final = 1000
INDEX_MASK: Final = 0xFFFF_FFFF


class SimulatedPort:
    """One adapter's hardware and wire."""

    def __init__(
        self,
        host: SimulatedHost,
        number: int,
        mac: bytes,
        megabits: int,
        messages: int = 0,
        wire: SimulatedWire | None = None,
        queues: int = 1,
    ) -> None:
        arena = host.arena
        self.host = host
        self.number = number
        self.mac = mac
        self.megabits = megabits
        self.messages = messages
        self.queues = queues
        self.wire = wire if wire is not None else SimulatedWire()
        self.powered = False
        self.linked = True
        self.starved = False
        self.discarded = 0
        self.hardware = HostVnic(
            arena.view, arena.hardware_offset(number), arena.hardware_layout, [arena.frames], [arena.pool]
        )
        processors = arena.geometry.processors
        self._slots = [FIRST_PROCESSOR_SLOT + (number + message) % processors for message in range(max(messages, 1))]

    def power_on(self) -> None:
        """Switch the hardware on, before the adapter is started."""
        self.hardware.power_on(self.mac, self.linked, self.megabits, self.messages, queues=self.queues)
        self.powered = True

    def started(self, successfully: bool) -> None:
        """The miniport has been initialized, or not."""
        self.wire.carrier = successfully and self.linked and not self.wire.removed

    def link(self, up: bool) -> None:
        """Plug the cable in or out."""
        self.linked = up
        self.hardware.set_link(up, self.megabits)
        self.wire.carrier = up
        if not up:
            self.wire.cut()
        self.interrupt()

    def remove(self) -> None:
        """The wire is gone: so is the adapter."""
        self.wire.removed = True
        self.hardware.remove()
        self.interrupt()

    def halted(self) -> None:
        """The miniport is halted: the hardware loses its state, as one that is switched off, and its carrier."""
        if not self.wire.removed:
            self.wire.carrier = False
            self.power_on()

    def close(self) -> None:
        """Carrier off; nothing moves any more."""
        self.wire.carrier = False
        self.wire.cut()
        self.powered = False

    def interrupt(self) -> None:
        """Wake the processor that serves the line, or a message, when it sleeps and the interrupt is asserted."""
        host = self.host
        host.platform.fence()
        for message, slot in enumerate(self._slots):
            if host.arena.sleeping[slot] and self.hardware.sends(message):
                host.arena.sleeping[slot] = 0
                host.platform.ring(slot)

    def service(self) -> bool:
        """Move some frames each way; True when something was done."""
        self.wire.depart(self.host.platform.time)
        if not self.powered or not self.hardware.present:
            return False
        enabled = self.hardware.attend()
        due = min(self.wire.due(self.host.platform.time), BUDGET)
        moved = False
        if due:
            moved = self._receive(due) if enabled & VNIC_CONTROL_RECEIVE_ENABLE else self._discard(due)
        if enabled & VNIC_CONTROL_TRANSMIT_ENABLE:
            moved = self._transmit(self.hardware.queues[0]) or moved
        return moved

    @property
    def next_look(self) -> int | None:
        """When there will be something to do that nobody rings for: the next frame, where it would be taken."""
        return self.wire.next_arrival if self.powered and self.hardware.present and not self.starved else None

    def waits(self) -> bool:
        """Is there something that must be done before the host sleeps?"""
        hardware, queue = self.hardware, self.hardware.queues[0]
        if not self.powered or not hardware.present:
            return False
        if hardware.attention:
            return True
        enabled = hardware.attend()
        if self.wire.due(self.host.platform.time) and not (
            self.starved and enabled & VNIC_CONTROL_RECEIVE_ENABLE and not queue.refill(1)
        ):
            return True
        return bool(enabled & VNIC_CONTROL_TRANSMIT_ENABLE and queue.posted())

    def _receive(self, due: int) -> bool:
        host, queue = self.host, self.hardware.queues[0]
        count = queue.refill(1 + host.platform.choose(due, "frames at once"))
        queue.ask_for_buffers(not count)
        self.starved = not count
        lengths: list[int] = []
        empties = queue.empties
        while len(lengths) < count and self.wire.due(host.platform.time):
            frame = self.wire.take(host.platform.time)
            if len(frame) < queue.capacity:
                empties[len(lengths)][: len(frame)] = frame
                lengths.append(len(frame))
                host.record(EventKind.FRAME_IN, frame)
        if lengths:
            queue.deliver(lengths)
            self.interrupt()
        return bool(count)

    def _discard(self, due: int) -> bool:
        for _ in range(due):
            self.wire.take(self.host.platform.time)
        self.discarded += due
        return True

    def _transmit(self, queue: HostQueue) -> bool:
        posted = queue.posted()
        done = 0
        pieces: list[memoryview] = []
        for place, word in enumerate(queue.descriptors(posted) if posted else [], 1):
            pieces.append(queue.fragment(word))
            if word & VNIC_DESCRIPTOR_MORE:
                continue
            frame = b"".join(pieces)
            pieces.clear()
            done = place
            if VNIC_MINIMUM_FRAME <= len(frame) <= VNIC_MAXIMUM_FRAME and self.wire.carrier:
                self.host.record(EventKind.FRAME_OUT, frame)
                self.wire.send(frame, self.host.platform.time)
        if done:
            queue.finish(done)
            self.interrupt()
        return bool(done)


class TracedRing(ControlRing):
    """A control ring whose operations are events of the trace."""

    def __init__(self, arena: Arena, platform: SimulatedPlatform) -> None:
        self._platform = platform
        super().__init__(arena, self._ring_pnp)

    def _ring_pnp(self) -> None:
        for slot in self.arena.geometry.lane_slots(ContextKind.PNP):
            self._platform.ring(slot)

    def noted(self, operation: Operation, what: str, value: int) -> None:
        """Write it into the trace."""
        name, platform = ControlOperation(operation.operation).name, self._platform
        platform.trace.record(platform.time, HOST_SLOT, EventKind.CONTROL, f"{name} {what}", value)


class SimulatedHost:
    """The host's task: ports, control operations, and sleep in between."""

    def __init__(self, arena: Arena, platform: SimulatedPlatform) -> None:
        self.arena = arena
        self.platform = platform
        self.ports: list[SimulatedPort] = []
        self.devices: DeviceLane | None = None
        self.ending = False
        self.fault: tuple[int, DeviceFault] | None = None
        self.lane = TracedRing(arena, platform)
        self._failed = 0

    def live(self) -> None:
        """The task's body."""
        arena, platform = self.arena, self.platform
        while not self.ending:
            try:
                busy = any([port.service() for port in self.ports])
                if self.devices is not None and self.devices.finished:
                    self.devices.service()
                    busy = True
                if self._take_away_failed() or self.lane.service() or busy:
                    platform.fence()
                    continue
                arena.sleeping[HOST_SLOT] = 1
                platform.fence()
                if (
                    any([port.waits() for port in self.ports])
                    or self.lane.waiting
                    or self.lane.finished
                    or arena.machine.failed != self._failed
                    or (self.devices is not None and self.devices.finished)
                ):
                    arena.sleeping[HOST_SLOT] = 0
                    continue
            except DeviceFault as fault:
                self.fault = 0, fault
                return
            times = [port.next_look for port in self.ports]
            times += [port.wire.next_departure for port in self.ports]
            platform.sleep(min((time for time in times if time is not None), default=None))
            arena.sleeping[HOST_SLOT] = 0

    def record(self, kind: EventKind, frame: bytes) -> None:
        """A frame has passed; it costs time."""
        platform = self.platform
        platform.time += FRAME_NS
        platform.trace.record(platform.time, HOST_SLOT, kind, frame_digest(frame), len(frame))

    # -- control -------------------------------------------------------------------------------------------------------

    def submit(
        self, operation: int, target: int, argument: int, done: Callable[[Answer], None], data: bytes = b""
    ) -> None:
        """Hand an operation to the PnP thread, behind those that were handed over before."""
        self.lane.waiting.append(Operation(operation, target, argument, done, data))
        self.platform.ring(HOST_SLOT)

    @property
    def busy(self) -> bool:
        """Is an operation waiting or under way?"""
        return self.lane.busy

    def _take_away_failed(self) -> bool:
        """An adapter that has failed for good is gone, as if it had been torn out; True when there was one."""
        failed = self.arena.machine.failed
        new, self._failed = failed & ~self._failed, failed
        for port in self.ports:
            if new >> port.number & 1 and not port.wire.removed:
                port.remove()
                port.close()
        return bool(new)
