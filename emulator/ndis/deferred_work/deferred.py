"""What an entry of the DPC queue may be: the kinds that NDIS queues.

Law: numbers that lie in the arena; the executive dispatches on them.
"""

from __future__ import annotations

from enum import IntEnum


class DeferredKind(IntEnum):
    """Kinds of deferred call."""

    INTERRUPT_DPC = 1
    NESTED_CALL = 2
    KERNEL_DPC = 3
    HELD_SEND = 4
    POLL = 5
