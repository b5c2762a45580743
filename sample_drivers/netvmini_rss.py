"""Receive side scaling in netvmini: several queues, each with a message that interrupts a processor of its own.

Law: a queue is served by the DPC of its message alone, and what a processor sends goes by the queue that it serves, so
a flow keeps its order both ways whatever the table says; until scaling is first turned on all is sent by queue 0.  The
hardware takes a new table over when nothing is under way by the old one.  Frames without a hash come by queue 0.
What is called with a request calls nothing of NDIS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.ndis import *
from vnic.device import *

if TYPE_CHECKING:
    from sample_drivers.netvmini import ADAPTER, QUEUE

NIC_QUEUES: Final = 16
NIC_SCALING_ENTRIES: Final = 128
NIC_SCALING_OIDS: Final = (OID_GEN_RECEIVE_SCALE_PARAMETERS,)
NIC_SCALING_CAPABILITIES: Final = (
    NdisHashFunctionToeplitz
    | NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV4
    | NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV6
    | NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV6_EX
    | NDIS_RSS_CAPS_HASH_TYPE_UDP_IPV4
    | NDIS_RSS_CAPS_HASH_TYPE_UDP_IPV6
    | NDIS_RSS_CAPS_HASH_TYPE_UDP_IPV6_EX
    | NDIS_RSS_CAPS_MESSAGE_SIGNALED_INTERRUPTS
    | NDIS_RSS_CAPS_USING_MSI_X
    | NDIS_RSS_CAPS_SUPPORTS_MSI_X
)
NIC_HASH_TYPES: Final = (
    NDIS_HASH_IPV4
    | NDIS_HASH_TCP_IPV4
    | NDIS_HASH_UDP_IPV4
    | NDIS_HASH_IPV6
    | NDIS_HASH_TCP_IPV6
    | NDIS_HASH_UDP_IPV6
    | NDIS_HASH_IPV6_EX
    | NDIS_HASH_TCP_IPV6_EX
    | NDIS_HASH_UDP_IPV6_EX
)
_ENTRIES: Final = VNIC_MESSAGE_ENTRIES - 1
"""Table entries of a queue without the link: of any but queue 0."""
_SIZES: Final = {
    NDIS_RECEIVE_SCALE_PARAMETERS_REVISION_1: NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_1,
    NDIS_RECEIVE_SCALE_PARAMETERS_REVISION_2: NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_2,
    NDIS_RECEIVE_SCALE_PARAMETERS_REVISION_3: NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_3,
}
_KEY: Final = NDIS_RSS_HASH_SECRET_KEY_MAX_SIZE_REVISION_2


# -- the queues and their messages ------------------------------------------------------------------------------------


def NICCountQueues(Adapter: ADAPTER, Parameters: NDIS_MINIPORT_INIT_PARAMETERS, Allowed: int) -> None:
    """As many queues as the hardware has, the registry allows, and processors and messages can serve."""
    messages = sum(
        resource.Type == CM_RESOURCE_TYPE.CmResourceTypeInterrupt
        and resource.Flags & CM_RESOURCE_INTERRUPT_MESSAGE != 0
        for resource in Parameters.AllocatedResources
    )
    queues = VnicReadRegister(Adapter.Nic, VNIC_REGISTER_QUEUES)
    processors = NdisGroupActiveProcessorCount(ALL_PROCESSOR_GROUPS)
    Adapter.Messages, Adapter.Processors = messages, processors
    Adapter.QueueCount = max(min(queues, messages, processors, Allowed), 1)
    if Adapter.QueueCount < queues:
        served = (Adapter.QueueCount, queues, messages, processors, Allowed)
        DbgPrint("%d of %d queues: %d messages, %d processors, %d allowed by the registry", *served)
    if queues > 1:
        VnicSetReceiveScaling(Adapter.Nic, 0, b"", ())  # whoever drove the hardware before may have left it on


def NICMapMessages(Adapter: ADAPTER, Characteristics: NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS) -> NDIS_STATUS:
    """Let each queue send the message of its number, and note which processor that interrupts."""
    table = Characteristics.MessageInfoTable
    if table is None:
        return NDIS_STATUS_RESOURCES
    count = Adapter.QueueCount
    for processor in range(len(Adapter.QueueOf)):
        Adapter.QueueOf[processor] = processor % count  # one that no message interrupts shares a queue
    for number in reversed(range(count)):
        Adapter.QueueOf[table.MessageInfo[number].TargetProcessorSet.bit_length() - 1] = number
        for entry in range(_ENTRIES if number else VNIC_MESSAGE_ENTRIES):
            status = NdisMConfigMSIXTableEntry(Adapter.Handle, _entry(VnicMessageEntry(number, entry), number))
            if status != NDIS_STATUS_SUCCESS:
                return status
    return NDIS_STATUS_SUCCESS


def _entry(Entry: int, Message: int) -> NDIS_MSIX_CONFIG_PARAMETERS:
    return NDIS_MSIX_CONFIG_PARAMETERS(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_DEFAULT,
            NDIS_MSIX_CONFIG_PARAMETERS_REVISION_1,
            NDIS_SIZEOF_MSIX_CONFIG_PARAMETERS_REVISION_1,
        ),
        ConfigOperation=NdisMSIXTableConfigSetTableEntry,
        TableEntry=Entry,
        MessageNumber=Message,
    )


def NICSendQueue(Adapter: ADAPTER, Flags: int) -> QUEUE:
    """The queue by which this processor sends."""
    if Flags & NDIS_SEND_FLAGS_DISPATCH_LEVEL:
        processor = NdisCurrentGroupAndProcessor().Number
    else:
        irql = NDIS_RAISE_IRQL_TO_DISPATCH()
        processor = NdisCurrentGroupAndProcessor().Number
        NDIS_LOWER_IRQL(irql, DISPATCH_LEVEL)
    found: QUEUE = Adapter.Queues[Adapter.QueueOf[processor]]
    return found


def NICTellHashes(Lists: list[Any], Values: list[int], Kinds: list[int]) -> None:
    """Note in received lists their hashes, and what each hash is; 0 for a frame without one."""
    for nbl, value, kind in zip(Lists, Values, Kinds, strict=True):
        NET_BUFFER_LIST_SET_HASH_VALUE(nbl, value)
        NET_BUFFER_LIST_SET_HASH_TYPE(nbl, kind)
        NET_BUFFER_LIST_SET_HASH_FUNCTION(nbl, kind)


def NICByQueue(Adapter: ADAPTER, Lists: list[Any]) -> dict[int, list[Any]]:
    """Received lists by the numbers of the queues whose memory they are on."""
    base, each = Adapter.ReceiveAddress, Adapter.QueueBytes
    found: dict[int, list[Any]] = {}
    for nbl in Lists:
        found.setdefault((nbl.FirstNetBuffer.DataPhysicalAddress - base) // each, []).append(nbl)
    return found


# -- what a protocol asks for -----------------------------------------------------------------------------------------


def NICScalingCapabilities(Adapter: ADAPTER) -> NDIS_RECEIVE_SCALE_CAPABILITIES | None:
    """What the adapter can; None with one queue."""
    if Adapter.QueueCount == 1:
        return None
    return NDIS_RECEIVE_SCALE_CAPABILITIES(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_RSS_CAPABILITIES,
            NDIS_RECEIVE_SCALE_CAPABILITIES_REVISION_2,
            NDIS_SIZEOF_RECEIVE_SCALE_CAPABILITIES_REVISION_2,
        ),
        CapabilitiesFlags=NIC_SCALING_CAPABILITIES,
        NumberOfInterruptMessages=Adapter.Messages,
        NumberOfReceiveQueues=Adapter.QueueCount,
        NumberOfIndirectionTableEntries=NIC_SCALING_ENTRIES,
    )


def NICSetScaling(Adapter: ADAPTER, Data: bytes) -> NDIS_STATUS:
    """OID_GEN_RECEIVE_SCALE_PARAMETERS: what is not said to be unchanged is new; DISABLE_RSS or no function is off."""
    if Adapter.QueueCount == 1:
        return NDIS_STATUS_NOT_SUPPORTED
    given = NDIS_RECEIVE_SCALE_PARAMETERS.from_bytes(Data)
    size = _SIZES.get(given.Header.Revision, 0)
    if len(Data) < max(size, NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_1):
        return NDIS_STATUS_INVALID_LENGTH
    if given.Header.Type != NDIS_OBJECT_TYPE_RSS_PARAMETERS or not size or given.Header.Size < size:
        return NDIS_STATUS_INVALID_PARAMETER
    flags = given.Flags
    information, key = Adapter.HashInformation, Adapter.HashKey if Adapter.ScalingEntries else b""
    table = Adapter.ScalingTable[: Adapter.ScalingEntries]
    if not flags & NDIS_RSS_PARAM_FLAG_HASH_INFO_UNCHANGED:
        information = given.HashInformation
    if flags & NDIS_RSS_PARAM_FLAG_DISABLE_RSS or not NDIS_RSS_HASH_FUNC_FROM_HASH_INFO(information):
        Adapter.HashInformation = 0
        VnicSetReceiveScaling(Adapter.Nic, 0, b"", ())
        return NDIS_STATUS_SUCCESS
    if not flags & NDIS_RSS_PARAM_FLAG_HASH_KEY_UNCHANGED:
        key = _part(Data[size:], given.HashSecretKeyOffset - size, given.HashSecretKeySize)
        key = key.ljust(_KEY, b"\0") if 0 < len(key) <= _KEY else b""
    if not flags & NDIS_RSS_PARAM_FLAG_ITABLE_UNCHANGED:
        entries = _part(Data[size:], given.IndirectionTableOffset - size, given.IndirectionTableSize)
        table = _queues(Adapter, given, entries)
    types = information & ~NDIS_HASH_FUNCTION_MASK
    function = NDIS_RSS_HASH_FUNC_FROM_HASH_INFO(information)
    if function != NdisHashFunctionToeplitz or not types or types & ~NIC_HASH_TYPES or not key or not table:
        return NDIS_STATUS_INVALID_PARAMETER
    Adapter.HashInformation, Adapter.HashKey = information, key
    Adapter.ScalingTable, Adapter.ScalingEntries = table.ljust(NIC_SCALING_ENTRIES, b"\0"), len(table)
    Adapter.Scaled = 1
    VnicSetReceiveScaling(Adapter.Nic, information, key, table)
    return NDIS_STATUS_SUCCESS


def _part(Data: bytes, Offset: int, Size: int) -> bytes:
    """A part of what follows the structure; empty if it does not lie there."""
    return Data[Offset : Offset + Size] if 0 <= Offset <= len(Data) - Size else b""


def _queues(Adapter: ADAPTER, Given: NDIS_RECEIVE_SCALE_PARAMETERS, Table: bytes) -> bytes:
    """The queues of a table of processors; empty if it is none.  The first revision has a byte for each of them."""
    width = 1 if Given.Header.Revision == NDIS_RECEIVE_SCALE_PARAMETERS_REVISION_1 else 4
    count = len(Table) // width
    if not 0 < count <= NIC_SCALING_ENTRIES or count & count - 1 or len(Table) % width:
        return b""
    if width == 1:
        processors = [PROCESSOR_NUMBER(0, number) for number in Table]
    else:
        processors = [PROCESSOR_NUMBER.from_bytes(Table[at : at + width]) for at in range(0, len(Table), width)]
    if any(processor.Group or processor.Number >= Adapter.Processors for processor in processors):
        return b""
    return bytes([Adapter.QueueOf[processor.Number] for processor in processors])


__all__ = [
    "NICByQueue",
    "NICCountQueues",
    "NICMapMessages",
    "NICScalingCapabilities",
    "NICSendQueue",
    "NICSetScaling",
    "NICTellHashes",
    "NIC_QUEUES",
    "NIC_SCALING_OIDS",
]
