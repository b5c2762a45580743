"""The frame loop of an adapter with offloads: as `emulator.host.pump`, with virtio's header in front of every frame.

Law: chosen once, when the port is made, so that an adapter without offloads pays nothing.  The kernel is told what the
driver has enabled and nothing else: what that leaves out it segments and checksums itself.  A header to send is made
here of a word that has been judged; a received one goes straight in front of its frame, into the driver's buffer.

A frame is read into as many buffers as the longest one could need, or not at all: the kernel cuts off what is too long.
What still lies in the wire when a driver enables less may be longer than it takes then; that is dropped and counted, as
a frame too long.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from emulator.host.pump import DEFAULT_BUDGET, ENOUGH, LOST_ERRORS, Activity, AdapterPump
from vnic.device.host_queue import inside
from vnic.device.layout import (
    VNIC_DESCRIPTOR_ADDRESS_MASK,
    VNIC_DESCRIPTOR_LENGTH_MASK,
    VNIC_DESCRIPTOR_MORE,
    VNIC_DESCRIPTOR_OFFLOAD,
    VNIC_LENGTH_MORE,
    VNIC_MAXIMUM_SUPER_FRAME,
    VNIC_MINIMUM_FRAME,
)
from vnic.device.offloads import (
    VNIC_HEADER_BYTES,
    VNIC_OFFLOAD_CHECKSUM,
    VNIC_OFFLOAD_HEADERS,
    VNIC_OFFLOAD_SUPER_FRAMES,
    VNIC_OFFLOAD_UDP,
    VNIC_OFFLOAD_WIRE,
    header_of,
)
from vnic.device.registers import (
    STATISTIC_RECEIVE_BYTES,
    STATISTIC_RECEIVE_ERRORS,
    STATISTIC_RECEIVE_FRAMES,
    STATISTIC_TRANSMIT_ERRORS,
    WORD_OFFLOADS,
    WORD_OFFLOADS_SUPPORTED,
)
from vnic.wires.wire import REMOVAL_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.device.hardware import HostVnic

NO_HEADER: Final = bytes(VNIC_HEADER_BYTES)


def judged(hardware: HostVnic, wanted: int) -> int:
    """What a driver has written to the register OFFLOADS, once it is seen to be possible."""
    queue = hardware.queues[0]
    unknown = wanted & ~(hardware.words[WORD_OFFLOADS_SUPPORTED] | VNIC_OFFLOAD_HEADERS)
    if unknown:
        raise queue.fault(f"offloads {unknown:#x}, which the adapter does not support", "register OFFLOADS")
    if (
        (wanted and not wanted & VNIC_OFFLOAD_HEADERS)
        or (wanted & VNIC_OFFLOAD_SUPER_FRAMES and not wanted & VNIC_OFFLOAD_CHECKSUM)
        or wanted & VNIC_OFFLOAD_UDP not in (0, VNIC_OFFLOAD_UDP)
    ):
        raise queue.fault(f"offloads {wanted:#x}, of which some need others", "register OFFLOADS")
    return wanted


class HeaderPump(AdapterPump):
    """What queues have in common whose frames have headers: sending, and the memory in front of a buffer.

    Args:
        arguments: Of the next class.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._write = self._write_plain
        self._enabled = 0
        # By the descriptor that it is posted with: a buffer with the memory in front of it.
        self._fronts: dict[int, memoryview] = {}

    def _front(self, word: int) -> memoryview:
        """A buffer with the header's memory in front of it, once that is seen to be the hardware's to write."""
        queue = self._queue
        address = word & VNIC_DESCRIPTOR_ADDRESS_MASK
        start = address - VNIC_HEADER_BYTES
        if not inside(start, VNIC_HEADER_BYTES, queue.receive_regions):
            raise queue.fault(f"no room for a header in front of buffer {address:#x}", "receive-free ring")
        front = self._fronts[word] = queue.memory[start : address + queue.capacity]
        return front

    # -- driver to wire ------------------------------------------------------------------------------------------------

    def _write_plain(self, frame: memoryview) -> int | None:
        """Write a lone frame that is as the driver has made it."""
        try:
            return os.writev(self.descriptor, (NO_HEADER, frame)) - VNIC_HEADER_BYTES
        except BlockingIOError:
            return None

    def _send(self, words: list[int]) -> int:
        lengths: list[int] = []
        done, total, writev = 0, len(words), os.writev
        frame_of, descriptor, ring, tail = self._frame, self.descriptor, self._queue.transmit, self._queue.transmit_tail
        while done < total:
            word, pieces = words[done], 1
            try:
                if word < VNIC_DESCRIPTOR_MORE:
                    vector: list[bytes | memoryview] = [NO_HEADER, frame_of(word)]
                elif word >> _FLAGS_SHIFT == _CUT and done + 1 < total:
                    # As drivers send what is to be cut: a copy of its headers, and the rest where it lies.
                    first, rest = frame_of(word & _PIECE), frame_of(words[done + 1])
                    header = self._made_header(ring.offloads[tail + done & ring.mask], len(first) + len(rest))
                    vector, pieces = [header, first, rest], 2
                else:
                    raise KeyError(word)
            except KeyError:  # too short, or in more pieces
                pieces, vector = self._gathered(words, done)
                if not vector:
                    if not pieces:
                        break
                    self._count(STATISTIC_TRANSMIT_ERRORS, 1)
                    done += pieces
                    continue
            try:
                lengths.append(writev(descriptor, vector) - VNIC_HEADER_BYTES)
            except BlockingIOError:
                self.wants_write = True
                break
            except OSError as error:
                if error.errno in REMOVAL_ERRORS:
                    self._gone = True
                    break
                if error.errno not in LOST_ERRORS:
                    raise
                self._count(STATISTIC_TRANSMIT_ERRORS, 1)
            done += pieces
        if lengths:
            self._sent += lengths
        return done

    def _gathered(self, words: list[int], first: int) -> tuple[int, list[bytes | memoryview]]:
        """How many descriptors the frame that begins there has, 0 without its end; what to write, if it is a frame."""
        fragments = self._fragments_of(words, first)
        length = sum(map(len, fragments))
        if not fragments:
            return 0, []
        header = NO_HEADER
        if words[first] & VNIC_DESCRIPTOR_OFFLOAD:
            header = self._made_header(self._queue.offload(first), length)
        if not VNIC_MINIMUM_FRAME <= length <= VNIC_MAXIMUM_SUPER_FRAME:
            return len(fragments), []
        return len(fragments), [header, *fragments]

    def _fragments_of(self, words: list[int], first: int) -> list[memoryview]:
        if not words[first] & VNIC_DESCRIPTOR_OFFLOAD:
            return self._fragments(words, first)
        words = words[first:]
        words[0] &= ~VNIC_DESCRIPTOR_OFFLOAD
        return self._fragments(words, 0)

    def _made_header(self, offload: int, length: int) -> bytes:
        try:
            return _header_of(offload, length)
        except ValueError as error:
            raise self._queue.fault(str(error), "transmit ring") from None


class OffloadPump(HeaderPump):
    """Moves the frames of one queue of an adapter whose wire is a TAP with offloads.

    Args:
        hardware: As for AdapterPump.
        descriptor: As for AdapterPump; each read and write begins with virtio's header.
        wake: As for AdapterPump.
        set_offloads: Tells the wire what the driver is ready to receive.
        activity: As for AdapterPump.
    """

    def __init__(
        self,
        hardware: HostVnic,
        descriptor: int,
        wake: Callable[[], None],
        set_offloads: Callable[[int], None],
        activity: Activity | None = None,
    ) -> None:
        super().__init__(hardware, descriptor, wake, 0, None, activity)
        self._set_offloads = set_offloads
        # Bytes in each buffer, by which it is known how many the longest frame needs, and what fits in the first one.
        self._capacity = self._longest = 0
        self._scratch_header = memoryview(bytearray(VNIC_HEADER_BYTES))

    def pending(self) -> bool:
        """Whether work came in that no poll of the wire will report."""
        hardware = self._hardware
        return (hardware.present and hardware.words[WORD_OFFLOADS] != self._enabled) or super().pending()

    def power_cycled(self) -> None:
        """The hardware has lost what it knew, and with it what the driver had enabled."""
        super().power_cycled()
        self._enable(0)

    def _enable(self, wanted: int) -> None:
        self._set_offloads(judged(self._hardware, wanted) & VNIC_OFFLOAD_WIRE)
        self._enabled = wanted
        self._learn_buffers()

    # -- wire to driver ------------------------------------------------------------------------------------------------

    def _discard(self, budget: int) -> bool:
        self._heed()
        return super()._discard(budget)

    def _heed(self) -> None:
        """Look at what the driver enables: it is written before receive is, and so seen here at the latest."""
        enabled = self._words[WORD_OFFLOADS]
        if enabled != self._enabled:
            self._enable(enabled)

    def _receive(self, budget: int) -> bool:
        if self._words[WORD_OFFLOADS] != self._enabled:
            self._heed()
        queue = self._queue
        if queue.usable < ENOUGH + self._each and not self._refill(DEFAULT_BUDGET + self._each):
            return False
        if not self._arrived(0):
            return False
        lengths: list[int] = []
        more = self._read(lengths, min(budget, DEFAULT_BUDGET))
        if lengths:
            queue.deliver(lengths)
            self._received += lengths
            self._wake()
            self.activity.moved = True
        if more is None:
            self.remove("the wire is gone")
            return False
        return more

    def _refill(self, budget: int) -> int:
        count = self._queue.refill(budget)
        if self._capacity != self._queue.capacity:
            self._learn_buffers()
        return self._fed(count)

    def _learn_buffers(self) -> None:
        """How many buffers the longest frame could need, and one byte that shows that nothing was cut off."""
        self._capacity = capacity = self._queue.capacity
        self._fronts.clear()
        self._each = 1
        if capacity and self._enabled & VNIC_OFFLOAD_SUPER_FRAMES:
            self._each += VNIC_MAXIMUM_SUPER_FRAME // capacity
        self._longest = capacity if self._each > 1 else capacity - 1

    def _read(self, lengths: list[int], budget: int) -> bool | None:
        """Read up to so many frames, adding their lengths; whether more may be ready, or None: never again."""
        queue, known, descriptor, readv = self._queue, self._fronts.get, self.descriptor, os.readv
        words, buffers, each, longest = queue.words, queue.buffers, self._each, self._longest
        first = queue.filled
        last = first + queue.usable - each
        try:
            for _ in range(budget):
                place = first + len(lengths)
                if place > last:
                    break
                front = known(words[place])
                if front is None:
                    vector = self._first_look(place)
                elif each == 2:
                    vector = [front, buffers[place + 1]]
                else:
                    vector = [front, *buffers[place + 1 : place + each]]
                length = readv(descriptor, vector) - VNIC_HEADER_BYTES
                if 0 <= length <= longest:
                    lengths.append(length)
                elif length < 0:
                    return None
                elif length < each * queue.capacity:
                    while length > longest:
                        lengths.append(longest | VNIC_LENGTH_MORE)
                        length -= longest
                    lengths.append(length)
                else:
                    self._count(STATISTIC_RECEIVE_ERRORS, 1)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in REMOVAL_ERRORS:
                raise
            return None
        return True

    def _first_look(self, place: int) -> list[memoryview]:
        """Where a frame is read to that begins in an empty buffer with nothing known in front of it."""
        queue = self._queue
        following = queue.buffers[place + 1 : place + self._each]
        if not self._enabled:
            return [self._scratch_header, queue.buffers[place], *following]
        return [self._front(queue.words[place]), *following]

    def _count_received(self, lengths: list[int]) -> None:
        """Count frames by the buffers that they lie in."""
        if max(lengths) < VNIC_LENGTH_MORE:
            super()._count_received(lengths)
            return
        self._count(STATISTIC_RECEIVE_FRAMES, sum(length < VNIC_LENGTH_MORE for length in lengths))
        self._count(STATISTIC_RECEIVE_BYTES, sum(length & VNIC_DESCRIPTOR_LENGTH_MASK for length in lengths))


_FLAGS_SHIFT: Final = 48
_CUT: Final = (VNIC_DESCRIPTOR_OFFLOAD | VNIC_DESCRIPTOR_MORE) >> _FLAGS_SHIFT
_PIECE: Final = (1 << _FLAGS_SHIFT) - 1
# A stream asks for the same again and again.
_header_of: Final = lru_cache(1024)(header_of)
