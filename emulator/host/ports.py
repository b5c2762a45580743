"""One adapter's port: its wire, the hardware's end of the adapter, and the pump between them.

Law: a port that is closed holds no descriptor, and its carrier has gone off before.  What a driver did to the hardware
that no driver may do becomes a stop of its machine, never an exception in the loop.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Final

from emulator.host import control
from emulator.host.pump import AdapterPump, DescriptorCalls
from emulator.host.specification import MEGABIT
from emulator.layout.arena import FIRST_PROCESSOR_SLOT
from vnic.device.hardware import HostVnic
from vnic.device.host_queue import DeviceFault
from vnic.wires.wire import ActiveWire, OffloadWire, SteeredWire

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.host.pump_scaled import ScaledPump
    from emulator.host.supervisor import Supervisor
    from vnic.wires.wire import FrameCalls, Wire

STATISTIC_NAMES: Final = {
    "STATISTIC_RECEIVE_FRAMES": "received",
    "STATISTIC_RECEIVE_BYTES": "received_bytes",
    "STATISTIC_RECEIVE_ERRORS": "receive_errors",
    "STATISTIC_RECEIVE_DISCARDS": "receive_discards",
    "STATISTIC_RECEIVE_NO_BUFFER": "receive_no_buffer",
    "STATISTIC_TRANSMIT_FRAMES": "sent",
    "STATISTIC_TRANSMIT_BYTES": "sent_bytes",
    "STATISTIC_TRANSMIT_ERRORS": "send_errors",
}


class Port:
    """One adapter's port."""

    def __init__(self, supervisor: Supervisor, number: int, wire: Wire, mac: bytes) -> None:
        arena = supervisor.arena
        self.supervisor = supervisor
        self.number = number
        self.wire = wire
        self.mac = mac
        specification = supervisor.specification.adapters[number]
        self.megabits = specification.link_speed // MEGABIT
        self.messages = specification.messages
        self.queues = specification.queues
        self.closed = False
        self.powered = False
        self.removed = False
        self.linked = True
        self.hardware = HostVnic(
            arena.view, arena.hardware_offset(number), arena.hardware_layout, [arena.frames], [arena.pool]
        )
        self._active = wire if isinstance(wire, ActiveWire) else None
        calls = self._active.frame_calls(DescriptorCalls) if self._active is not None else None
        self._activity = supervisor.host.activity
        self._wake = self._message_waker() if self.messages else self._waker()
        self.offloads = wire.offloads if isinstance(wire, OffloadWire) else 0
        self._descriptors = wire.queue_descriptors() if isinstance(wire, SteeredWire) else (wire.fileno(),)
        self.pump: AdapterPump | ScaledPump
        if self.queues > 1:
            self.pump = self._scaled_pump(wire, calls)
        elif self.offloads:
            self.pump = self._offload_pump(wire)
        else:
            self.pump = AdapterPump(self.hardware, wire.fileno(), self._wake, 0, calls, self._activity)
        self.pending: Callable[[], bool] = self.pump.pending
        self.service: Callable[[], bool] = self.pump.service
        """Moves frames; True when more can be moved at once.  What it raises is for `failed`."""
        self._reads = self._writes = False
        self._alarms: list[int] = []

    def _offload_pump(self, wire: Wire) -> AdapterPump:
        """The frame loop for frames with headers."""
        from emulator.host.pump_offloads import OffloadPump

        assert isinstance(wire, OffloadWire)
        return OffloadPump(self.hardware, wire.fileno(), self._wake, wire.set_offloads, self._activity)

    def _scaled_pump(self, wire: Wire, calls: FrameCalls | None) -> ScaledPump:
        """The frame loop for several queues."""
        from emulator.host.pump_scaled import ScaledPump

        steered = wire if isinstance(wire, SteeredWire) else None
        if self.offloads:
            from emulator.host.pump_scaled_offloads import ScaledOffloadPump

            assert isinstance(wire, OffloadWire)
            return ScaledOffloadPump(
                self.hardware,
                self._descriptors,
                self._wake,
                self.queues,
                wire.set_offloads,
                steered=steered,
                activity=self._activity,
            )
        return ScaledPump(
            self.hardware,
            self._descriptors,
            self._wake,
            self.queues,
            calls,
            steered=steered,
            activity=self._activity,
        )

    def _waker(self) -> Callable[[], None]:
        """What rings the processor that serves the adapter's line, when it sleeps and the line is asserted."""
        machine = self.supervisor
        slot = FIRST_PROCESSOR_SLOT + self.number % machine.geometry.processors
        sleeping = machine.arena.sleeping
        asserted = self.hardware.asserted if self.hardware.layout.queues == 1 else self.hardware.line_asserted
        fence, ring = machine.host.fence, machine.ring

        def wake() -> None:
            # What was published comes before the look at two words of others: the flag of a processor that may be about
            # to sleep, and the mask, which a work item may be about to open in another process.
            fence()
            if sleeping[slot] and asserted():
                sleeping[slot] = 0
                ring(slot)

        return wake

    def _message_waker(self) -> Callable[[], None]:
        """What rings the processors that serve the messages; a driver that uses its line has that for the first."""
        machine = self.supervisor
        processors = machine.geometry.processors
        slots = [FIRST_PROCESSOR_SLOT + (self.number + message) % processors for message in range(self.messages)]
        sleeping, sends = machine.arena.sleeping, self.hardware.sends
        fence, ring = machine.host.fence, machine.ring

        def wake() -> None:
            fence()
            for message, slot in enumerate(slots):
                if sleeping[slot] and sends(message):
                    sleeping[slot] = 0
                    ring(slot)

        return wake

    def power_on(self) -> None:
        """Switch the hardware on, before the adapter is started; frames are thrown away until the driver receives."""
        self._reset()
        self.powered = True
        self._reads, self._writes = True, False
        for descriptor in self._descriptors:
            self.supervisor.host.watch_wire(descriptor, self._on_wire, select.POLLIN)
        if self._active is not None:
            self._attend_wire(self._active)
        self.supervisor.host.add_port(self)

    def _attend_wire(self, wire: ActiveWire) -> None:
        """Listen to a wire that has something to say, or to do in time."""
        supervisor = self.supervisor

        def guarded(act: Callable[[], None]) -> Callable[[int], None]:
            def call(events: int) -> None:
                try:
                    act()
                except Exception as error:
                    supervisor.broken(error)

            return call

        wire.attach(supervisor.wire_reports, lambda: supervisor.wire_finished(self))
        for descriptor, act in wire.alarms():
            supervisor.host.watch(descriptor, guarded(act))
            self._alarms.append(descriptor)

    def failed(self, error: Exception) -> None:
        """What `service` has raised: a stop of the machine, the end of the wire, or the emulator's own fault."""
        if isinstance(error, DeviceFault):
            self.supervisor.hardware_fault(self.number, str(error))
        elif isinstance(error, OSError):
            # The pump knows the errors that lose a frame and those that mean the end; after any other there is no use.
            self.pump.remove(f"the wire failed: {error}")
        else:
            self.supervisor.broken(error)

    def settle(self) -> None:
        """Tell the driver what has been sent, and the host what to poll for: before it polls, and no later."""
        pump = self.pump
        pump.settle()
        if pump.wants_read is not self._reads or pump.wants_write is not self._writes:
            self._change_interest()

    def waits(self) -> bool:
        """Is there work that no poll of the wire will report?  The second look before the host sleeps."""
        try:
            return self.pending()
        except DeviceFault as fault:
            self.supervisor.hardware_fault(self.number, str(fault))
            return True

    def _change_interest(self) -> None:
        pump = self.pump
        if pump.removed is not None:
            self._gone()
        elif not self.closed:
            self._reads, self._writes = pump.wants_read, pump.wants_write
            interest = (select.POLLIN if self._reads else 0) | (select.POLLOUT if self._writes else 0)
            for descriptor in self._descriptors:
                self.supervisor.host.watch_wire(descriptor, self._on_wire, interest)

    def _on_wire(self, events: int) -> None:
        # Readable and writable need no act here: the loop serves every port in each round.
        if events & (select.POLLHUP | select.POLLERR) and not self.removed and self.wire.poll_removed():
            self.pump.remove("the wire was taken away")
            self._gone()

    def _gone(self, done: Callable[[int], None] | None = None) -> None:
        """The wire has been taken away from outside."""
        if not self.removed:
            self.removed = True
            for descriptor in self._descriptors:
                self.supervisor.host.unwatch_wire(descriptor)
            self.supervisor.wire_reports(f"the wire {self.wire.name} was taken away")
            control.stop_removed(self.supervisor, self, done)

    def fail(self) -> None:
        """The adapter has failed for good and is halted: it is gone, and its wire with it."""
        if not self.removed and not self.closed:
            self.removed = True
            self.supervisor.wire_reports(f"the wire {self.wire.name} was taken away: its adapter has failed")
            self.close()

    def started(self, successfully: bool) -> None:
        """The miniport has been initialized, or not."""
        if not self.closed and not self.removed:
            self.wire.set_carrier(successfully and self.linked)

    def _reset(self) -> None:
        self.hardware.power_on(self.mac, self.linked, self.megabits, self.messages, self.offloads, self.queues)

    def halted(self) -> None:
        """The miniport is halted: the hardware loses its state, as one that is switched off, and its carrier."""
        if not self.closed and not self.removed:
            self.wire.set_carrier(False)
            self._reset()
            self.pump.power_cycled()

    def pull(self, done: Callable[[int], None]) -> None:
        """Take the wire away, as somebody outside could; ``done`` hears how the adapter was stopped."""
        self.pump.remove("the wire was taken away")
        self._gone(done)

    def link(self, up: bool) -> None:
        """Plug the cable in or out: an interrupt for the driver, the carrier for the outside."""
        if not self.closed and not self.removed:
            self.linked = up
            self.hardware.set_link(up, self.megabits)
            self.wire.set_carrier(up)
            self._wake()

    def counters(self) -> dict[str, int]:
        """What the port has counted."""
        from vnic.device import registers

        self.pump.count()
        return {
            name: self.pump.statistics[getattr(registers, constant)] for constant, name in STATISTIC_NAMES.items()
        } | {
            "carrier": int(not self.closed and self.wire.carrier),
            "buffers_free": self._buffers_free(),
            **(self._active.counters() if self._active is not None else {}),
        }

    def _buffers_free(self) -> int:
        """Receive buffers that the driver has posted and no frame has filled yet: all it has, when nothing is out."""
        if not self.powered:
            return 0
        return sum(queue.free() for queue in self.hardware.queues)

    def close(self) -> None:
        """Carrier off, then give the wire back."""
        if self.closed:
            return
        self.closed = True
        host = self.supervisor.host
        if self.powered:
            host.remove_port(self)
            for descriptor in self._descriptors:
                host.unwatch_wire(descriptor)
        for descriptor in self._alarms:
            host.unwatch(descriptor)
        try:
            self.wire.set_carrier(False)
        finally:
            self.wire.close()
