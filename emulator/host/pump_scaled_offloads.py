"""The frame loop of an adapter with offloads and several queues: as `emulator.host.pump_scaled`, with headers in front.

Law: chosen once, when the port is made, so that an adapter with one of the two pays nothing.  A frame has its header in
front of it wherever it goes in the host's memory, parked or not; the hash is that of what lies behind.  The wire is
told what the driver has enabled, once for all queues.

A frame takes as many buffers as its length needs, and is parked when its queue has fewer; what is longer than the
driver takes by then is dropped and counted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from emulator.host.pump import DEFAULT_BUDGET
from emulator.host.pump_offloads import HeaderPump, judged
from emulator.host.pump_scaled import QueuePump, ScaledPump
from vnic.device.layout import VNIC_LENGTH_MORE, VNIC_MAXIMUM_SUPER_FRAME
from vnic.device.offloads import VNIC_HEADER_BYTES, VNIC_OFFLOAD_SUPER_FRAMES, VNIC_OFFLOAD_WIRE
from vnic.device.registers import (
    STATISTIC_RECEIVE_BYTES,
    STATISTIC_RECEIVE_ERRORS,
    STATISTIC_RECEIVE_FRAMES,
    WORD_OFFLOADS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emulator.host.pump import Activity
    from emulator.host.pump_scaled import Frame
    from vnic.device.hardware import HostVnic
    from vnic.device.scaling import Scaling
    from vnic.wires.wire import SteeredWire

_SCRATCH_FRAMES: Final = 32
_SCRATCH_BYTES: Final = VNIC_HEADER_BYTES + VNIC_MAXIMUM_SUPER_FRAME + 1
"""One byte more than the longest frame, which shows that nothing was cut off."""


class OffloadQueuePump(HeaderPump, QueuePump):
    """One queue of an adapter with several, whose frames have headers."""

    _capacity = 0

    def enable(self, offloads: int) -> None:
        """Give frames as the driver wants them from now on."""
        self._enabled = offloads

    def _longest(self) -> int:
        """The longest frame that the driver takes."""
        if self._enabled & VNIC_OFFLOAD_SUPER_FRAMES:
            return VNIC_MAXIMUM_SUPER_FRAME
        return self._queue.capacity - 1

    def _room(self, frames: list[Frame], place: int) -> int:
        queue = self._queue
        if not queue.refill(1):
            return 0
        capacity, longest = queue.capacity, self._longest()
        needs = [_needed(len(frame) - VNIC_HEADER_BYTES, capacity, longest) for frame, _ in frames[place:]]
        wanted = sum(needs)
        # Asked for twice as many the queue looks for more unless it has as many as are wanted.
        left = queue.refill(2 * wanted) if wanted else 0
        count = 0
        for need in needs:
            if need > left:
                break
            left -= need
            count += 1
        return count

    def _fill(self, batch: list[Frame]) -> bool:
        queue, enabled, longest = self._queue, self._enabled, self._longest()
        words, empties, capacity = queue.words, queue.empties, queue.capacity
        if capacity != self._capacity:
            self._capacity = capacity
            self._fronts.clear()
        known = self._fronts.get
        lengths: list[int] = []
        hashes: list[int] = []
        frames = octets = 0
        for frame, word in batch:
            length = len(frame) - VNIC_HEADER_BYTES
            if not 0 <= length <= longest:
                continue
            frames += 1
            octets += length
            place = len(lengths)
            if enabled:
                front = known(words[queue.filled + place])
                buffer, start = front if front is not None else self._front(words[queue.filled + place]), 0
            else:
                buffer, start = empties[place], VNIC_HEADER_BYTES
            while len(frame) - start > len(buffer):
                buffer[:] = frame[start : start + len(buffer)]
                start += len(buffer)
                length -= capacity
                lengths.append(capacity | VNIC_LENGTH_MORE)
                hashes.append(word)
                buffer = empties[len(lengths)]
            buffer[: len(frame) - start] = frame[start:]
            lengths.append(length)
            hashes.append(word)
        if frames != len(batch):
            self._count(STATISTIC_RECEIVE_ERRORS, len(batch) - frames)
        if not lengths:
            return False
        queue.deliver_hashed(lengths, hashes)
        self._count(STATISTIC_RECEIVE_FRAMES, frames)
        self._count(STATISTIC_RECEIVE_BYTES, octets)
        return True


def _needed(length: int, capacity: int, longest: int) -> int:
    """How many buffers a frame of this length takes; none if it is to be dropped."""
    if not 0 <= length <= longest:
        return 0
    return max(-(-length // capacity), 1)


class ScaledOffloadPump(ScaledPump):
    """Moves the frames of all queues of one adapter whose wire is a TAP with offloads.

    Args:
        hardware: As for ScaledPump.
        descriptors: As for ScaledPump; each read and write begins with virtio's header.
        wake: As for ScaledPump.
        count: As for ScaledPump.
        set_offloads: Tells the wire what the driver is ready to receive.
        steered: As for ScaledPump.
        clock: As for ScaledPump.
        activity: As for ScaledPump.
    """

    _queue_pump = OffloadQueuePump
    _scratch_size = _SCRATCH_FRAMES, _SCRATCH_BYTES

    def __init__(
        self,
        hardware: HostVnic,
        descriptors: Sequence[int],
        wake: Callable[[], None],
        count: int,
        set_offloads: Callable[[int], None],
        *,
        steered: SteeredWire | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        activity: Activity | None = None,
    ) -> None:
        super().__init__(hardware, descriptors, wake, count, steered=steered, clock=clock, activity=activity)
        self._set_offloads = set_offloads
        self._enabled = 0

    def service(self, budget: int = DEFAULT_BUDGET) -> bool:
        """Move up to `budget` frames each way; returns whether more can be moved at once."""
        if self._hardware.present:
            self._heed()
        return super().service(budget)

    def pending(self) -> bool:
        """Whether work came in that no poll of the wire will report."""
        hardware = self._hardware
        return (hardware.present and hardware.words[WORD_OFFLOADS] != self._enabled) or super().pending()

    def power_cycled(self) -> None:
        """The hardware has lost what it knew, and with it what the driver had enabled."""
        super().power_cycled()
        self._enable(0)

    def _heed(self) -> None:
        enabled = self._hardware.words[WORD_OFFLOADS]
        if enabled != self._enabled:
            self._enable(enabled)

    def _enable(self, wanted: int) -> None:
        self._set_offloads(judged(self._hardware, wanted) & VNIC_OFFLOAD_WIRE)
        self._enabled = wanted
        for queue in self.queues:
            assert isinstance(queue, OffloadQueuePump)
            queue.enable(wanted)

    def _receive(self, budget: int) -> bool:
        # Written before receive is enabled, which has been looked at since.
        self._heed()
        return super()._receive(budget)

    def _hasher(self, asked: Scaling) -> Callable[[memoryview, int], tuple[int, int]]:
        plain = super()._hasher(asked)

        def behind(frame: memoryview, length: int) -> tuple[int, int]:
            return plain(frame[VNIC_HEADER_BYTES:], length - VNIC_HEADER_BYTES)

        return behind
