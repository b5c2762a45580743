"""The simulated hardware of an adapter with several queues: where frames go, and when a new table takes effect.

Law: as the live host does it (``emulator.host.pump_scaled``), with one frame that waits for a buffer instead of some:
a new table takes effect when every queue is idle and all that was posted is sent, and nothing is received until then.
For a while the host looks by itself whether it is so, since nobody rings when an interrupt is let through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.simulated.hardware import BUDGET, SimulatedPort
from emulator.trace import EventKind
from vnic.device.registers import VNIC_CONTROL_RECEIVE_ENABLE, VNIC_CONTROL_TRANSMIT_ENABLE
from vnic.device.toeplitz import NO_HASH, FrameHash

if TYPE_CHECKING:
    from vnic.device.host_queue import HostQueue

LOOK_NS: Final = 10_000
PATIENCE_NS: Final = 20_000_000


class ScaledPort(SimulatedPort):
    """One adapter's hardware and wire, with several queues."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._forget()

    def _forget(self) -> None:
        self._hash: FrameHash | None = None
        self._held: bytes | None = None
        self._switching = False
        self._patient_until = 0
        self._taken: list[int] = []
        self.starved = False

    def power_on(self) -> None:
        """Switch the hardware on; it has forgotten how frames were spread."""
        super().power_on()
        self._forget()

    def service(self) -> bool:
        """Move some frames each way; True when something was done."""
        now = self.host.platform.time
        self.wire.depart(now)
        if not self.powered or not self.hardware.present:
            return False
        enabled = self.hardware.attend()
        moved = self._scale(bool(enabled & VNIC_CONTROL_RECEIVE_ENABLE))
        due = min(self.wire.due(now), BUDGET)
        if not enabled & VNIC_CONTROL_RECEIVE_ENABLE:
            self.discarded += self._held is not None
            self._held, self.starved = None, False
            moved = bool(due) and self._discard(due)
        elif not self._switching and (due or self._held is not None):
            moved = self._receive(due) or moved
        if enabled & VNIC_CONTROL_TRANSMIT_ENABLE:
            moved = any([self._transmit(queue) for queue in self.hardware.queues]) or moved
        return moved

    @property
    def next_look(self) -> int | None:
        """When there will be something to do that nobody rings for."""
        if self._switching:
            now = self.host.platform.time
            return now + LOOK_NS if now < self._patient_until else None
        return super().next_look

    def waits(self) -> bool:
        """Is there something that must be done before the host sleeps?"""
        hardware = self.hardware
        if not self.powered or not hardware.present:
            return False
        if hardware.attention:
            return True
        enabled = hardware.attend()
        if enabled & VNIC_CONTROL_TRANSMIT_ENABLE and any(queue.posted() for queue in hardware.queues):
            return True
        if hardware.scaling_asked() is not None and (not self._switching or self._idle()):
            return True
        if not enabled & VNIC_CONTROL_RECEIVE_ENABLE:
            return bool(self.wire.due(self.host.platform.time))
        if self._switching:
            return False
        if self._held is not None:
            return bool(self._place(self._held)[0].refill(1))
        return bool(self.wire.due(self.host.platform.time))

    # -- a new table ---------------------------------------------------------------------------------------------------

    def _idle(self) -> bool:
        if self._held is not None:
            return False
        return all(queue.idle() and not queue.posted() for queue in self.hardware.queues)

    def _scale(self, receives: bool) -> bool:
        """Take over what the driver has asked for, where nothing is under way; True when it was."""
        asked = self.hardware.scaling_asked()
        if asked is None:
            return False
        if receives and not self._idle():
            if self._held is not None:
                return False  # it finds its place by the old table first
            taken = [queue.taken() for queue in self.hardware.queues]
            if not self._switching or taken != self._taken:
                self._switching, self._taken = True, taken
                self._patient_until = self.host.platform.time + PATIENCE_NS
                self._ask(True)
            return False
        self.hardware.scale(asked)
        self._hash = FrameHash(asked.information, asked.key) if asked.information else None
        self._switching = False
        self._ask(False)
        return True

    def _ask(self, asked: bool) -> None:
        for queue in self.hardware.queues:
            queue.ask_for_buffers(asked)

    # -- wire to driver ------------------------------------------------------------------------------------------------

    def _place(self, frame: bytes) -> tuple[HostQueue, int]:
        """The queue where a frame belongs, and its hash."""
        hasher, table = self._hash, self.hardware.scaling.table
        value, information = hasher(memoryview(frame), len(frame)) if hasher is not None else NO_HASH
        number = table[value & len(table) - 1] if information else 0
        return self.hardware.queues[number], value | information << 32

    def _receive(self, due: int) -> bool:
        platform, filled = self.host.platform, False
        for _ in range(1 + platform.choose(max(due, 1), "frames at once")):
            frame = self._held
            if frame is None:
                if not self.wire.due(platform.time):
                    break
                frame = self.wire.take(platform.time)
            queue, word = self._place(frame)
            if not queue.refill(1):
                self._held, self.starved = frame, True
                queue.ask_for_buffers(True)
                break
            if self._held is not None:
                self._held, self.starved = None, False
                queue.ask_for_buffers(False)
            if len(frame) < queue.capacity:
                queue.empties[0][: len(frame)] = frame
                queue.deliver_hashed([len(frame)], [word])
                self.host.record(EventKind.FRAME_IN, frame)
                filled = True
        if filled:
            self.interrupt()
        return filled
