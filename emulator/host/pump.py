"""The host's frame loop over one queue of an adapter: wire into empty buffers, posted frames onto the wire.

Law: a frame costs two system calls, and every act added here costs rate one to one; whatever can be done once a batch
is. Nothing waits: `service` does a budget of work and says whether more is ready, `wants_read` and `wants_write` say
what the host must poll for, and `pending` is the second look between raising the host's sleeping flag and sleeping.
The interrupt for sent frames is moderated: `settle` asserts it, which the host does before it sleeps and at least once
a millisecond; by then the next received frame has mostly brought the driver along, and it costs no interrupt at all.
Frames are counted then too: the driver's registers say what had moved by that time.
What the driver wrote is judged by `vnic.device.hardware`; its DeviceFault passes through to the supervisor.

What the wire does to frames:

- no empty buffer: the frames stay in the wire, whose queue is the back-pressure; `wants_read` is off meanwhile
- receive not enabled: frames are read and dropped, as by a receiver that is off
- a frame as long as its buffer or longer is dropped, since its end may be missing
- the wire takes no more (EAGAIN): the frame stays posted, `wants_write` asks for POLLOUT
- the wire refuses a frame (interface down, too short, too long): it is lost and counted, and completed like any other
- the wire is gone: surprise removal; the adapter disappears and completes nothing more, as on real hardware
"""

from __future__ import annotations

import errno
import io
import os
import select
from typing import TYPE_CHECKING, Final

from vnic.device.host_queue import DeviceFault
from vnic.device.layout import (
    PRODUCER,
    VNIC_DESCRIPTOR_MORE,
    VNIC_MAXIMUM_FRAGMENTS,
    VNIC_MAXIMUM_FRAME,
    VNIC_MINIMUM_FRAME,
)
from vnic.device.registers import (
    STATISTIC_RECEIVE_BYTES,
    STATISTIC_RECEIVE_DISCARDS,
    STATISTIC_RECEIVE_ERRORS,
    STATISTIC_RECEIVE_FRAMES,
    STATISTIC_RECEIVE_NO_BUFFER,
    STATISTIC_TRANSMIT_BYTES,
    STATISTIC_TRANSMIT_ERRORS,
    STATISTIC_TRANSMIT_FRAMES,
    VNIC_CONTROL_RECEIVE_ENABLE,
    VNIC_CONTROL_TRANSMIT_ENABLE,
    WORD_CONTROL,
)
from vnic.wires.wire import DROP_ERRORS, REMOVAL_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vnic.device.hardware import HostVnic
    from vnic.wires.wire import FrameCalls

DEFAULT_BUDGET: Final = 64
PLAIN_BUDGET: Final = 128
"""Of an adapter with one queue whose frames are never longer than its MTU."""

# Besides the wire's own: what the kernel says of a frame that it cannot make sense of.
LOST_ERRORS: Final = DROP_ERRORS | {errno.EINVAL, errno.EMSGSIZE, errno.ENOMEM, errno.E2BIG}
_BLOCKED: Final = BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
_SCRATCH_BYTES: Final = 65536
_UNSEEN: Final = -1
"""Of a control word that is to be attended to, whatever it says."""
ENOUGH: Final = 32
"""Empty buffers at hand with which the rings are not looked at for more."""


class Activity:
    """Whether a frame has moved, on any wire of all that share this; whoever looks sets it back."""

    __slots__ = ("moved",)

    def __init__(self) -> None:
        self.moved = False


class DescriptorCalls(io.FileIO):
    """The calls on a descriptor itself: `FileIO` reads and writes fastest (measured), and says None on EAGAIN."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "r+b", closefd=False)

    def gather(self, fragments: list[memoryview], /) -> int | None:
        """Write one frame that lies in several pieces."""
        try:
            return os.writev(self.fileno(), fragments)
        except BlockingIOError:
            return None


def _poller(descriptor: int) -> Callable[[int], object]:
    """What tells whether there is something to read."""
    # A third of the price of a read that finds nothing (measured): Python makes an exception even where it says None.
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return poll.poll


def _perhaps(timeout: int) -> bool:
    """Stand for it where calls are replaced: they may hold frames of which the descriptor knows nothing."""
    return True


class AdapterPump:
    """Moves the frames of one queue between its wire's descriptor and the adapter's rings.

    Args:
        hardware: The host's end of the adapter.
        descriptor: The wire's, non-blocking; each queue of an adapter has a descriptor of its own.
        wake: Wakes the processor that the queue's interrupt is for, if it sleeps: a fence, then the look at its
            sleeping flag (and at `hardware.asserted(queue)`, so that a masked interrupt wakes nobody). Called once
            after each batch that was published.
        queue: Which of the adapter's queues.
        calls: Replaces the calls on the descriptor; wrappers are composed here, so that an absent one costs nothing.
        activity: Where it is said that a frame has moved.
    """

    def __init__(
        self,
        hardware: HostVnic,
        descriptor: int,
        wake: Callable[[], None],
        queue: int = 0,
        calls: FrameCalls | None = None,
        activity: Activity | None = None,
    ) -> None:
        self.descriptor = descriptor
        self.removed: str | None = None
        """Why the adapter was taken away, once it was."""
        self.wants_read = True
        self.wants_write = False
        self.activity = activity if activity is not None else Activity()
        self._hardware = hardware
        self._queue = hardware.queues[queue]
        self._wake = wake
        self._calls = calls if calls is not None else DescriptorCalls(descriptor)
        self._readinto = self._calls.readinto
        self._arrived: Callable[[int], object] = _poller(descriptor) if calls is None else _perhaps
        self._write = self._calls.write
        self._frame = self._queue.frames.__getitem__
        self._scratch = memoryview(bytearray(_SCRATCH_BYTES))
        self._starved = False
        # Buffers without which nothing is received.
        self._each = 1
        self._gone = False
        # How many descriptors may be done of which the driver has not been told by an interrupt.
        self._untold_limit = self._queue.transmit.entries // 2
        # The transmit ring's head when all that remained was a frame whose end had not been posted.
        self._unfinished: int | None = None
        # The driver's control word as it was when last attended to, and the directions that it enables.
        self._control = _UNSEEN
        self._receives = self._sends = False
        self._words = hardware.words
        self._transmit_indices = self._queue.transmit.indices
        # Lengths of the frames that have moved and are not counted yet.
        self._received: list[int] = []
        self._sent: list[int] = []
        # The host's own statistics; the driver is shown a copy, since what lies there may be overwritten.
        self._shown = self._queue.statistics
        self.statistics = [0] * len(self._shown)

    def service(self, budget: int = PLAIN_BUDGET) -> bool:
        """Move up to `budget` frames each way; returns whether more can be moved at once."""
        if self._words[WORD_CONTROL] != self._control and not self._attend():
            return False
        more = self._receive(budget) if self._receives else self._discard(budget)
        posted = self._transmit_indices[PRODUCER] - self._queue.transmit_tail
        if posted and self._sends:
            more |= self._transmit(budget, posted == 1)
        return more

    def _attend(self) -> bool:
        """Do as the driver's control word says; False when the adapter is gone."""
        self.wants_write = False
        if not self._hardware.present:
            self.wants_read = False
            return False
        control = self._words[WORD_CONTROL]
        enabled = self._hardware.attend()
        self._control = control
        self._receives = enabled & VNIC_CONTROL_RECEIVE_ENABLE != 0
        self._sends = enabled & VNIC_CONTROL_TRANSMIT_ENABLE != 0
        return True

    def pending(self) -> bool:
        """Whether work came in that no poll of the wire will report: asked after the host's sleeping flag is up."""
        if self._words[WORD_CONTROL] != self._control:
            return self._hardware.present
        queue = self._queue
        if self._starved and self._receives and queue.refill(self._each) >= self._each:
            return True
        if not self._sends:
            return False
        posted = queue.posted()
        if not posted:
            self.wants_write = False
        return posted not in (0, self._unfinished) and not self.wants_write

    def settle(self) -> None:
        """Count what has moved, and assert the interrupt for the frames that have been sent since the last one."""
        self.count()
        queue = self._queue
        if queue.interrupt != queue.transmit_tail:
            queue.assert_transmit()
            self._wake()

    def count(self) -> None:
        """Count the frames that have moved since the last time, and let the driver see it."""
        if self._received:
            self._count_received(self._received)
            self._received.clear()
        if self._sent:
            self._count_frames(STATISTIC_TRANSMIT_FRAMES, STATISTIC_TRANSMIT_BYTES, self._sent)
            self._sent.clear()

    def power_cycled(self) -> None:
        """The hardware has lost what it knew; so has its host."""
        self.wants_read, self.wants_write = True, False
        self._starved, self._unfinished = False, None
        self._control = _UNSEEN

    def remove(self, reason: str) -> None:
        """Take the adapter away from the driver: a surprise removal."""
        self.removed = reason
        self.wants_read = self.wants_write = self._sends = False
        self._control = _UNSEEN
        self._hardware.remove()
        self._wake()

    # -- wire to driver ------------------------------------------------------------------------------------------------

    def _receive(self, budget: int) -> bool:
        queue = self._queue
        if queue.usable < ENOUGH:
            count = self._refill(budget)
            return self._receive_batch([], count) if count else False
        # Mostly there is no frame at all or a lone one: that is to be known before anything is made ready for many.
        if not self._arrived(0):
            return False
        try:
            length = self._readinto(queue.buffers[queue.filled])
        except OSError as error:
            if error.errno not in REMOVAL_ERRORS:
                raise
            length = 0
        if length is None:
            return False
        if not 0 < length < queue.capacity or self._arrived(0):
            return self._receive_batch([length], budget)
        queue.deliver_one(length)
        self._received.append(length)
        self._wake()
        self.activity.moved = True
        return False

    def _refill(self, budget: int) -> int:
        """How many buffers may be filled; without any nothing is read, and the driver is asked for some."""
        return self._fed(self._queue.refill(budget))

    def _fed(self, count: int) -> int:
        queue = self._queue
        if count < self._each:
            count = 0
            self.wants_read = False
            queue.ask_for_buffers(True)
            if not self._starved:
                self._starved = True
                self._count(STATISTIC_RECEIVE_NO_BUFFER, 1)
        else:
            self.wants_read = True
            if self._starved:
                self._starved = False
                queue.ask_for_buffers(False)
        return count

    def _receive_batch(self, lengths: list[int], count: int) -> bool:
        """Read on behind frames of these lengths, until so many buffers are filled; a length of 0 is the wire's end."""
        queue = self._queue
        more, gone = True, False
        try:
            append, first = lengths.append, queue.filled
            buffers = queue.buffers[first + len(lengths) : first + min(count, queue.usable)]
            for length in map(self._readinto, buffers):
                if length is None:
                    more = False
                    break
                append(length)
        except OSError as error:
            if error.errno not in REMOVAL_ERRORS:
                raise
            gone = True
        # Looked at by the batch, in C: tests and sums in the loop above would cost more than the loop.
        if not all(lengths):
            del lengths[lengths.index(0) :]
            gone = True
        if max(lengths, default=0) >= queue.capacity:
            lengths = self._drop_too_long(lengths)
        if lengths:
            queue.deliver(lengths)
            self._received += lengths
            self._wake()
            self.activity.moved = True
        if gone:
            self.remove("the wire is gone")
        return more and not gone

    def _drop_too_long(self, lengths: list[int]) -> list[int]:
        """Drop the frames that may have lost their ends; those behind move up, since buffers are filled in order."""
        queue = self._queue
        kept: list[int] = []
        empties = queue.empties
        for length, buffer in zip(lengths, empties, strict=False):
            if length < queue.capacity:
                into = empties[len(kept)]
                if into is not buffer:
                    into[:length] = buffer[:length]
                kept.append(length)
        self._count(STATISTIC_RECEIVE_ERRORS, len(lengths) - len(kept))
        return kept

    def _discard(self, budget: int) -> bool:
        self.wants_read = True
        readinto, scratch = self._readinto, self._scratch
        length: int | None = None
        dropped = 0
        try:
            for _ in range(budget):
                length = readinto(scratch)
                if not length:
                    break
                dropped += 1
        except OSError as error:
            if error.errno not in REMOVAL_ERRORS:
                raise
            length = 0
        if dropped:
            self._count(STATISTIC_RECEIVE_DISCARDS, dropped)
        if length is None:
            return False
        if not length:
            self.remove("the wire is gone")
            return False
        return True

    # -- driver to wire ------------------------------------------------------------------------------------------------

    def _transmit(self, budget: int, lone: bool) -> bool:
        queue = self._queue
        self.wants_write = False
        frame = queue.oldest() if lone else None
        if frame is None:
            return self._transmit_batch(budget)
        self._unfinished = None
        try:
            length = self._write(frame)
        except OSError as error:
            self._finish(int(self._lost(error)))
            return False
        if length is None:
            self.wants_write = True
            return False
        self._sent.append(length)
        self.activity.moved = True
        if queue.complete(1) >= self._untold_limit:
            self.settle()
        return False

    def _transmit_batch(self, budget: int) -> bool:
        queue = self._queue
        posted = queue.posted()
        if queue.sent_frames and (frames := queue.again(min(posted, budget))):
            return self._transmit_again(frames, posted)
        # A frame is never longer than the least that is looked at, so one that has no end here has none at all.
        words = queue.descriptors(min(posted, max(budget, VNIC_MAXIMUM_FRAGMENTS)))
        done = self._send(words)
        unfinished = done < len(words) and not self.wants_write
        self._unfinished = posted - done if unfinished else None
        self._finish(done)
        return done < posted and not (self.wants_write or self._gone or (unfinished and len(words) == posted))

    def _transmit_again(self, frames: list[memoryview], posted: int) -> bool:
        """Write the oldest frames that are posted; behind one that is lost it goes on in the next turn."""
        self._unfinished = None
        lengths: list[int] = []
        error = self._write_all(frames, lengths)
        self._sent += lengths
        done = len(lengths) + int(error is not None and self._lost(error))
        self._finish(done)
        return done < posted and not (self.wants_write or self._gone)

    def _finish(self, done: int) -> None:
        if done:
            self.activity.moved = True
            if self._queue.complete(done) >= self._untold_limit:
                self.settle()
        if self._gone:
            self.remove("the wire is gone")

    def _send(self, words: list[int]) -> int:
        """Write the frames of these descriptors; returns how many descriptors are finished with."""
        done = 0
        frames: Iterable[memoryview]
        try:
            frames = list(map(self._frame, words))
            self._queue.remember(words, frames)
        except (KeyError, DeviceFault):
            frames = map(self._frame, words)  # what is not a frame in one piece is found out in its turn
        while done < len(words):
            lengths: list[int] = []
            error = self._write_all(map(self._frame, words[done:]) if done else frames, lengths)
            done += len(lengths)
            self._sent += lengths
            if done == len(words):
                break
            pieces = self._fragments(words, done)
            if error is None:
                # All frames in one piece up to the next are written; the next is not one.
                if not pieces:
                    break
                error = self._gather(pieces)
            if error is not None and not self._lost(error):
                break
            done += len(pieces)
        return done

    def _lost(self, error: OSError) -> bool:
        """Count a frame that the wire has refused; False when it stays posted: the wire takes no more, or is gone."""
        if error is _BLOCKED:
            self.wants_write = True
            return False
        if error.errno in REMOVAL_ERRORS:
            self._gone = True
            return False
        if error.errno not in LOST_ERRORS:
            raise error
        self._count(STATISTIC_TRANSMIT_ERRORS, 1)
        return True

    def _write_all(self, frames: Iterable[memoryview], lengths: list[int]) -> OSError | None:
        """Write frames, up to one that is not in one piece, that the wire does not take now, or refuses.

        Appends the length of each that it took.
        """
        append = lengths.append
        try:
            for length in map(self._write, frames):
                if length is None:
                    return _BLOCKED
                append(length)
        except KeyError:
            pass
        except OSError as error:
            return error
        return None

    def _gather(self, pieces: list[memoryview]) -> OSError | None:
        """Write one frame that lies in several pieces; one that is no frame is counted as an error and not written."""
        if not VNIC_MINIMUM_FRAME <= sum(map(len, pieces)) <= VNIC_MAXIMUM_FRAME:
            self._count(STATISTIC_TRANSMIT_ERRORS, 1)
            return None
        try:
            length = self._calls.gather(pieces)
        except OSError as error:
            return error
        if length is None:
            return _BLOCKED
        self._sent.append(length)
        return None

    def _fragments(self, words: list[int], first: int) -> list[memoryview]:
        """The pieces of the frame that begins at `first`; none when its end is not among these descriptors."""
        queue = self._queue
        fragments: list[memoryview] = []
        for word in words[first : first + VNIC_MAXIMUM_FRAGMENTS]:
            fragments.append(queue.fragment(word))
            if not word & VNIC_DESCRIPTOR_MORE:
                return fragments
        if len(fragments) == VNIC_MAXIMUM_FRAGMENTS:
            raise queue.fault(f"a frame of more than {VNIC_MAXIMUM_FRAGMENTS} descriptors", "transmit ring")
        return []

    def _count(self, statistic: int, amount: int) -> None:
        self.statistics[statistic] = self._shown[statistic] = self.statistics[statistic] + amount

    def _count_received(self, lengths: list[int]) -> None:
        self._count_frames(STATISTIC_RECEIVE_FRAMES, STATISTIC_RECEIVE_BYTES, lengths)

    def _count_frames(self, frames: int, octets: int, lengths: list[int]) -> None:
        own, shown = self.statistics, self._shown
        own[frames] = shown[frames] = own[frames] + len(lengths)
        own[octets] = shown[octets] = own[octets] + sum(lengths)
