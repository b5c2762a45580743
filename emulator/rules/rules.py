"""The rules that Microsoft has named: Static Driver Verifier (DDI compliance) and the NDIS/WIFI verification.

Law: Microsoft's names, numbers and limits; each rule says whether a run of this emulator enforces it, and where, or
why not. A static rule has no number; a stop for it carries the rule's name beside the code that the entry names.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class Group(StrEnum):
    """Microsoft's groups of rules."""

    DDI_USAGE = "DDI usage"
    LOCKING = "locking"
    MEMORY = "memory and objects"
    MISCELLANEOUS = "miscellaneous"
    OID = "OID processing"
    IRQL = "IRQL"
    VERIFIER = "NDIS/WIFI verification"


class Enforced(StrEnum):
    """Whether a run shows a violation."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"


class Rule(NamedTuple):
    """One named rule; `identity` is the first parameter of 0xC4, `limit` is in seconds."""

    name: str
    group: Group
    checks: str
    enforced: Enforced
    where: str
    source: str
    identity: int | None = None
    limit: float | None = None


_GATE: Final = "the gate of each function that the rule names and that is there, in the checked build"
_CONNECTION: Final = "CoNDIS is left out on purpose"
_WIRELESS: Final = "802.11 is left out on purpose"


def _sdv(
    name: str, group: Group, checks: str, enforced: Enforced, where: str, *, page: str = "", limit: float | None = None
) -> Rule:
    source = page or f"devtest/ndis-{name.lower().replace('_', '-')}.md"
    return Rule(name, group, checks, enforced, where, source, None, limit)


def _gate(name: str, checks: str) -> Rule:
    return _sdv(name, Group.IRQL, checks, Enforced.YES, _GATE)


def _verifier(name: str, identity: int, checks: str, where: str, *, limit: float | None = None, page: str = "") -> Rule:
    source = page or f"devtest/ndis-{name.lower()}.md"
    return Rule(name, Group.VERIFIER, checks, Enforced.NO, where, source, identity, limit)


_YES, _PARTLY, _NO = Enforced.YES, Enforced.PARTLY, Enforced.NO

RULES: Final[tuple[Rule, ...]] = (
    # DDI usage.
    _sdv(
        "Init_RegisterInterrupt",
        Group.DDI_USAGE,
        "what MiniportInitializeEx registers, MiniportHaltEx (or a failing initialise) deregisters",
        _YES,
        "0x7C subcode 0x08 when the adapter is halted, 0x0B when its initialise fails",
    ),
    _sdv(
        "Init_DeRegisterInterrupt",
        Group.DDI_USAGE,
        "the same pair, seen from the deregistration",
        _YES,
        "with Init_RegisterInterrupt",
    ),
    _sdv(
        "Init_RegisterSG",
        Group.DDI_USAGE,
        "NdisMRegisterScatterGatherDma is undone in halt or in a failing initialise",
        _YES,
        "0xC4/0x62 when the adapter is halted or its initialise fails, and for a channel whose lists are not freed",
    ),
    _sdv(
        "Init_NdisAllocateIoWorkItem",
        Group.DDI_USAGE,
        "a work item of initialise is freed in halt, or in initialise when that fails",
        _YES,
        "0xC4/0x62 when the adapter is halted, its initialise fails or the driver unloads",
    ),
    _sdv(
        "NdisFDeregisterFilterDriver",
        Group.DDI_USAGE,
        "a filter's unload routine calls it",
        _YES,
        "0x7C subcode 0x0A when the driver has unloaded and is still registered",
    ),
    _sdv(
        "NdisMDeregisterInterruptEx",
        Group.DDI_USAGE,
        "no NdisMSynchronizeWithInterruptEx after it returned",
        _YES,
        "0x7C subcode 0x21: the handle is gone",
    ),
    # Locking.
    _sdv(
        "SpinLock",
        Group.LOCKING,
        "acquired only when free, released before the handler returns",
        _YES,
        "0xC4/0x1000 at the acquire, 0xC4/0x100A when a callback returns",
    ),
    _sdv(
        "SpinLockBalanced",
        Group.LOCKING,
        "as many releases as acquires, lock by lock",
        _YES,
        "0xC4/0x1007 at the release, 0xC4/0x100A when a callback returns",
    ),
    _sdv(
        "SpinLockDpr",
        Group.LOCKING,
        "NdisDprAcquireSpinLock only when free; released before the handler returns",
        _YES,
        "as SpinLock; below DISPATCH_LEVEL 0xC4/0x40 at the acquire, 0xC4/0x41 at the release",
    ),
    _sdv(
        "SpinLockDprRelease",
        Group.LOCKING,
        "either acquire only when free; released before the handler returns",
        _YES,
        "as SpinLock",
    ),
    _sdv(
        "SpinLockRelease",
        Group.LOCKING,
        "no release without an acquire",
        _YES,
        "0xC4/0x1007, and 0xC4/0x32 off its level",
    ),
    # Memory and objects.
    _sdv(
        "NdisAllocateGenericObject",
        Group.MEMORY,
        "allocate and free alternate; none is left when halt ends",
        _YES,
        "0x7C/0x21 when one is freed twice, 0xC4/0x62 when one is left at unload; it belongs to no adapter",
    ),
    _sdv(
        "NdisAllocateMdl",
        Group.MEMORY,
        "allocate and free alternate; none is left when halt ends",
        _YES,
        "0xC2/0x07 for a second free; 0xC4/0x62 at halt for MDLs of the adapter's handle, at unload for the others",
    ),
    _sdv(
        "NdisAllocateNetBuffer",
        Group.MEMORY,
        "allocate and free alternate; none is left when halt ends",
        _YES,
        "0x7C subcode 0x1E for a second free, 0x27 when its pool is freed and one is left; a pool left is 0xC4/0x62",
    ),
    _sdv("NdisAllocateMemoryWithTagPriority", Group.MEMORY, "a tag is given", _YES, "0xC2/0x9B and 0xC2/0x9D"),
    _sdv(
        "NdisMFreeSharedMemory",
        Group.MEMORY,
        "not from MiniportShutdownEx",
        _YES,
        "0xC4/0xE5 in MiniportShutdownEx",
    ),
    _sdv(
        "NdisMIndicateStatusEx",
        Group.MEMORY,
        "not after MiniportHaltEx returned",
        _YES,
        "0x7C subcode 0x21: the adapter handle is gone",
    ),
    _sdv(
        "NdisMMapIoSpace",
        Group.MEMORY,
        "only in MiniportInitializeEx",
        _YES,
        "0xC4/0xE5 elsewhere; in the free build it fails",
    ),
    _sdv(
        "NdisMRegisterIoPortRange",
        Group.MEMORY,
        "only in MiniportInitializeEx or MiniportAddDevice, after NdisMSetMiniportAttributes",
        _NO,
        "the function is not there yet",
    ),
    # Miscellaneous.
    _sdv(
        "CancelTimerObject",
        Group.MISCELLANEOUS,
        "set and cancel alternate; no timer is set when halt ends",
        _PARTLY,
        "0xC7 for the free of a set timer, 0x7C subcode 0x09 at halt; its page lets a set timer be set again",
    ),
    _sdv(
        "PeriodicTimer",
        Group.MISCELLANEOUS,
        "a timer with a period is cancelled only at PASSIVE_LEVEL",
        _YES,
        "0xC4/0xE5",
    ),
    _sdv(
        "MiniportPause_Return",
        Group.MISCELLANEOUS,
        "MiniportPause returns SUCCESS or PENDING",
        _YES,
        "0xC4/0xE5 when it returns",
    ),
    _sdv(
        "NdisOpenConfigurationEx",
        Group.MISCELLANEOUS,
        "open and close alternate; none is open when halt ends",
        _YES,
        "0x7C subcode 0x21 for a closed handle, 0xC4/0x62 for one left open at halt, failed initialise or unload",
    ),
    _sdv(
        "NdisQueryBindInstanceName",
        Group.MISCELLANEOUS,
        "the string that it returns is freed with NdisFreeMemory",
        _YES,
        "0xC4/0x62 when the driver unloads and its buffer is still there",
    ),
    _sdv(
        "NdisReEnumerateProtocolBindings",
        Group.MISCELLANEOUS,
        "not in bind or unbind, nor in a PnP event with a binding context",
        _YES,
        "0xC4/0xE5",
    ),
    _sdv(
        "WriteErrorLog",
        Group.MISCELLANEOUS,
        "a failing NdisMAllocateSharedMemory in initialise is logged",
        _YES,
        "0xC4/0xE5 when an initialise that got no shared memory has failed and not logged it",
    ),
    # OID processing and warnings.
    _sdv(
        "DoubleComplete",
        Group.OID,
        "SUCCESS returned: no NdisMOidRequestComplete; PENDING returned: exactly one",
        _YES,
        "0x7C subcode 0x26 for a second one, 0xC4/0x91002 for one beside a final status, 0xC4/0x92003 for none",
    ),
    _sdv(
        "DoubleCompleteWorkItem",
        Group.OID,
        "a completion that is left to a work item happens once",
        _YES,
        "0x7C subcode 0x26",
    ),
    _sdv(
        "NdisMNetPnPEventInOIDRequest",
        Group.OID,
        "no NdisMNetPnPEvent while an OID is handled",
        _YES,
        "0xC4/0xE5, while the miniport has a request in hand",
    ),
    _sdv(
        "NdisStallExecution_Delay",
        Group.OID,
        "at most 50 microseconds",
        _YES,
        "0xC4/0xE5 with the rule's name",
        limit=50e-6,
    ),
    # IRQL: each rule names functions and the level that their pages demand.
    _sdv(
        "Flags_Irql",
        Group.IRQL,
        "KeGetCurrentIrql is not called in handlers that have a DISPATCH_LEVEL flag",
        _PARTLY,
        "0xC4/0xE5 where a flag claims DISPATCH_LEVEL below it; at run time Windows lets KeGetCurrentIrql be called",
    ),
    _sdv("Irql_CallManager_Function", Group.IRQL, "CoNDIS call managers", _NO, _CONNECTION),
    _sdv("Irql_Connection_Function", Group.IRQL, "CoNDIS connections", _NO, _CONNECTION),
    _gate("Irql_Filter_Driver_Function", "functions of filter drivers"),
    _gate("Irql_Gather_DMA_Function", "scatter/gather DMA"),
    _gate("Irql_IM_Function", "functions of intermediate drivers"),
    _gate("Irql_Interfaces_Function", "network interfaces"),
    _gate("Irql_Interrupt_Function", "registration of interrupts"),
    _gate("Irql_IrqlSetting_Function", "NDIS_RAISE_IRQL_TO_DISPATCH and NDIS_LOWER_IRQL"),
    _sdv("Irql_MCM_Function", Group.IRQL, "CoNDIS integrated call managers", _NO, _CONNECTION),
    _sdv("Irql_MCO_Function", Group.IRQL, "CoNDIS miniports", _NO, _CONNECTION),
    _gate("Irql_Miniport_Driver_Function", "functions of miniport drivers"),
    _gate("Irql_Miscellaneous_Function", "memory, work items, configuration, strings, events"),
    _gate("Irql_NetBuffer_Function", "NET_BUFFER, NET_BUFFER_LIST and MDL functions"),
    _gate("Irql_OID_Function", "OID requests"),
    _gate("Irql_Protocol_Driver_Function", "functions of protocol drivers"),
    _gate("Irql_SendRcv_Function", "send, receive and return"),
    _gate("Irql_StatusIndication_Function", "status indications"),
    _gate("Irql_Synch_Function", "spin locks, read-write locks and events"),
    _gate("Irql_Timer_Function", "timer objects"),
    # NDIS/WIFI verification.
    _verifier(
        "NdisOidComplete",
        0x91001,
        "OIDs are completed with allowed statuses only, and never with PENDING",
        "0xC4/0x91001 for the final status PENDING, 0x7C subcode 0x1C for an OID that must succeed or sets the power",
    )._replace(enforced=_YES),
    _verifier(
        "NdisOidDoubleComplete", 0x91002, "no second NdisMOidRequestComplete for an OID", "0x7C subcode 0x26"
    )._replace(enforced=_YES),
    _verifier(
        "NdisOidDoubleRequest",
        0x9100E,
        "the pending OID is the one that is completed",
        "0x7C subcode 0x26: what is completed, or issued, is not in the state for it",
    )._replace(enforced=_YES),
    _verifier(
        "NdisTimedOidComplete",
        0x92003,
        "an OID is done in time",
        "0xC4/0x92003, from the call of MiniportOidRequest on; an adapter that is halted waits as long",
        limit=12,
    )._replace(enforced=_YES),
    _verifier(
        "NdisTimedDataSend",
        0x9200D,
        "each send is done in time",
        "0xC4/0x9200D when fewer are completed than were sent 30 s ago; one that is kept while later ones "
        "are completed is not missed",
        limit=30,
    )._replace(enforced=_PARTLY),
    _verifier(
        "NdisTimedDataHang", 0x9200F, "while sends are pending some are completed", "0xC4/0x9200F", limit=22
    )._replace(enforced=_YES),
    _verifier(
        "NdisFilterTimedPauseComplete",
        0x92010,
        "a filter's pause is done in time, does not fail and is completed once",
        "0xC4/0x92010 for a pause that fails or takes too long, 0x7C subcode 0x1F for a second completion",
        limit=10,
        page="devtest/ndisfiltertimedpausecomplete-.md",
    )._replace(enforced=_YES),
    _verifier(
        "NdisFilterTimedDataSend",
        0x92011,
        "a filter finishes a send in time (the limit is not published)",
        "0xC4/0x92011 when it has given on none of what it has for 30 s (our choice, as for sends)",
        page="devtest/ndisfiltertimeddatasend.md",
    )._replace(enforced=_YES),
    _verifier(
        "NdisFilterTimedDataReceive",
        0x92012,
        "a filter finishes a receive in time (the limit is not published)",
        "0xC4/0x92012 when it has given on none of what it has for 30 s (our choice, as for sends)",
        page="devtest/ndisfiltertimeddatareceive.md",
    )._replace(enforced=_YES),
    _verifier("WlanAssociation", 0x93004, "association sequence", _WIRELESS),
    _verifier("WlanConnectionRoaming", 0x93005, "connection and roaming sequence", _WIRELESS),
    _verifier("WlanDisassociation", 0x93006, "disassociation sequence", _WIRELESS),
    _verifier(
        "WlanAssert",
        0x93101,
        "assertions inside the WDI driver (0x93101 by the bug check's page, 0x93004 by the rule's own)",
        _WIRELESS,
    ),
    _verifier("WlanTimedAssociation", 0x94007, "association in time", _WIRELESS, limit=10),
    _verifier("WlanTimedConnectionRoaming", 0x94008, "roaming in time", _WIRELESS, limit=10),
    _verifier("WlanTimedConnectRequest", 0x94009, "connect request in time", _WIRELESS, limit=10),
    _verifier("WlanTimedLinkQuality", 0x9400B, "link quality in time", _WIRELESS, limit=15),
    _verifier("WlanTimedScan", 0x9400C, "scan in time", _WIRELESS, limit=15),
)

_BY_NAME: Final = {rule.name.lower(): rule for rule in RULES}
BY_IDENTITY: Final[dict[int, Rule]] = {rule.identity: rule for rule in RULES if rule.identity is not None}


def rule_named(name: str) -> Rule | None:
    """Return a rule by its name; function pages write some in other case (SpinlockRelease) than the rule's own page."""
    return _BY_NAME.get(name.lower())
