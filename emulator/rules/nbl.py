"""Who owns a NET_BUFFER_LIST, and how each call hands it on.

Law: a call demands an owner and names the next one; whoever is neither may not touch the list, its buffers or its
links. The parties are seen from the caller: itself, the layer below, the layer above, the pool.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from emulator.rules.bugcheck_entries import (
    BUGCODE_NDIS_DRIVER,
    DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL,
    DRIVER_VERIFIER_DETECTED_VIOLATION,
)
from emulator.rules.bugcheck_ndis import NdisBugCheck

SEND, SEND_COMPLETE, INDICATE, RETURN, FREE = 1, 2, 3, 4, 5
"""Operations: those that hand a list on are in the journal of hand-offs."""
IN_JOURNAL: Final = {SEND: "sent", SEND_COMPLETE: "completed", INDICATE: "indicated", RETURN: "returned"}


class Party(IntEnum):
    """Who can own a list, seen from the driver that makes the call."""

    POOL = 0
    CALLER = 1
    BELOW = 2
    ABOVE = 3
    LENT_ABOVE = 4
    """Indicated with NDIS_RECEIVE_FLAGS_RESOURCES: the layer above may read until the call returns, and no more."""
    LENT_TO_CALLER = 5
    """The same list seen from the layer above: it may be read here, and neither kept nor returned."""


class Direction(IntEnum):
    """Whether a list is on its way as a send or as a receive."""

    NONE = 0
    SEND = 1
    RECEIVE = 2


class FlagRule(NamedTuple):
    """The flags word of a call: which bits exist, and the bit that claims DISPATCH_LEVEL."""

    parameter: str
    known: int
    dispatch_level: int
    source: str


_SEND_FLAGS: Final = FlagRule("SendFlags", 0x37, 0x01, "nblsend.h")
_SEND_COMPLETE_FLAGS: Final = FlagRule("SendCompleteFlags", 0x07, 0x01, "nblsend.h")
_RECEIVE_FLAGS: Final = FlagRule("ReceiveFlags", 0xFF03, 0x01, "nblreceive.h")
_RETURN_FLAGS: Final = FlagRule("ReturnFlags", 0x07, 0x01, "nblreceive.h")


class Handover(NamedTuple):
    """One row: the call, the owner that it demands, and the owner afterwards."""

    operation: str
    callers: str
    direction: Direction
    required: Party
    next: Party
    flags: FlagRule | None
    note: str
    source: str


HANDOVERS: Final[tuple[Handover, ...]] = (
    Handover(
        "NdisAllocateNetBufferList",
        "all",
        Direction.NONE,
        Party.POOL,
        Party.CALLER,
        None,
        "",
        "nf-nblapi-ndisallocatenetbufferlist",
    ),
    Handover(
        "NdisAllocateNetBufferAndNetBufferList",
        "all",
        Direction.NONE,
        Party.POOL,
        Party.CALLER,
        None,
        "the pool must have fAllocateNetBuffer TRUE and DataSize 0",
        "nf-nblapi-ndisallocatenetbufferandnetbufferlist",
    ),
    Handover(
        "NdisFreeNetBufferList",
        "all",
        Direction.NONE,
        Party.CALLER,
        Party.POOL,
        None,
        "only by the driver that allocated it, with no clone alive (ChildRefCount 0)",
        "nf-nblapi-ndisfreenetbufferlist",
    ),
    Handover(
        "NdisSendNetBufferLists",
        "protocol",
        Direction.SEND,
        Party.CALLER,
        Party.BELOW,
        _SEND_FLAGS,
        "SourceHandle is the binding handle; may be completed before the call returns",
        "nf-ndis-ndissendnetbufferlists",
    ),
    Handover(
        "NdisFSendNetBufferLists",
        "filter",
        Direction.SEND,
        Party.CALLER,
        Party.BELOW,
        _SEND_FLAGS,
        "a filter sets SourceHandle only on lists that it originates",
        "nf-ndis-ndisfsendnetbufferlists",
    ),
    Handover(
        "NdisMSendNetBufferListsComplete",
        "miniport",
        Direction.SEND,
        Party.CALLER,
        Party.ABOVE,
        _SEND_COMPLETE_FLAGS,
        "each list once, in any order and grouping; its NET_BUFFER and MDL chains as they came; Status set before",
        "nc-ndis-miniport_send_net_buffer_lists",
    ),
    Handover(
        "NdisFSendNetBufferListsComplete",
        "filter",
        Direction.SEND,
        Party.CALLER,
        Party.ABOVE,
        _SEND_COMPLETE_FLAGS,
        "what came down goes up restored; a filter frees its own lists instead",
        "nc-ndis-filter_send_net_buffer_lists_complete",
    ),
    Handover(
        "NdisMIndicateReceiveNetBufferLists",
        "miniport",
        Direction.RECEIVE,
        Party.CALLER,
        Party.ABOVE,
        _RECEIVE_FLAGS,
        "SourceHandle is the adapter handle; one NET_BUFFER a list on Ethernet; with RESOURCES lent until it returns",
        "nf-ndis-ndismindicatereceivenetbufferlists",
    ),
    Handover(
        "NdisFIndicateReceiveNetBufferLists",
        "filter",
        Direction.RECEIVE,
        Party.CALLER,
        Party.ABOVE,
        _RECEIVE_FLAGS,
        "what was lent may be lent on and is back when the call returns",
        "network/receiving-data-in-a-filter-driver.md",
    ),
    Handover(
        "NdisReturnNetBufferLists",
        "protocol",
        Direction.RECEIVE,
        Party.CALLER,
        Party.BELOW,
        _RETURN_FLAGS,
        "never for lists that came with RESOURCES",
        "nf-ndis-ndisreturnnetbufferlists",
    ),
    Handover(
        "NdisFReturnNetBufferLists",
        "filter",
        Direction.RECEIVE,
        Party.CALLER,
        Party.BELOW,
        _RETURN_FLAGS,
        "never for lists that came with RESOURCES",
        "nf-ndis-ndisfreturnnetbufferlists",
    ),
)

BY_OPERATION: Final[dict[str, Handover]] = {row.operation: row for row in HANDOVERS}

# Statuses with which a send may be completed (NDIS_STATUS_ names without the prefix).
SEND_COMPLETE_STATUSES: Final[tuple[str, ...]] = (
    "SUCCESS",
    "INVALID_LENGTH",
    "RESOURCES",
    "FAILURE",
    "SEND_ABORTED",
    "RESET_IN_PROGRESS",
    "PAUSED",
    "LOW_POWER_STATE",
)


class OwnershipOffence(NamedTuple):
    """A mistake with a list: the stop, and who sees what in its parameters."""

    name: str
    code: int
    subcode: int
    text: str
    parameters: str
    choice: str = ""


_SILENT: Final = "ours: Windows corrupts a list and says nothing at the time"

NOT_OWNER: Final = OwnershipOffence(
    "hand-over by a driver that does not own the list",
    BUGCODE_NDIS_DRIVER,
    NdisBugCheck.REFCOUNT_IMBALANCE,
    "completed, returned, sent or freed while somebody else owns it, for example a second time",
    "0, NET_BUFFER_LIST, pool tag",
    f"{_SILENT}; this subcode is NDIS's own for more dereferences than references",
)
INDICATED_WHILE_IN_USE: Final = OwnershipOffence(
    "indication of a list that is in use",
    BUGCODE_NDIS_DRIVER,
    NdisBugCheck.ETH_RECVD_PACKET_IN_USE_REF_COUNT,
    "indicated again before it was returned",
    "adapter, NET_BUFFER_LIST, chain",
    "ours for NDIS 6: the page describes the subcode for packets of NDIS 5",
)
RESOURCES_RETURNED: Final = OwnershipOffence(
    "return of a list that was lent",
    BUGCODE_NDIS_DRIVER,
    NdisBugCheck.REFCOUNT_IMBALANCE,
    "came with NDIS_RECEIVE_FLAGS_RESOURCES and was returned all the same",
    "0, NET_BUFFER_LIST, pool tag",
    _SILENT,
)
PARENT_HANDED_ON: Final = OwnershipOffence(
    "hand-over of a list that others derive from",
    BUGCODE_NDIS_DRIVER,
    NdisBugCheck.REFCOUNT_IMBALANCE,
    "sent, completed, indicated, returned or freed while a clone, fragment or reassembled list of it is not freed",
    "0, NET_BUFFER_LIST, pool tag",
    "ours: relationships-between-net-buffer-list-generations.md forbids it, and says that NDIS does not enforce it",
)
WRONG_FREE: Final = OwnershipOffence(
    "derived list freed in another way than it was made",
    BUGCODE_NDIS_DRIVER,
    NdisBugCheck.REFCOUNT_IMBALANCE,
    "freed by another function than its partner, or with other flags or another delta",
    "0, NET_BUFFER_LIST, pool tag",
    _SILENT,
)
TOUCHED: Final = OwnershipOffence(
    "touch by a driver that does not own the list",
    DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL,
    0,
    "read or written after it was handed over",
    "NET_BUFFER_LIST, 0 read or 1 write, call site, reserved",
    "ours: as if what a driver has given away were special pool that it had freed",
)
LEAKED: Final = OwnershipOffence(
    "list leaked",
    BUGCODE_NDIS_DRIVER,
    NdisBugCheck.LEAKED_NBL,
    "a driver deregisters, unbinds or halts while it holds lists",
    "where found, 0, 0",
)
DISPATCH_FLAG: Final = OwnershipOffence(
    "DISPATCH_LEVEL flag below DISPATCH_LEVEL",
    DRIVER_VERIFIER_DETECTED_VIOLATION,
    0xE5,
    "the flag says that the IRQL is DISPATCH_LEVEL, and it is not",
    "IRQL, flags, 0",
    "ours: network/dispatch-irql-tracking.md forbids it and names no stop",
)

OFFENCES: Final[tuple[OwnershipOffence, ...]] = (
    NOT_OWNER,
    INDICATED_WHILE_IN_USE,
    RESOURCES_RETURNED,
    PARENT_HANDED_ON,
    WRONG_FREE,
    TOUCHED,
    LEAKED,
    DISPATCH_FLAG,
)


def handover(operation: str) -> Handover | None:
    """Return the row of a call, or None where the call hands nothing on."""
    return BY_OPERATION.get(operation)
