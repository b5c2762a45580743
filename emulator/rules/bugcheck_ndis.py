"""The bug checks with long lists of their own: NDIS (0x7C, 0x15E), the pool (0xC2) and Driver Verifier (0xC4).

Law: data only, every subcode as the dossier and the debugger pages have it; subcodes that Microsoft does not
publish are not invented.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from emulator.rules.bugcheck_entries import (
    BAD_POOL_CALLER,
    BUGCODE_NDIS_DRIVER,
    BUGCODE_NDIS_DRIVER_LIVE_DUMP,
    DRIVER_VERIFIER_DETECTED_VIOLATION,
    BugCheckEntry,
    Subcode,
)


class NdisBugCheck(IntEnum):
    """First parameter of BUGCODE_NDIS_DRIVER (Microsoft's NDIS_BUGCHECK_ names); 0x18 to 0x1A are not published."""

    ALLOCATE_SHARED_MEM_HIGH_IRQL = 0x01
    SHARED_MEM_CORRUPTION = 0x02
    FREE_INVALID_SHARED_MEM = 0x03
    UNLOAD_DRIVER_INVALID_PARAMETER = 0x04
    ETH_RECVD_PACKET_IN_USE_STACK_LOCATION = 0x05
    ETH_RECVD_PACKET_IN_USE_REF_COUNT = 0x06
    FDDI_RECVD_PACKET_IN_USE = 0x07
    HALT_WITHOUT_INTERRUPT_DEREGISTER = 0x08
    HALT_WITHOUT_CANCEL_TIMER = 0x09
    DRIVER_UNLOAD_UNEXPECTED = 0x0A
    INIT_FAILED_WITHOUT_INTERRUPT_DEREGISTER = 0x0B
    INIT_FAILED_WITHOUT_CANCEL_TIMER = 0x0C
    HALT_INIT_WITHOUT_INTERRUPT_DEREGISTER = 0x0D
    HALT_INIT_WITHOUT_CANCEL_TIMER = 0x0E
    RESET_COMPLETE_UNEXPECTED = 0x0F
    PM_INIT_FAILED_NO_INT_DEREGISTER = 0x10
    PM_INIT_FAILED_NO_CANCEL_TIMER = 0x11
    NFILTER_RECVD_PACKET_BAD_REF_COUNT = 0x12
    TFILTER_RECVD_PACKET_BAD_REF_COUNT = 0x13
    WAIT_EVENT_HIGH_IRQL = 0x14
    INVALID_NDIS5_CALL = 0x15
    INVALID_OPEN_IN_BIND_CONTEXT = 0x16
    IFPROVIDER_DEREGISTER_UNEXPECTED = 0x17
    IF_STACK_TABLE_LOOP = 0x1B
    MINIPORT_FAILED_OID_WHICH_MUST_SUCCEED = 0x1C
    OID_REQUEST_INVALID_BUFFER = 0x1D
    REFCOUNT_IMBALANCE = 0x1E
    ILLEGAL_MINIPORT_STATE_TRANSITION = 0x1F
    STATUS_INDICATION_INVALID_BUFFER = 0x20
    INVALID_OBJECT_HEADER = 0x21
    ILLEGAL_NET_PNP_EVENT = 0x22
    PD_ERROR = 0x23
    UNEXPECTED_FAILURE = 0x24
    WATCHDOG = 0x25
    INVALID_OID_COMPLETION = 0x26
    LEAKED_NBL = 0x27


WATCHDOG_KINDS: Final[dict[int, str]] = {
    0x01: "protocol pause",
    0x02: "protocol NetPnP event",
    0x03: "protocol status indication",
    0x04: "protocol unbind",
    0x11: "filter pause",
    0x12: "filter NetPnP event",
    0x13: "filter status indication",
    0x14: "filter detach",
    0x21: "miniport pause",
    0x22: "miniport halt",
    0x23: "miniport OID request",
    0x24: "filter OID request",
    0x25: "miniport idle notification",
    0x26: "miniport cancel idle notification",
}

_A = "adapter"


def _ndis(code: NdisBugCheck, meaning: str, p2: str = "", p3: str = "0", p4: str = "0") -> Subcode:
    return Subcode(code, code.name, meaning, p2, p3, p4)


_N = NdisBugCheck
_NDIS_SUBCODES: Final[tuple[Subcode, ...]] = (
    _ndis(_N.ALLOCATE_SHARED_MEM_HIGH_IRQL, "NdisMAllocateSharedMemory above PASSIVE_LEVEL", _A, "length", "IRQL"),
    _ndis(_N.SHARED_MEM_CORRUPTION, "an earlier shared memory page is damaged", _A, "page", "tracking structure"),
    _ndis(_N.FREE_INVALID_SHARED_MEM, "shared memory was freed twice", _A, "page", "virtual address"),
    _ndis(_N.UNLOAD_DRIVER_INVALID_PARAMETER, "AddDevice for an unregistered driver", "driver block", "DRIVER_OBJECT"),
    _ndis(
        _N.ETH_RECVD_PACKET_IN_USE_STACK_LOCATION,
        "a packet was indicated while the stack uses it (Ethernet, stack location)",
        _A,
        "packet",
        "packet array",
    ),
    _ndis(
        _N.ETH_RECVD_PACKET_IN_USE_REF_COUNT,
        "a packet was indicated while the stack uses it (Ethernet, reference count)",
        _A,
        "packet",
        "packet array",
    ),
    _ndis(
        _N.FDDI_RECVD_PACKET_IN_USE,
        "a packet was indicated while the stack uses it (FDDI)",
        _A,
        "packet",
        "packet array",
    ),
    _ndis(_N.HALT_WITHOUT_INTERRUPT_DEREGISTER, "an interrupt was left at halt", _A, "interrupt"),
    _ndis(_N.HALT_WITHOUT_CANCEL_TIMER, "timers were left at halt", _A, "timer queue"),
    _ndis(
        _N.DRIVER_UNLOAD_UNEXPECTED, "a driver unloads too early", "driver block", "DRIVER_OBJECT", "reference count"
    ),
    _ndis(_N.INIT_FAILED_WITHOUT_INTERRUPT_DEREGISTER, "initialise failed and left an interrupt", _A, "interrupt"),
    _ndis(_N.INIT_FAILED_WITHOUT_CANCEL_TIMER, "initialise failed and left timers", _A, "timer queue"),
    _ndis(_N.HALT_INIT_WITHOUT_INTERRUPT_DEREGISTER, "halt out of initialise left an interrupt", _A, "interrupt"),
    _ndis(_N.HALT_INIT_WITHOUT_CANCEL_TIMER, "halt out of initialise left timers", _A, "timer queue"),
    _ndis(
        _N.RESET_COMPLETE_UNEXPECTED,
        "NdisMResetComplete without a pending reset",
        _A,
        "reset status",
        "AddressingReset",
    ),
    _ndis(_N.PM_INIT_FAILED_NO_INT_DEREGISTER, "failed initialise after resume left an interrupt", _A, "interrupt"),
    _ndis(_N.PM_INIT_FAILED_NO_CANCEL_TIMER, "failed initialise after resume left timers", _A, "timer queue"),
    _ndis(_N.NFILTER_RECVD_PACKET_BAD_REF_COUNT, "packet filter: bad reference count", _A, "packet", "packet array"),
    _ndis(_N.TFILTER_RECVD_PACKET_BAD_REF_COUNT, "Token Ring: bad reference count", _A, "packet", "packet array"),
    _ndis(_N.WAIT_EVENT_HIGH_IRQL, "NdisWaitEvent at a bad IRQL", "IRQL"),
    _ndis(_N.INVALID_NDIS5_CALL, "an NDIS 6 driver called an NDIS 5 function", _A),
    _ndis(
        _N.INVALID_OPEN_IN_BIND_CONTEXT,
        "a protocol opened an adapter wrongly during bind",
        "protocol",
        "bind context",
        "open handle",
    ),
    _ndis(_N.IFPROVIDER_DEREGISTER_UNEXPECTED, "interfaces were left at provider deregistration", "provider"),
    _ndis(_N.IF_STACK_TABLE_LOOP, "a new ifStack entry would make a cycle", "higher index", "lower index"),
    _ndis(_N.MINIPORT_FAILED_OID_WHICH_MUST_SUCCEED, "an OID that must succeed was failed", _A, "OID", "status"),
    _ndis(
        _N.OID_REQUEST_INVALID_BUFFER,
        "an OID was completed with BytesWritten beyond its buffer",
        "adapter or filter",
        "NDIS_OID_REQUEST",
    ),
    _ndis(
        _N.REFCOUNT_IMBALANCE, "more dereferences than references, or a wrong tag", "0", "reference count block", "tag"
    ),
    _ndis(
        _N.ILLEGAL_MINIPORT_STATE_TRANSITION,
        "pause or restart was completed while none was pending",
        "which transition",
        _A,
    ),
    _ndis(
        _N.STATUS_INDICATION_INVALID_BUFFER,
        "bad NDIS_STATUS_INDICATION",
        "status code",
        "originator handle",
        "payload",
    ),
    _ndis(_N.INVALID_OBJECT_HEADER, "bad NDIS_OBJECT_HEADER", "driver handle", "object"),
    _ndis(_N.ILLEGAL_NET_PNP_EVENT, "bad NET_PNP_EVENT_NOTIFICATION", "driver handle", "event"),
    _ndis(_N.PD_ERROR, "PacketDirect was used wrongly", "kind", "object", "object"),
    _ndis(_N.UNEXPECTED_FAILURE, "NDIS itself failed (1: a wait failed)", "what", "status"),
    _ndis(
        _N.WATCHDOG,
        "a call into a driver takes too long",
        "kind: " + ", ".join(f"0x{kind:02X} {what}" for kind, what in WATCHDOG_KINDS.items()),
        "triage block",
        "event code, status code or OID, else 0",
    ),
    _ndis(
        _N.INVALID_OID_COMPLETION,
        "an OID was completed that is not pending",
        "miniport driver handle",
        "NDIS_OID_REQUEST",
    ),
    _ndis(
        _N.LEAKED_NBL,
        "a NET_BUFFER_LIST leaked",
        "where found (1: by the tracker at deregister or unbind)",
        "0 (here: how many)",
        "0 (here: the pool's tag)",
    ),
)

_LIVE_DUMP_SUBCODES: Final[tuple[Subcode, ...]] = (
    Subcode(
        0x01,
        "MINIPORT_FATAL_ERROR",
        "a miniport failed for good",
        _A,
        "physical device object",
        "reason: 70 user mode, 71 NdisMRemoveMiniport, 72 NdisIMInitializeDeviceInstanceEx failed, "
        "73 MiniportRestart failed, 74 OID_PNP_SET_POWER D0 failed, 75 OID_PNP_SET_POWER Dx failed",
    ),
    Subcode(0x25, "WATCHDOG", "a call into a driver takes too long", "kind", "triage block", "code or OID, else 0"),
    Subcode(0x30, "STUCK_NBL", "a miniport has kept a NET_BUFFER_LIST for too long", "miniport block", "0", "0"),
)

_POOL_SUBCODES: Final[tuple[Subcode, ...]] = (
    Subcode(0x00, "", "an allocation of zero bytes", "0", "pool type", "tag"),
    Subcode(0x01, "", "pool header corrupted", "header", "contents", "0", last=0x02),
    Subcode(0x04, "", "pool header corrupted", "header", "contents", "0"),
    Subcode(0x06, "", "block already free", "reserved", "header", "contents or block", last=0x07),
    Subcode(0x08, "", "allocation at a bad IRQL", "IRQL", "pool type", "size"),
    Subcode(0x09, "", "free at a bad IRQL", "IRQL", "pool type", "address"),
    Subcode(0x0A, "", "freed with the wrong tag", "address", "allocator's tag", "tag used"),
    Subcode(0x40, "", "kernel free of a user address", "address", "start of system space", "0"),
    Subcode(0x41, "", "freed an address that is no pool block", "address", last=0x50),
    Subcode(0x60, "", "freed an address that is no pool block", "address"),
    Subcode(0x99, "", "freed an address that is no pool block", "address"),
    Subcode(0x9B, "", "allocation with tag 0", "pool type", "size", "caller"),
    Subcode(0x9C, "", 'allocation with tag "BIG"', "pool type", "size", "caller"),
    Subcode(0x9D, "", "allocation with a tag without letters or digits", "tag", "pool type", "caller"),
)

_RULE_STATE = ("text that describes the violation", "rule state", "supplemental state")


BY_KIND: Final = "depends on the kind"
"""A parameter of which the table does not know the meaning."""


def _rule(value: int, name: str, meaning: str) -> Subcode:
    return Subcode(value, name, meaning, *_RULE_STATE)


_VERIFIER_SUBCODES: Final[tuple[Subcode, ...]] = (
    Subcode(0x00, "", "an allocation of zero bytes"),
    Subcode(0x01, "", "paged allocation above APC_LEVEL"),
    Subcode(0x02, "", "nonpaged allocation above DISPATCH_LEVEL"),
    Subcode(0x10, "", "freed what was not allocated", last=0x16),
    Subcode(0x11, "", "paged free above APC_LEVEL"),
    Subcode(0x12, "", "nonpaged free above DISPATCH_LEVEL"),
    Subcode(0x13, "", "block freed twice", last=0x14),
    Subcode(0x15, "", "freed a block with an active timer"),
    Subcode(0x16, "", "free with bad parameters"),
    Subcode(0x30, "", "bad argument to KeRaiseIrql", "IRQL", "IRQL asked for"),
    Subcode(0x31, "", "bad argument to KeLowerIrql", "IRQL", "IRQL asked for"),
    Subcode(0x32, "", "spin lock released at another IRQL than DISPATCH_LEVEL (for example twice)", "lock", "IRQL"),
    Subcode(0x3B, "", "wait at DISPATCH_LEVEL or above"),
    Subcode(0x40, "", "acquire for DISPATCH_LEVEL callers, below DISPATCH_LEVEL", "IRQL"),
    Subcode(0x41, "", "release for DISPATCH_LEVEL callers, below DISPATCH_LEVEL", "IRQL"),
    Subcode(0x42, "", "spin lock acquired above DISPATCH_LEVEL"),
    Subcode(0x51, "", "a write past the end of an allocation, found when it was freed", last=0x59),
    Subcode(0x60, "", "unload with pool not freed", "paged bytes", "nonpaged bytes", "count"),
    Subcode(0x62, "", "unload with pool not freed", "driver (here: whose it is)", "bytes", "count"),
    Subcode(0x80, "", "KeSetEvent above DISPATCH_LEVEL"),
    Subcode(
        0xE5,
        "",
        "kernel call at the wrong IRQL, or (ours) where or with what it may not be made",
        "IRQL, or the value that is wrong",
        "function or handle",
    ),
    Subcode(0x110, "", "an interrupt service routine changed the extended context"),
    Subcode(0x111, "", "an interrupt service routine changed the IRQL"),
    Subcode(0x120, "", "wait above DISPATCH_LEVEL"),
    Subcode(0x121, "", "wait at DISPATCH_LEVEL with no time-out"),
    Subcode(0x122, "", "wait at DISPATCH_LEVEL with a time-out that is not zero"),
    Subcode(0x130, "", "work item in session space", "work item"),
    Subcode(0x131, "", "work item in pageable memory", "work item"),
    Subcode(0x1000, "", "deadlock detection: a lock is acquired by its own holder", "lock"),
    Subcode(0x1000, "", "deadlock detection", "lock", last=0x1009),
    Subcode(0x1001, "", "deadlock detection: lock order violated"),
    Subcode(0x1003, "", "deadlock detection: locks released out of order"),
    Subcode(0x1004, "", "deadlock detection: released by the wrong thread"),
    Subcode(0x1005, "", "deadlock detection: lock initialised twice"),
    Subcode(0x1007, "", "deadlock detection: released without an acquire", "lock"),
    Subcode(0x1008, "", "deadlock detection: acquired with the wrong function", "lock"),
    Subcode(0x1009, "", "deadlock detection: released with the wrong function", "lock"),
    Subcode(0x100A, "", "deadlock detection: a thread ended with a lock", "lock", "routine"),
    Subcode(0x100B, "", "deadlock detection: a lock was deleted while held", "lock"),
    _rule(0x91001, "NdisOidComplete", "an OID was completed with a status that is not allowed for it"),
    _rule(0x91002, "NdisOidDoubleComplete", "NdisMOidRequestComplete was called twice for an OID"),
    _rule(0x9100E, "NdisOidDoubleRequest", "another OID than the pending one was completed"),
    _rule(0x92003, "NdisTimedOidComplete", "an OID took longer than 12 s"),
    _rule(0x9200D, "NdisTimedDataSend", "a send took longer than 30 s"),
    _rule(0x9200F, "NdisTimedDataHang", "no send was completed for 22 s while sends were pending"),
    _rule(0x92010, "NdisFilterTimedPauseComplete", "a filter's pause took longer than 10 s, failed or completed twice"),
    _rule(0x92011, "NdisFilterTimedDataSend", "a filter kept a send for too long"),
    _rule(0x92012, "NdisFilterTimedDataReceive", "a filter kept a receive for too long"),
    _rule(0x93004, "WlanAssociation", "802.11 association sequence"),
    _rule(0x93005, "WlanConnectionRoaming", "802.11 connection and roaming sequence"),
    _rule(0x93006, "WlanDisassociation", "802.11 disassociation sequence"),
    _rule(0x93101, "WlanAssert", "an assertion inside the WDI driver"),
    _rule(0x94007, "WlanTimedAssociation", "802.11 association took longer than 10 s"),
    _rule(0x94008, "WlanTimedConnectionRoaming", "802.11 roaming took longer than 10 s"),
    _rule(0x94009, "WlanTimedConnectRequest", "802.11 connect request took longer than 10 s"),
    _rule(0x9400B, "WlanTimedLinkQuality", "802.11 link quality took longer than 15 s"),
    _rule(0x9400C, "WlanTimedScan", "802.11 scan took longer than 15 s"),
)

NDIS_AND_VERIFIER: Final[tuple[BugCheckEntry, ...]] = (
    BugCheckEntry(
        BUGCODE_NDIS_DRIVER,
        "BUGCODE_NDIS_DRIVER",
        "NDIS found that a driver broke its rules",
        "debugger/bug-check-0x7c--bugcode-ndis-driver",
        "kind",
        subcodes=_NDIS_SUBCODES,
    ),
    BugCheckEntry(
        BUGCODE_NDIS_DRIVER_LIVE_DUMP,
        "BUGCODE_NDIS_DRIVER_LIVE_DUMP",
        "NDIS took a dump and the system goes on",
        "debugger/bug-check-0x15e-bugcode-ndis-driver-live-dump",
        "kind",
        subcodes=_LIVE_DUMP_SUBCODES,
    ),
    BugCheckEntry(
        BAD_POOL_CALLER,
        "BAD_POOL_CALLER",
        "a thread makes a bad pool request",
        "debugger/bug-check-0xc2",
        "kind",
        subcodes=_POOL_SUBCODES,
    ),
    BugCheckEntry(
        DRIVER_VERIFIER_DETECTED_VIOLATION,
        "DRIVER_VERIFIER_DETECTED_VIOLATION",
        "Driver Verifier found that a driver broke a rule",
        "debugger/bug-check-0xc4",
        "kind or rule id",
        BY_KIND,
        BY_KIND,
        BY_KIND,
        subcodes=_VERIFIER_SUBCODES,
    ),
)
