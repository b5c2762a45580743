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
from typing import TYPE_CHECKING, Final

from emulator.host.pump import DEFAULT_BUDGET, LOST_ERRORS, AdapterPump
from vnic.device.host_queue import inside
from vnic.device.layout import (
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
    STATISTIC_RECEIVE_NO_BUFFER,
    STATISTIC_TRANSMIT_BYTES,
    STATISTIC_TRANSMIT_ERRORS,
    STATISTIC_TRANSMIT_FRAMES,
    WORD_OFFLOADS,
    WORD_OFFLOADS_SUPPORTED,
)
from vnic.wires.wire import REMOVAL_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.device.hardware import HostVnic

NO_HEADER: Final = bytes(VNIC_HEADER_BYTES)


class OffloadPump(AdapterPump):
    """Moves the frames of one queue of an adapter whose wire is a TAP with offloads.

    Args:
        hardware: As for AdapterPump.
        descriptor: As for AdapterPump; each read and write begins with virtio's header.
        wake: As for AdapterPump.
        set_offloads: Tells the wire what the driver is ready to receive.
    """

    def __init__(
        self,
        hardware: HostVnic,
        descriptor: int,
        wake: Callable[[], None],
        set_offloads: Callable[[int], None],
    ) -> None:
        super().__init__(hardware, descriptor, wake)
        self._set_offloads = set_offloads
        self._enabled = 0
        self._scratch_header = memoryview(bytearray(VNIC_HEADER_BYTES))
        # By address: a buffer with the memory in front of it.
        self._fronts: dict[int, memoryview] = {}
        self._front_bytes = 0

    def service(self, budget: int = DEFAULT_BUDGET) -> bool:
        """Move up to `budget` frames each way; returns whether more can be moved at once."""
        hardware = self._hardware
        if hardware.present and hardware.words[WORD_OFFLOADS] != self._enabled:
            self._enable(hardware.words[WORD_OFFLOADS])
        return super().service(budget)

    def pending(self) -> bool:
        """Whether work came in that no poll of the wire will report."""
        hardware = self._hardware
        return (hardware.present and hardware.words[WORD_OFFLOADS] != self._enabled) or super().pending()

    def power_cycled(self) -> None:
        """The hardware has lost what it knew, and with it what the driver had enabled."""
        super().power_cycled()
        self._fronts.clear()
        self._enable(0)

    def _enable(self, wanted: int) -> None:
        queue = self._queue
        unknown = wanted & ~(self._hardware.words[WORD_OFFLOADS_SUPPORTED] | VNIC_OFFLOAD_HEADERS)
        if unknown:
            raise queue.fault(f"offloads {unknown:#x}, which the adapter does not support", "register OFFLOADS")
        if (
            (wanted and not wanted & VNIC_OFFLOAD_HEADERS)
            or (wanted & VNIC_OFFLOAD_SUPER_FRAMES and not wanted & VNIC_OFFLOAD_CHECKSUM)
            or wanted & VNIC_OFFLOAD_UDP not in (0, VNIC_OFFLOAD_UDP)
        ):
            raise queue.fault(f"offloads {wanted:#x}, of which some need others", "register OFFLOADS")
        self._set_offloads(wanted & VNIC_OFFLOAD_WIRE)
        self._enabled = wanted

    # -- wire to driver ------------------------------------------------------------------------------------------------

    def _receive(self, budget: int) -> bool:
        # Written before the driver enabled receive, and so seen here at the latest.
        if self._hardware.words[WORD_OFFLOADS] != self._enabled:
            self._enable(self._hardware.words[WORD_OFFLOADS])
        queue = self._queue
        each = self._buffers_each()
        count = queue.refill(budget + each)
        each = self._buffers_each()  # the first buffers have told how long they are
        if count < each:
            self.wants_read = False
            queue.ask_for_buffers(True)
            if not self._starved:
                self._starved = True
                self._count(STATISTIC_RECEIVE_NO_BUFFER, 1)
            return False
        if self._starved:
            self._starved = False
            queue.ask_for_buffers(False)
        self.wants_read = True
        lengths, frames, octets, more = self._read(budget, count, each)
        if lengths:
            queue.deliver(lengths)
            self._count(STATISTIC_RECEIVE_FRAMES, frames)
            self._count(STATISTIC_RECEIVE_BYTES, octets)
            self._wake()
            self.moved = True
        if more is None:
            self.remove("the wire is gone")
            return False
        return more

    def _buffers_each(self) -> int:
        """How many buffers the longest frame could need, and one byte that shows that nothing was cut off."""
        capacity = self._queue.capacity
        if not capacity or not self._enabled & VNIC_OFFLOAD_SUPER_FRAMES:
            return 1
        return VNIC_MAXIMUM_SUPER_FRAME // capacity + 1

    def _read(self, budget: int, count: int, each: int) -> tuple[list[int], int, int, bool | None]:
        """Fill buffers: their lengths, the frames and bytes in them, and whether more is ready; None: never again."""
        queue, fronts = self._queue, self._fronts
        addresses, empties, capacity, descriptor = queue.addresses, queue.empties, queue.capacity, self.descriptor
        if not self._enabled:
            fronts = {}
        elif self._front_bytes != capacity + VNIC_HEADER_BYTES:
            self._front_bytes = capacity + VNIC_HEADER_BYTES
            fronts.clear()
        lengths: list[int] = []
        place = frames = octets = 0
        for _ in range(budget):
            if place + each > count:
                break
            front = fronts.get(addresses[place])
            if front is not None:
                vector = [front, *empties[place + 1 : place + each]]
            elif self._enabled:
                vector = [self._front(addresses[place]), *empties[place + 1 : place + each]]
            else:
                vector = [self._scratch_header, *empties[place : place + each]]
            try:
                length = os.readv(descriptor, vector)
            except BlockingIOError:
                return lengths, frames, octets, False
            except OSError as error:
                if error.errno not in REMOVAL_ERRORS:
                    raise
                length = 0
            if not length:
                return lengths, frames, octets, None
            length -= VNIC_HEADER_BYTES
            if length >= each * capacity:
                self._count(STATISTIC_RECEIVE_ERRORS, 1)
                continue
            frames += 1
            octets += length
            while length > capacity:
                lengths.append(capacity | VNIC_LENGTH_MORE)
                length -= capacity
                place += 1
            lengths.append(length)
            place += 1
        return lengths, frames, octets, True

    def _front(self, address: int) -> memoryview:
        """A buffer with the header's memory in front of it, once that is seen to be the hardware's to write."""
        queue = self._queue
        start = address - VNIC_HEADER_BYTES
        if not inside(start, VNIC_HEADER_BYTES, queue.receive_regions):
            raise queue.fault(f"no room for a header in front of buffer {address:#x}", "receive-free ring")
        front = self._fronts[address] = queue.memory[start : address + queue.capacity]
        return front

    # -- driver to wire ------------------------------------------------------------------------------------------------

    def _send(self, words: list[int]) -> int:
        done = frames = octets = 0
        frame_of, descriptor = self._frame, self.descriptor
        while done < len(words):
            word, pieces = words[done], 1
            vector: list[bytes | memoryview] = []
            try:
                if word < VNIC_DESCRIPTOR_MORE:
                    vector = [NO_HEADER, frame_of(word)]
                elif word >= _CUT and done + 1 < len(words):
                    # As drivers send what is to be cut: a copy of its headers, and the rest where it lies.
                    first, rest = frame_of(word & _PIECE), frame_of(words[done + 1])
                    length = len(first) + len(rest)
                    if length <= VNIC_MAXIMUM_SUPER_FRAME:
                        vector, pieces = [self._header(word, done, length), first, rest], 2
            except KeyError:
                pass  # too short, or in more pieces
            if not vector:
                fragments = self._fragments_of(words, done)
                if not fragments:
                    break
                pieces = len(fragments)
                length = sum(map(len, fragments))
                vector = [self._header(word, done, length), *fragments]
                if not VNIC_MINIMUM_FRAME <= length <= VNIC_MAXIMUM_SUPER_FRAME:
                    self._count(STATISTIC_TRANSMIT_ERRORS, 1)
                    done += pieces
                    continue
            try:
                octets += os.writev(descriptor, vector) - VNIC_HEADER_BYTES
                frames += 1
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
        self._count(STATISTIC_TRANSMIT_FRAMES, frames)
        self._count(STATISTIC_TRANSMIT_BYTES, octets)
        return done

    def _fragments_of(self, words: list[int], first: int) -> list[memoryview]:
        if not words[first] & VNIC_DESCRIPTOR_OFFLOAD:
            return self._fragments(words, first)
        words = words[first:]
        words[0] &= ~VNIC_DESCRIPTOR_OFFLOAD
        return self._fragments(words, 0)

    def _header(self, word: int, place: int, length: int) -> bytes:
        if not word & VNIC_DESCRIPTOR_OFFLOAD:
            return NO_HEADER
        try:
            return _header_of(self._queue.offload(place), length)
        except ValueError as error:
            raise self._queue.fault(str(error), "transmit ring") from None


_CUT: Final = VNIC_DESCRIPTOR_OFFLOAD | VNIC_DESCRIPTOR_MORE
_PIECE: Final = VNIC_DESCRIPTOR_MORE - 1
"""A descriptor below MORE has no flags at all."""
# A stream asks for the same again and again.
_header_of: Final = lru_cache(1024)(header_of)
