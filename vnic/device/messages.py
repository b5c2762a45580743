"""Message-signalled interrupts of the virtual adapter: its MSI-X table, as the bus driver and both ends see it.

Law: numbers only. The adapter has one table entry for each kind of cause of each queue; the host says how many messages
the machine has for the adapter, and the bus driver alone (NDIS here) writes the table. Which message an entry sends and
whether it is masked are words of their own, so that a processor that masks meets no other writer. A number that is no
message raises nothing.

A message is sent, as a line is asserted, while a cause of its entries is pending and let through: by the queue's
register INTERRUPT_MASK, and by the mask bit of the entry. Until messages are enabled the adapter uses its line.
"""

from __future__ import annotations

from typing import Final

from vnic.device.layout import MAXIMUM_QUEUES
from vnic.device.registers import (
    VNIC_INTERRUPT_LINK,
    VNIC_INTERRUPT_RECEIVE,
    VNIC_INTERRUPT_REMOVED,
    VNIC_INTERRUPT_TRANSMIT,
    WORD_MESSAGE_MASKS,
    WORD_MESSAGE_TABLE,
    WORD_MESSAGES,
    WORD_MESSAGES_ENABLED,
    WORD_QUEUES,
)

# Entries of queue 0; those of another queue, which has no link: `VnicMessageEntry`.
VNIC_MESSAGE_ENTRY_RECEIVE: Final = 0
VNIC_MESSAGE_ENTRY_TRANSMIT: Final = 1
VNIC_MESSAGE_ENTRY_LINK: Final = 2
VNIC_MESSAGE_ENTRIES: Final = 3
"""Of an adapter with one queue."""
VNIC_MAXIMUM_MESSAGES: Final = 16

ENTRY_CAUSES: Final = (VNIC_INTERRUPT_RECEIVE, VNIC_INTERRUPT_TRANSMIT, VNIC_INTERRUPT_LINK | VNIC_INTERRUPT_REMOVED)
"""The causes of each table entry of queue 0."""
_FURTHER_CAUSES: Final = ENTRY_CAUSES[:2]


def VnicMessageEntry(queue: int, entry: int, /) -> int:
    """The number of a queue's table entry; `entry` is VNIC_MESSAGE_ENTRY_, and LINK is queue 0's alone."""
    if not 0 <= queue < MAXIMUM_QUEUES or not 0 <= entry < (len(_FURTHER_CAUSES) if queue else VNIC_MESSAGE_ENTRIES):
        raise ValueError(f"queue {queue} has no table entry {entry}")
    return VNIC_MESSAGE_ENTRIES + len(_FURTHER_CAUSES) * (queue - 1) + entry if queue else entry


def entries(words: memoryview) -> int:
    """How many table entries the adapter has."""
    queues = min(max(words[WORD_QUEUES], 1), MAXIMUM_QUEUES)
    return VNIC_MESSAGE_ENTRIES + len(_FURTHER_CAUSES) * (queues - 1)


def messages(words: memoryview) -> int:
    """How many messages the machine has for the adapter; 0: the line alone."""
    return min(words[WORD_MESSAGES], VNIC_MAXIMUM_MESSAGES)


def enabled(words: memoryview) -> bool:
    """Does the adapter send messages instead of asserting its line?"""
    return words[WORD_MESSAGES_ENABLED] != 0


def enable(words: memoryview, use: bool) -> None:
    """Send messages instead of asserting the line, or no longer."""
    words[WORD_MESSAGES_ENABLED] = int(use)


def reset_table(words: memoryview) -> None:
    """Entry n sends message n, those beyond the last message send that one, and none is masked."""
    last = max(messages(words) - 1, 0)
    for entry in range(entries(words)):
        words[WORD_MESSAGE_TABLE + entry] = min(entry, last)
        words[WORD_MESSAGE_MASKS + entry] = 0


def set_entry(words: memoryview, entry: int, message: int) -> None:
    """Let an entry send another message; it stays masked, or not, as it is."""
    words[WORD_MESSAGE_TABLE + entry] = message


def mask_entry(words: memoryview, entry: int, masked: bool) -> None:
    """Mask an entry, or let it through."""
    words[WORD_MESSAGE_MASKS + entry] = int(masked)


def causes_of(words: memoryview, message: int, queue: int) -> int:
    """The causes of a queue that send a message now, as its entries are mapped and masked."""
    causes = 0
    for entry, own in _ENTRIES[queue]:
        if words[WORD_MESSAGE_TABLE + entry] == message and not words[WORD_MESSAGE_MASKS + entry]:
            causes |= own
    return causes


_ENTRIES: Final = [
    [(VnicMessageEntry(queue, entry), own) for entry, own in enumerate(_FURTHER_CAUSES if queue else ENTRY_CAUSES)]
    for queue in range(MAXIMUM_QUEUES)
]
"""Of each queue: its table entries, and their causes."""
