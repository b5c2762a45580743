"""The frame loop of an adapter with several queues: frames are spread over them by the hash that the driver has chosen.

Law: chosen once, when the port is made, so that an adapter with one queue pays nothing.  The host alone decides where a
frame belongs, by the present table; on which descriptor a frame came says nothing, so the same code serves a wire with
one descriptor and a TAP with one for each queue.  A frame is read into the host's own memory and copied into a buffer
of its queue.

- A frame whose queue has no buffer is parked, in order, and other queues go on; with MOST_PARKED of them nothing more
  is read, and the wire's queue is the back-pressure.
- A new table takes effect where nothing is under way by the old one: nothing is read until every queue is idle (its
  frames taken and its interrupt let through again, which its driver does when its DPC is done) and what was posted
  until then is sent; then the tables change, then reading goes on.  So no frame overtakes another of its flow, nor does
  an answer, which leaves by the queue of the processor that gives it.  A driver that never lets the interrupt through
  keeps the old table; one whose receive is off, or that has no frame under way, gets the new one at once.
- A wire that steers (a TAP with a descriptor for each queue) is told of a new key in two steps, because frames that
  were steered by the old one may still lie in the kernel: first all flows are steered to the first descriptor while the
  others are read empty, then by the new key, while the first one is read empty of what it has.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from emulator.host.pump import DEFAULT_BUDGET, Activity, AdapterPump
from vnic.device.layout import PRODUCER
from vnic.device.registers import (
    STATISTIC_RECEIVE_DISCARDS,
    STATISTIC_RECEIVE_ERRORS,
    STATISTIC_RECEIVE_NO_BUFFER,
    VNIC_CONTROL_RECEIVE_ENABLE,
    VNIC_CONTROL_TRANSMIT_ENABLE,
)
from vnic.device.toeplitz import FrameHash
from vnic.wires.wire import REMOVAL_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vnic.device.hardware import HostVnic
    from vnic.device.scaling import Scaling
    from vnic.wires.wire import FrameCalls, SteeredWire

MOST_PARKED: Final = 256
_SCRATCH_FRAME: Final = 16384
"""Longer than any wire's frame."""
_PATIENCE_NS: Final = 20_000_000
"""How long the host goes on looking whether the queues have become idle, from the last frame that was taken."""

Frame = tuple["memoryview | bytes", int]
"""Its bytes, and its hash: the value below, above it what the value is."""


class QueuePump(AdapterPump):
    """One queue of an adapter with several: it sends by itself, and is given the frames that it receives."""

    def __init__(
        self,
        hardware: HostVnic,
        descriptor: int,
        wake: Callable[[], None],
        queue: int,
        count: int,
        calls: FrameCalls | None,
        activity: Activity,
    ) -> None:
        super().__init__(hardware, descriptor, wake, queue, calls, activity)
        self.parked: list[Frame] = []
        # All queues together keep as much from the driver as one alone: who answers with frames of his own counts.
        self._untold_limit //= count

    @property
    def idle(self) -> bool:
        """Whether nothing is under way: no frame parked or in the ring, and the driver is done with those it took."""
        return not self.parked and self._queue.idle()

    @property
    def taken(self) -> int:
        """How far the driver has taken its frames."""
        return self._queue.taken()

    @property
    def head(self) -> int:
        """How far the driver has posted what it sends."""
        return self._queue.transmit_tail + self._queue.posted()

    def sent(self, head: int) -> bool:
        """Whether the wire has had all that was posted so far."""
        return self._queue.sent(head)

    def ask(self, asked: bool) -> None:
        """Ask the driver to ring when it posts buffers, or no longer."""
        if asked != self._starved:
            self._starved = asked
            self._queue.ask_for_buffers(asked)

    def send(self, budget: int) -> bool:
        """Move frames to the wire; returns whether more can be moved at once."""
        posted = self._transmit_indices[PRODUCER] - self._queue.transmit_tail
        if posted:
            return self._transmit(budget, posted == 1)
        self.wants_write = False
        return False

    def discard(self, budget: int) -> bool:
        """Throw away what comes while receive is not enabled; a budget of 0: only what had come."""
        if self.parked:
            self._count(STATISTIC_RECEIVE_DISCARDS, len(self.parked))
            self.parked = []
        return budget > 0 and self._discard(budget)

    def read(self, buffers: list[memoryview]) -> tuple[list[int], bool | None]:
        """Read a frame into each buffer: their lengths, and whether more may be ready; None: never again."""
        lengths: list[int] = []
        if not self._arrived(0):
            return lengths, False
        try:
            for length in map(self._readinto, buffers):
                if not length:
                    return lengths, None if length == 0 else False
                lengths.append(length)
        except OSError as error:
            if error.errno not in REMOVAL_ERRORS:
                raise
            return lengths, None
        return lengths, True

    def give(self, frames: list[Frame]) -> bool:
        """Fill buffers with frames, behind those that are parked; park what finds none.  True when one was filled."""
        if self.parked:
            frames = self.parked + [(bytes(frame), word) for frame, word in frames]
            self.parked = []
        place, filled = 0, False
        while place < len(frames):
            count = self._room(frames, place)
            if not count:
                self.parked = [(bytes(frame), word) for frame, word in frames[place:]]
                if not self._starved:
                    self._count(STATISTIC_RECEIVE_NO_BUFFER, 1)
                break
            batch = frames[place : place + count]
            place += len(batch)
            filled = self._fill(batch) or filled
        self.ask(bool(self.parked))
        if filled:
            self.activity.moved = True
        return filled

    def _room(self, frames: list[Frame], place: int) -> int:
        """How many of the frames from this place on there are buffers for."""
        return self._queue.refill(len(frames) - place)

    def _fill(self, batch: list[Frame]) -> bool:
        queue = self._queue
        fitting = [(frame, word) for frame, word in batch if len(frame) < queue.capacity]
        if len(fitting) != len(batch):
            self._count(STATISTIC_RECEIVE_ERRORS, len(batch) - len(fitting))
        if not fitting:
            return False
        for (frame, _), buffer in zip(fitting, queue.empties, strict=False):
            buffer[: len(frame)] = frame
        lengths = [len(frame) for frame, _ in fitting]
        queue.deliver_hashed(lengths, [word for _, word in fitting])
        self._received += lengths
        return True

    def waits(self, enabled: int) -> bool:
        """Whether there is work in the rings."""
        if self.parked and enabled & VNIC_CONTROL_RECEIVE_ENABLE and self._room(self.parked, 0):
            return True
        if self.wants_write or not enabled & VNIC_CONTROL_TRANSMIT_ENABLE:
            return False
        posted = self._queue.posted()
        return bool(posted) and posted != self._unfinished

    def power_cycled(self) -> None:
        """The hardware has lost what it knew; so has its host."""
        super().power_cycled()
        self.parked = []


class _Drained:
    """Who alone is read until there is nothing more, or so many frames have come; and what is done then."""

    __slots__ = ("left", "then")

    def __init__(self, readers: Sequence[QueuePump], most: int, then: Callable[[], None]) -> None:
        self.left = dict.fromkeys(readers, most)
        self.then = then


class ScaledPump:
    """Moves the frames of all queues of one adapter.

    Args:
        hardware: The host's end of the adapter.
        descriptors: The wire's: one, or one for each queue.
        wake: Wakes the processors whose interrupts are asserted; called once after each batch that was published.
        count: How many queues the adapter has.
        calls: Replaces the calls on the descriptor, where there is one.
        steered: The wire, where it spreads flows over the descriptors by itself.
        clock: Nanoseconds.
        activity: As for AdapterPump.
    """

    _queue_pump: type[QueuePump] = QueuePump
    _scratch_size = DEFAULT_BUDGET, _SCRATCH_FRAME
    """How many frames are read before they are spread, and how much memory each may take."""

    def __init__(
        self,
        hardware: HostVnic,
        descriptors: Sequence[int],
        wake: Callable[[], None],
        count: int,
        calls: FrameCalls | None = None,
        *,
        steered: SteeredWire | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        activity: Activity | None = None,
    ) -> None:
        self.removed: str | None = None
        """Why the adapter was taken away, once it was."""
        self.wants_read = True
        self.wants_write = False
        self.activity = activity if activity is not None else Activity()
        self._hardware = hardware
        self._wake = wake
        self._clock = clock
        self._steered = steered
        self.queues = [
            self._queue_pump(
                hardware, descriptors[number % len(descriptors)], wake, number, count, calls, self.activity
            )
            for number in range(count)
        ]
        self._readers = self.queues[: len(descriptors)]
        frames, each = self._scratch_size
        memory = memoryview(bytearray(frames * each))
        self._scratch = [memory[at : at + each] for at in range(0, len(memory), each)]
        self._hash: Callable[[memoryview, int], tuple[int, int]] | None = None
        self._switching = False
        self._patient_until = 0
        self._taken: list[int] = []
        self._heads: list[int] | None = None
        self._drained: _Drained | None = None

    @property
    def statistics(self) -> list[int]:
        """What has been counted, of all queues."""
        return [sum(counts) for counts in zip(*(queue.statistics for queue in self.queues), strict=True)]

    def service(self, budget: int = DEFAULT_BUDGET) -> bool:
        """Move up to `budget` frames each way; returns whether more can be moved at once."""
        hardware = self._hardware
        if not hardware.present:
            self.wants_read = self.wants_write = False
            return False
        enabled = hardware.attend()
        asked = hardware.scaling_asked()
        if asked is not None:
            self._look(asked, enabled)
        elif self._switching:
            self._switched()
        if enabled & VNIC_CONTROL_RECEIVE_ENABLE:
            more = self._receive(budget)
        else:
            self.wants_read = True
            more = any([queue.discard(budget if queue in self._readers else 0) for queue in self.queues])
        if enabled & VNIC_CONTROL_TRANSMIT_ENABLE and hardware.present:
            for queue in self.queues:
                more |= queue.send(budget)
        self.wants_write = any([queue.wants_write for queue in self.queues])
        if not hardware.present:
            self._gone()
            return False
        return more

    def pending(self) -> bool:
        """Whether work came in that no poll of the wire will report: asked after the host's sleeping flag is up."""
        hardware = self._hardware
        if not hardware.present:
            return False
        if hardware.attention:
            return True
        enabled = hardware.attend()
        asked = hardware.scaling_asked()
        if self._drained is not None and self.wants_read:
            return True
        if self._drained is None and asked is not None and (not self._switching or self._idle()):
            return True
        return any(queue.waits(enabled) for queue in self.queues)

    def settle(self) -> None:
        """Count what has moved, and assert the interrupt for the frames that have been sent since the last one."""
        for queue in self.queues:
            queue.settle()

    def count(self) -> None:
        """Count the frames that have moved since the last time, and let the driver see it."""
        for queue in self.queues:
            queue.count()

    def power_cycled(self) -> None:
        """The hardware has lost what it knew; so has its host."""
        self.wants_read, self.wants_write = True, False
        self._switching, self._drained, self._hash, self._heads = False, None, None, None
        for queue in self.queues:
            queue.power_cycled()

    def remove(self, reason: str) -> None:
        """Take the adapter away from the driver: a surprise removal."""
        self.removed = reason
        self.wants_read = self.wants_write = False
        self._hardware.remove()
        self._wake()

    def _gone(self) -> None:
        """A queue has found out that the wire is gone, and has taken the adapter away."""
        self.removed = next((queue.removed for queue in self.queues if queue.removed), "the wire is gone")
        self.wants_read = self.wants_write = False

    # -- a new table ---------------------------------------------------------------------------------------------------

    def _look(self, asked: Scaling, enabled: int) -> None:
        """The driver wants frames to be spread in another way: do so, or see to it that it soon can be."""
        if self._drained is not None:
            return
        if not enabled & VNIC_CONTROL_RECEIVE_ENABLE or self._idle():
            self._scale(asked)
            return
        taken = [queue.taken for queue in self.queues]
        if not self._switching or taken != self._taken:
            self._switching = True
            self._taken = taken
            self._patient_until = self._clock() + _PATIENCE_NS
            for queue in self.queues:
                queue.ask(True)
        # The driver rings when it lets an interrupt through; since that is soon, the host looks by itself for a while.
        self.activity.moved |= self._clock() < self._patient_until

    def _idle(self) -> bool:
        """Whether nothing is under way by the old table: the queues have been idle, and what was posted then is sent.

        Nothing has been read since; what others go on sending meanwhile keeps nobody waiting.
        """
        if self._heads is None:
            if not all([queue.idle for queue in self.queues]):
                return False
            self._heads = [queue.head for queue in self.queues]
        return all(queue.sent(head) for queue, head in zip(self.queues, self._heads, strict=True))

    def _switched(self) -> None:
        self._switching, self._heads = False, None
        for queue in self.queues:
            queue.ask(bool(queue.parked))

    def _scale(self, asked: Scaling) -> None:
        before = self._hardware.scaling
        self._hardware.scale(asked)
        self._switched()
        if (asked.information, asked.key) != (before.information, before.key):
            self._hash = self._hasher(asked) if asked.information else None
            if self._steered is not None and asked.information:
                self._steer(asked, self._steered)

    def _hasher(self, asked: Scaling) -> Callable[[memoryview, int], tuple[int, int]]:
        """What hashes the frames of one way of spreading them."""
        return FrameHash(asked.information, asked.key)

    def _steer(self, asked: Scaling, wire: SteeredWire) -> None:
        first, rest = self._readers[0], self._readers[1:]

        def by_the_key() -> None:
            wire.steer(asked.information, asked.key)
            self._drained = _Drained([first], wire.longest_queue, self._steering_done)

        wire.steer_to_first()
        self._drained = _Drained(rest, wire.longest_queue, by_the_key)

    def _steering_done(self) -> None:
        self._drained = None

    # -- wire to driver ------------------------------------------------------------------------------------------------

    def _receive(self, budget: int) -> bool:
        filled = False
        parked = 0
        for queue in self.queues:
            if queue.parked:
                filled = queue.give([]) or filled
                parked += len(queue.parked)
        more: bool | None = False
        self.wants_read = not self._switching and parked < MOST_PARKED
        if self.wants_read:
            read, more = self._read(min(budget, MOST_PARKED - parked, len(self._scratch)))
            filled = read or filled
        if filled:
            self._wake()
        if more is None:
            self.remove("the wire is gone")
            return False
        return more

    def _read(self, budget: int) -> tuple[bool, bool | None]:
        """Read frames and give them to their queues: whether a buffer was filled, and whether more is ready."""
        drained = self._drained
        readers = self._readers if drained is None else list(drained.left)
        filled, more = False, False
        share = max(1, budget // len(readers))
        for reader in readers:
            lengths, ready = reader.read(self._scratch[:share])
            if lengths:
                filled = self._spread(lengths) or filled
            if ready is None:
                return filled, None
            more |= ready
            if drained is not None:
                drained.left[reader] -= len(lengths)
                if not ready or drained.left[reader] <= 0:
                    del drained.left[reader]
        if drained is not None and not drained.left:
            drained.then()
            more = True
        return filled, more or drained is not None

    def _spread(self, lengths: list[int]) -> bool:
        """Give the frames in the host's memory to the queues where they belong; True when a buffer was filled."""
        hasher, table = self._hash, self._hardware.scaling.table
        if hasher is None:
            frames: list[Frame] = [(buffer[:length], 0) for buffer, length in zip(self._scratch, lengths, strict=False)]
            return self.queues[0].give(frames)
        mask = len(table) - 1
        groups: list[list[Frame]] = [[] for _ in self.queues]
        for buffer, length in zip(self._scratch, lengths, strict=False):
            value, information = hasher(buffer, length)
            # Without a hash a frame is the first queue's: the default processor's.
            queue = table[value & mask] if information else 0
            groups[queue].append((buffer[:length], value | information << 32))
        filled = [queue.give(frames) for queue, frames in zip(self.queues, groups, strict=True) if frames]
        return any(filled)
