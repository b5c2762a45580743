"""What ndislwf and its control tool share: control codes, the rule, and the counters that come back.

Law: as in a header file, nothing here keeps state and nothing is called by NDIS; the handlers are in ndislwf.py.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from emulator.ndis import *

if TYPE_CHECKING:
    from sample_drivers.ndislwf import LWF_SHARED, MS_FILTER

FILTER_TAG: Final = int.from_bytes(b"Fwln", "little")
FILTER_FRIENDLY_NAME: Final = "NDIS Sample LightWeight Filter"
FILTER_UNIQUE_NAME: Final = "{5cbf81bd-5055-47cd-9055-a76b2b4e3697}"
FILTER_SERVICE_NAME: Final = "NDISLWF"
LWF_RING: Final = 256
FilterPaused, FilterRunning, FilterChoosing = range(3)

IOCTL_LWF_SET_RULE: Final = CTL_CODE(FILE_DEVICE_NETWORK, 0x800, METHOD_BUFFERED, FILE_WRITE_ACCESS)
IOCTL_LWF_COUNTERS: Final = CTL_CODE(FILE_DEVICE_NETWORK, 0x801, METHOD_BUFFERED, FILE_READ_ACCESS)

LwfPass, LwfHold, LwfDrop, LwfDelay, LwfAlter = range(5)
LWF_LONGEST_DELAY: Final = 1000
LWF_RULE: Final = struct.Struct("<5I")
"""Action, EtherType (0: any), milliseconds of a delay, offset and value of the byte that is altered."""
LWF_COUNTERS: Final = struct.Struct("<4I")
"""Received frames that were held, dropped, delayed, altered."""


def LwfDeviceAttributes(
    Name: str, Open: Callable[[Any, Any], int], Control: Callable[[Any, Any], int]
) -> NDIS_DEVICE_OBJECT_ATTRIBUTES:
    """The device of the filter driver: it is opened, closed and sent control codes."""
    table: list[Callable[[Any, Any], int] | None] = [None] * (IRP_MJ_MAXIMUM_FUNCTION + 1)
    table[IRP_MJ_CREATE] = table[IRP_MJ_CLEANUP] = table[IRP_MJ_CLOSE] = Open
    table[IRP_MJ_DEVICE_CONTROL] = Control
    return NDIS_DEVICE_OBJECT_ATTRIBUTES(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_DEVICE_OBJECT_ATTRIBUTES,
            NDIS_DEVICE_OBJECT_ATTRIBUTES_REVISION_1,
            NDIS_SIZEOF_DEVICE_OBJECT_ATTRIBUTES_REVISION_1,
        ),
        DeviceName=rf"\Device\{Name}",
        SymbolicName=rf"\DosDevices\{Name}",
        MajorFunctions=table,
    )


def LwfIsChosen(NetBufferList: NET_BUFFER_LIST, EtherType: int) -> bool:
    """Does the rule mean this frame?"""
    if not EtherType or NetBufferList.FirstNetBuffer is None:
        return True
    header = NdisGetDataBuffer(NetBufferList.FirstNetBuffer, 14, bytearray(14), 1, 0)
    return header is not None and int.from_bytes(header[12:14], "big") == EtherType


def LwfAlterByte(NetBufferList: NET_BUFFER_LIST, Offset: int, Value: int) -> None:
    """Put another byte where the frame has one, in whichever MDL that is."""
    buffer = NetBufferList.FirstNetBuffer
    if buffer is None or Offset >= buffer.DataLength:
        return
    mdl, place = buffer.CurrentMdl, buffer.CurrentMdlOffset + Offset
    while mdl is not None and place >= mdl.ByteCount:
        place -= mdl.ByteCount
        mdl = mdl.Next
    if mdl is not None:
        mdl.MappedSystemVa[place] = Value & 0xFF


def LwfTakeChosen(Filter: MS_FILTER, Shared: LWF_SHARED, First: NET_BUFFER_LIST) -> list[NET_BUFFER_LIST] | None:
    """Under the module's lock: take what the rule means out of a chain, into the ring; the rest, a chain again.

    None where the module has been paused meanwhile: FilterPause does not wait for what comes into the ring now.
    """
    if Filter.State == FilterPaused:
        return None
    passed: list[NET_BUFFER_LIST] = []
    current: NET_BUFFER_LIST | None = First
    while current is not None:
        following = current.Next
        current.Next = None
        if Filter.Put - Filter.Take < LWF_RING and LwfIsChosen(current, Shared.EtherType):
            Filter.Ring[Filter.Put % LWF_RING] = current
            Filter.Put += 1
            if Shared.Action == LwfHold:
                NdisInterlockedIncrement(Shared.Counters[0])
        else:
            if passed:
                passed[-1].Next = current
            passed.append(current)
        current = following
    return passed


def LwfTakeRule(Shared: LWF_SHARED, Irp: IRP) -> int:
    """Under the lock of the rule: what the tool has sent is the rule; the status of the request."""
    asked = IoGetCurrentIrpStackLocation(Irp).Parameters.DeviceIoControl
    if asked.InputBufferLength != LWF_RULE.size:
        return STATUS_INVALID_PARAMETER
    action, kind, milliseconds, offset, value = LWF_RULE.unpack(Irp.AssociatedIrp.SystemBuffer[0 : LWF_RULE.size])
    if action > LwfAlter or milliseconds > LWF_LONGEST_DELAY:
        return STATUS_INVALID_PARAMETER
    Shared.Action, Shared.EtherType, Shared.Milliseconds = action, kind, milliseconds
    Shared.Offset, Shared.Value = offset, value
    return STATUS_SUCCESS


def LwfTellCounters(Shared: LWF_SHARED, Irp: IRP) -> int:
    """The counters, for the tool; the status of the request."""
    asked = IoGetCurrentIrpStackLocation(Irp).Parameters.DeviceIoControl
    if asked.OutputBufferLength < LWF_COUNTERS.size:
        return LwfComplete(Irp, STATUS_BUFFER_TOO_SMALL)
    counted = LWF_COUNTERS.pack(*(Shared.Counters[number].value for number in range(4)))
    Irp.AssociatedIrp.SystemBuffer[0 : LWF_COUNTERS.size] = counted
    return LwfComplete(Irp, STATUS_SUCCESS, LWF_COUNTERS.size)


def LwfCopyAnswer(Clone: NDIS_OID_REQUEST, Original: NDIS_OID_REQUEST) -> None:
    """What a clone has brought, for the request that it was made of."""
    if Clone.RequestType == NDIS_REQUEST_TYPE.NdisRequestMethod:
        answer, asked = Clone.DATA.METHOD_INFORMATION, Original.DATA.METHOD_INFORMATION
        asked.OutputBufferLength = answer.OutputBufferLength
        asked.BytesRead, asked.BytesNeeded = answer.BytesRead, answer.BytesNeeded
        asked.BytesWritten = answer.BytesWritten
    elif Clone.RequestType == NDIS_REQUEST_TYPE.NdisRequestSetInformation:
        Original.DATA.SET_INFORMATION.BytesRead = Clone.DATA.SET_INFORMATION.BytesRead
        Original.DATA.SET_INFORMATION.BytesNeeded = Clone.DATA.SET_INFORMATION.BytesNeeded
    else:
        Original.DATA.QUERY_INFORMATION.BytesWritten = Clone.DATA.QUERY_INFORMATION.BytesWritten
        Original.DATA.QUERY_INFORMATION.BytesNeeded = Clone.DATA.QUERY_INFORMATION.BytesNeeded


def LwfFinishRequest(Filter: MS_FILTER, Clone: NDIS_OID_REQUEST, Status: NDIS_STATUS) -> NDIS_OID_REQUEST:
    """Copy what the clone brought to the request that it was made of, and free it; that request."""
    original: NDIS_OID_REQUEST = Clone.SourceReserved[0]
    NdisAcquireSpinLock(Filter.Lock)
    Filter.PendingOidRequest = None
    NdisReleaseSpinLock(Filter.Lock)
    LwfCopyAnswer(Clone, original)
    NdisFreeCloneOidRequest(Filter.FilterHandle, Clone)
    return original


def LwfFree(Filter: MS_FILTER) -> None:
    """Give everything of the module back."""
    NdisFreeIoWorkItem(Filter.Item)
    NdisFreeSpinLock(Filter.Lock)
    NdisFreeMemory(Filter, 0, 0)


def LwfSetStatus(NetBufferLists: NET_BUFFER_LIST, Status: NDIS_STATUS) -> None:
    """Let every list of a chain have a status."""
    current: NET_BUFFER_LIST | None = NetBufferLists
    while current is not None:
        current.Status = Status
        current = current.Next


def LwfCharacteristics(**handlers: Any) -> NDIS_FILTER_DRIVER_CHARACTERISTICS:
    """What NDIS is told of the driver."""
    return NDIS_FILTER_DRIVER_CHARACTERISTICS(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_FILTER_DRIVER_CHARACTERISTICS,
            NDIS_FILTER_CHARACTERISTICS_REVISION_2,
            NDIS_SIZEOF_FILTER_DRIVER_CHARACTERISTICS_REVISION_2,
        ),
        MajorNdisVersion=NDIS_FILTER_MAJOR_VERSION,
        MinorNdisVersion=NDIS_FILTER_MINOR_VERSION,
        MajorDriverVersion=1,
        MinorDriverVersion=0,
        FriendlyName=FILTER_FRIENDLY_NAME,
        UniqueName=FILTER_UNIQUE_NAME,
        ServiceName=FILTER_SERVICE_NAME,
        **handlers,
    )


def LwfModuleAttributes() -> NDIS_FILTER_ATTRIBUTES:
    """What NDIS is told of a module."""
    return NDIS_FILTER_ATTRIBUTES(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_FILTER_ATTRIBUTES,
            NDIS_FILTER_ATTRIBUTES_REVISION_1,
            NDIS_SIZEOF_FILTER_ATTRIBUTES_REVISION_1,
        )
    )


def LwfComplete(Irp: IRP, Status: int, Information: int = 0) -> int:
    """Complete an IRP; its status."""
    Irp.IoStatus.Status = Status
    Irp.IoStatus.Information = Information
    IoCompleteRequest(Irp, IO_NO_INCREMENT)
    return Status
