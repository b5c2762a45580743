"""The registers of the virtual adapter: their names, their places and who may write them.

Law: facts are data. Every word has exactly one writer, so no register needs a lock between the driver and the hardware;
what both ends must agree on (reset, link changes) is a number that one end raises and the other end answers in a word
of its own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

# Numbers by which a driver names a register. Where the value lies is the table's business, not the driver's.
VNIC_REGISTER_STATUS: Final = 0
VNIC_REGISTER_CONTROL: Final = 1
VNIC_REGISTER_INTERRUPT_CAUSE: Final = 2
VNIC_REGISTER_INTERRUPT_MASK: Final = 3
VNIC_REGISTER_DEVICE_PRESENT: Final = 4
VNIC_REGISTER_MAC_ADDRESS_LOW: Final = 5
VNIC_REGISTER_MAC_ADDRESS_HIGH: Final = 6
VNIC_REGISTER_QUEUES: Final = 7
VNIC_REGISTER_RECEIVE_ENTRIES: Final = 8
VNIC_REGISTER_TRANSMIT_ENTRIES: Final = 9
VNIC_REGISTER_LINK_STATE: Final = 10
VNIC_REGISTER_LINK_SPEED: Final = 11
VNIC_REGISTER_LINK_SEQUENCE: Final = 12
VNIC_REGISTER_LINK_ACKNOWLEDGE: Final = 13
VNIC_REGISTER_RECEIVE_FRAMES: Final = 14
VNIC_REGISTER_RECEIVE_BYTES: Final = 15
VNIC_REGISTER_RECEIVE_NO_BUFFER: Final = 16
VNIC_REGISTER_RECEIVE_ERRORS: Final = 17
VNIC_REGISTER_RECEIVE_DISCARDS: Final = 18
VNIC_REGISTER_TRANSMIT_FRAMES: Final = 19
VNIC_REGISTER_TRANSMIT_BYTES: Final = 20
VNIC_REGISTER_TRANSMIT_ERRORS: Final = 21
VNIC_REGISTER_OFFLOADS_SUPPORTED: Final = 22
VNIC_REGISTER_OFFLOADS: Final = 23
VNIC_REGISTER_SCALING_SEQUENCE: Final = 24
VNIC_REGISTER_SCALING_DONE: Final = 25

# CONTROL. RESET reads as set until the hardware has finished; the driver leaves the rings alone until then.
VNIC_CONTROL_RECEIVE_ENABLE: Final = 0x1
VNIC_CONTROL_TRANSMIT_ENABLE: Final = 0x2
VNIC_CONTROL_RESET: Final = 0x4
VNIC_CONTROL_ENABLES: Final = VNIC_CONTROL_RECEIVE_ENABLE | VNIC_CONTROL_TRANSMIT_ENABLE

# Above the enables the control word counts the resets asked for; the host answers in WORD_RESET_DONE. So the host sees
# every change of the driver's wishes by comparing one word.
CONTROL_RESETS_SHIFT: Final = 8
CONTROL_RESETS_MASK: Final = 0xFF_FFFF

# STATUS.
VNIC_STATUS_LINK_UP: Final = 0x1
VNIC_STATUS_RESETTING: Final = 0x2

# INTERRUPT_CAUSE and INTERRUPT_MASK, one of each per queue; LINK and REMOVED belong to queue 0. A set bit in the mask
# lets the cause through: the line is asserted while `cause & mask` is not zero.
VNIC_INTERRUPT_RECEIVE: Final = 0x1
VNIC_INTERRUPT_TRANSMIT: Final = 0x2
VNIC_INTERRUPT_LINK: Final = 0x4
VNIC_INTERRUPT_REMOVED: Final = 0x8
VNIC_INTERRUPT_ALL: Final = 0xF

VNIC_ALL_ONES: Final = 0xFFFF_FFFF
"""What every register reads as once the adapter is gone, as from a PCI slot that nothing answers for."""

# Words of the register block, in 64-bit units from its start. Line 0: the host's, fixed while the adapter is present.
WORD_PRESENT: Final = 0
WORD_MAC_LOW: Final = 1
WORD_MAC_HIGH: Final = 2
WORD_QUEUES: Final = 3
WORD_RECEIVE_ENTRIES: Final = 4
WORD_TRANSMIT_ENTRIES: Final = 5
WORD_MESSAGES: Final = 6
WORD_OFFLOADS_SUPPORTED: Final = 7
# Line 1: the driver's.
WORD_CONTROL: Final = 8
WORD_LINK_ACKNOWLEDGE: Final = 9
WORD_OFFLOADS: Final = 10
# Line 2: the host's, changing.
WORD_RESET_DONE: Final = 16
WORD_LINK_STATE: Final = 17
WORD_LINK_SPEED: Final = 18
WORD_LINK_SEQUENCE: Final = 19
WORD_SCALING_DONE: Final = 20
# Lines 3 to 13: the bus driver's (see `vnic.device.messages`).
WORD_MESSAGES_ENABLED: Final = 24
WORD_MESSAGE_TABLE: Final = 32
WORD_MESSAGE_MASKS: Final = 72
# Lines 14 to 16: the driver's, how frames are spread over the queues (see `vnic.device.scaling`).
WORD_SCALING_BEGUN: Final = 112
WORD_SCALING_SEQUENCE: Final = 113
WORD_SCALING_INFORMATION: Final = 114
WORD_SCALING_KEY: Final = 115
WORD_SCALING_ENTRIES: Final = 120
WORD_SCALING_TABLE: Final = 121

# Words of a queue's statistics line, in 64-bit units.
STATISTIC_RECEIVE_FRAMES: Final = 0
STATISTIC_RECEIVE_BYTES: Final = 1
STATISTIC_RECEIVE_NO_BUFFER: Final = 2
STATISTIC_RECEIVE_ERRORS: Final = 3
STATISTIC_RECEIVE_DISCARDS: Final = 4
STATISTIC_TRANSMIT_FRAMES: Final = 5
STATISTIC_TRANSMIT_BYTES: Final = 6
STATISTIC_TRANSMIT_ERRORS: Final = 7

# How a register is read: a word of the register block, a word of every queue's statistics, or computed.
PLAIN: Final = "plain"
STATISTIC: Final = "statistic"
COMPUTED: Final = "computed"


class Register(NamedTuple):
    """One row of the register table."""

    name: str
    kind: str
    word: int
    writable: bool
    meaning: str


REGISTERS: Final[tuple[Register, ...]] = (
    Register("STATUS", COMPUTED, 0, False, "LINK_UP, RESETTING"),
    Register("CONTROL", COMPUTED, WORD_CONTROL, True, "enable receive, enable transmit, reset"),
    Register("INTERRUPT_CAUSE", COMPUTED, 0, False, "per queue, level triggered: computed from the rings at each read"),
    Register("INTERRUPT_MASK", COMPUTED, 0, True, "per queue: causes that reach the processor"),
    Register(
        "DEVICE_PRESENT", PLAIN, WORD_PRESENT, False, "1; all ones after a surprise removal, as any other register"
    ),
    Register("MAC_ADDRESS_LOW", PLAIN, WORD_MAC_LOW, False, "permanent address, bytes 0 to 3, byte 0 lowest"),
    Register("MAC_ADDRESS_HIGH", PLAIN, WORD_MAC_HIGH, False, "permanent address, bytes 4 and 5"),
    Register("QUEUES", PLAIN, WORD_QUEUES, False, "hardware queues of this adapter"),
    Register("RECEIVE_ENTRIES", PLAIN, WORD_RECEIVE_ENTRIES, False, "descriptors of a receive and a receive-free ring"),
    Register("TRANSMIT_ENTRIES", PLAIN, WORD_TRANSMIT_ENTRIES, False, "descriptors of a transmit ring"),
    Register("LINK_STATE", PLAIN, WORD_LINK_STATE, False, "1 when the wire is connected"),
    Register("LINK_SPEED", PLAIN, WORD_LINK_SPEED, False, "megabits per second"),
    Register("LINK_SEQUENCE", PLAIN, WORD_LINK_SEQUENCE, False, "raised at every link change"),
    Register(
        "LINK_ACKNOWLEDGE", PLAIN, WORD_LINK_ACKNOWLEDGE, True, "the last LINK_SEQUENCE that the driver has dealt with"
    ),
    Register("RECEIVE_FRAMES", STATISTIC, STATISTIC_RECEIVE_FRAMES, False, "frames given to the driver"),
    Register("RECEIVE_BYTES", STATISTIC, STATISTIC_RECEIVE_BYTES, False, "bytes given to the driver"),
    Register(
        "RECEIVE_NO_BUFFER", STATISTIC, STATISTIC_RECEIVE_NO_BUFFER, False, "times the hardware ran out of buffers"
    ),
    Register("RECEIVE_ERRORS", STATISTIC, STATISTIC_RECEIVE_ERRORS, False, "frames dropped: longer than their buffer"),
    Register(
        "RECEIVE_DISCARDS", STATISTIC, STATISTIC_RECEIVE_DISCARDS, False, "frames dropped: receive was not enabled"
    ),
    Register("TRANSMIT_FRAMES", STATISTIC, STATISTIC_TRANSMIT_FRAMES, False, "frames that the wire has taken"),
    Register("TRANSMIT_BYTES", STATISTIC, STATISTIC_TRANSMIT_BYTES, False, "bytes that the wire has taken"),
    Register("TRANSMIT_ERRORS", STATISTIC, STATISTIC_TRANSMIT_ERRORS, False, "frames that the wire has refused"),
    Register("OFFLOADS_SUPPORTED", PLAIN, WORD_OFFLOADS_SUPPORTED, False, "what the wire can hand over: VNIC_OFFLOAD_"),
    Register("OFFLOADS", PLAIN, WORD_OFFLOADS, True, "what of that the driver is ready to receive"),
    Register("SCALING_SEQUENCE", PLAIN, WORD_SCALING_SEQUENCE, False, "raised by each VnicSetReceiveScaling"),
    Register("SCALING_DONE", PLAIN, WORD_SCALING_DONE, False, "the SCALING_SEQUENCE that frames are spread by"),
)
"""Indexed by register number."""
