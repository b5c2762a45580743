"""The hardware's end of the virtual adapter: what the host knows for itself, and what it makes of the driver's words.

Law: the host trusts nothing that it reads in shared memory. What the driver wrote wrongly is a DeviceFault, never a
crash and never an access elsewhere; what the host wrote itself it does not read back.

A reset throws away what lies in the rings and forgets the buffers, as the reset bit of a real adapter does: transmit
descriptors count as finished though nothing was sent, and every buffer is the driver's again. A removed adapter does
nothing more at all: what it held is the driver's, and nothing is completed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnic.device.host_queue import DeviceFault, HostQueue, Region
from vnic.device.layout import (
    CONSUMER,
    INDEX_MASK,
    REGISTER_BYTES,
    VnicLayout,
    check_block,
)
from vnic.device.messages import VNIC_MAXIMUM_MESSAGES, causes_of, enabled, reset_table
from vnic.device.registers import (
    CONTROL_RESETS_SHIFT,
    VNIC_CONTROL_ENABLES,
    VNIC_INTERRUPT_ALL,
    VNIC_INTERRUPT_LINK,
    VNIC_INTERRUPT_RECEIVE,
    VNIC_INTERRUPT_REMOVED,
    VNIC_INTERRUPT_TRANSMIT,
    WORD_CONTROL,
    WORD_LINK_ACKNOWLEDGE,
    WORD_LINK_SEQUENCE,
    WORD_LINK_SPEED,
    WORD_LINK_STATE,
    WORD_MAC_HIGH,
    WORD_MAC_LOW,
    WORD_MESSAGES,
    WORD_OFFLOADS_SUPPORTED,
    WORD_PRESENT,
    WORD_QUEUES,
    WORD_RECEIVE_ENTRIES,
    WORD_RESET_DONE,
    WORD_SCALING_DONE,
    WORD_SCALING_SEQUENCE,
    WORD_TRANSMIT_ENTRIES,
)
from vnic.device.scaling import UNSCALED, Scaling, read_scaling, scaling_fault

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DeviceFault", "HostQueue", "HostVnic", "Region"]


class HostVnic:
    """One adapter's hardware as the host plays it.

    Args:
        memory: The arena, writable, as bytes; bus addresses count from its start.
        offset: Where the adapter's block begins in it.
        layout: The same as the driver's.
        receive_regions: Where the hardware may write frames.
        transmit_regions: Where it may read them; the receive regions are added, since a driver may send what it
            received.
    """

    def __init__(
        self,
        memory: memoryview,
        offset: int,
        layout: VnicLayout,
        receive_regions: Sequence[Region],
        transmit_regions: Sequence[Region] = (),
    ) -> None:
        for start, length in (*receive_regions, *transmit_regions):
            if start < 0 or length < 0 or start + length > memory.nbytes:
                raise ValueError(f"region {start:#x}+{length} lies outside the arena")
        block = check_block(memory, offset, layout)
        self.layout = layout
        self.present = False
        self.messages = 0
        self.active = 1
        """How many of the layout's queues the adapter has."""
        self.scaling = UNSCALED
        """How frames are spread over them."""
        self.words = block[:REGISTER_BYTES].cast("Q")
        self.queues = [
            HostQueue(
                memory,
                block,
                layout,
                number,
                receive_regions=receive_regions,
                transmit_regions=(*receive_regions, *transmit_regions),
            )
            for number in range(layout.queues)
        ]
        self._block = block
        self._control = 0
        self._link_sequence = 0

    def power_on(
        self,
        mac: bytes,
        link_up: bool = False,
        megabits: int = 10_000,
        messages: int = 0,
        offloads: int = 0,
        queues: int | None = None,
    ) -> None:
        """Begin: all registers and rings at zero, the identity in place, one link change for the driver to notice.

        `messages` says how many interrupt messages the machine has for the adapter, `offloads` what its wire supports,
        `queues` how many of the layout's queues the adapter has; None: all.
        """
        if len(mac) != 6:
            raise ValueError(f"an Ethernet address has 6 bytes, not {len(mac)}")
        if not 0 <= messages <= VNIC_MAXIMUM_MESSAGES:
            raise ValueError(f"an adapter has 0 to {VNIC_MAXIMUM_MESSAGES} interrupt messages, not {messages}")
        if queues is not None and not 1 <= queues <= self.layout.queues:
            raise ValueError(f"an adapter of this machine has 1 to {self.layout.queues} queues, not {queues}")
        self.active = self.layout.queues if queues is None else queues
        self.scaling = UNSCALED
        self._block[:] = bytes(len(self._block))
        self._control = self._link_sequence = 0
        for queue in self.queues:
            queue.receive_head = queue.receive_tail = queue.free_tail = queue.transmit_tail = queue.interrupt = 0
            queue.forget()
        words, layout = self.words, self.layout
        words[WORD_MAC_LOW] = int.from_bytes(mac[:4], "little")
        words[WORD_MAC_HIGH] = int.from_bytes(mac[4:], "little")
        words[WORD_QUEUES] = self.active
        words[WORD_RECEIVE_ENTRIES] = layout.receive_entries
        words[WORD_TRANSMIT_ENTRIES] = layout.transmit_entries
        words[WORD_MESSAGES] = self.messages = messages
        words[WORD_OFFLOADS_SUPPORTED] = offloads
        reset_table(words)
        self.set_link(link_up, megabits)
        words[WORD_PRESENT] = 1
        self.present = True

    def set_link(self, up: bool, megabits: int = 10_000) -> None:
        """Change the link; whoever calls wakes the processor of queue 0 afterwards."""
        words = self.words
        words[WORD_LINK_STATE] = int(up)
        words[WORD_LINK_SPEED] = megabits if up else 0
        self._link_sequence = self._link_sequence + 1 & INDEX_MASK
        words[WORD_LINK_SEQUENCE] = self._link_sequence

    def remove(self) -> None:
        """Take the adapter away: from now on it reads as all ones, moves nothing and completes nothing."""
        self.present = False
        self.words[WORD_PRESENT] = 0

    def attend(self) -> int:
        """Look at the driver's control word, carry out a reset it asks for; returns which directions are enabled."""
        control = self.words[WORD_CONTROL]
        if control != self._control:
            resets = control >> CONTROL_RESETS_SHIFT
            if resets != self._control >> CONTROL_RESETS_SHIFT:
                for queue in self.queues:
                    queue.reset()
                self.words[WORD_RESET_DONE] = resets
            self._control = control
        return control & VNIC_CONTROL_ENABLES

    @property
    def attention(self) -> bool:
        """Whether the driver has written its control word since the host last looked."""
        return self.words[WORD_CONTROL] != self._control

    def asserted(self, number: int = 0, causes: int = VNIC_INTERRUPT_ALL) -> bool:
        """Whether a queue's interrupt line is asserted; asked before the expensive part of waking its processor."""
        queue = self.queues[number]
        mask = queue.mask[0] & causes
        if not self.present:
            return number == 0 and bool(mask & VNIC_INTERRUPT_REMOVED)
        if mask & VNIC_INTERRUPT_RECEIVE and queue.receive.indices[CONSUMER] != queue.receive_head:
            return True
        if mask & VNIC_INTERRUPT_TRANSMIT and queue.unheeded():
            return True
        link = mask & VNIC_INTERRUPT_LINK and number == 0
        return bool(link and self.words[WORD_LINK_ACKNOWLEDGE] != self._link_sequence)

    def sends(self, message: int) -> bool:
        """Whether the adapter sends a message; without messages its line stands for message 0."""
        if not enabled(self.words):
            return message == 0 and self.line_asserted()
        for queue in range(self.active):
            if self.asserted(queue) and self.asserted(queue, causes_of(self.words, message, queue)):
                return True
        return False

    def line_asserted(self) -> bool:
        """Whether the line is asserted, for any queue; of an adapter with one queue `asserted` says it too."""
        return any(self.asserted(queue) for queue in range(self.active))

    # -- several queues ------------------------------------------------------------------------------------------------

    def scaling_asked(self) -> Scaling | None:
        """How the driver wants frames to be spread, where it has asked for something new and written all of it."""
        if self.words[WORD_SCALING_SEQUENCE] == self.scaling.sequence:
            return None
        asked = read_scaling(self.words)
        if asked is None:
            return None
        fault = scaling_fault(asked.information, asked.key, asked.table, self.active)
        if fault:
            raise self.queues[0].fault(fault, "registers of receive scaling")
        return asked

    def scale(self, asked: Scaling) -> None:
        """Spread frames like this from now on; the caller has seen to it that nothing is under way."""
        self.scaling = asked
        self.words[WORD_SCALING_DONE] = asked.sequence
