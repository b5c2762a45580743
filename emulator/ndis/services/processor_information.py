"""What drivers are told of the computer: its processors, those for receive-side scaling, and no hypervisor.

Law: a machine is one socket with as many cores as it has processors, one thread each, on one NUMA node.  What follows a
structure in C's buffer is a list inside it here; the sizes are those of the buffer on x64.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from msgspec import Struct, field

from emulator.kernel.platform import current
from emulator.layout.handles import KIND_SHIFT, HandleKind
from emulator.ndis.buffers.owners import owner_of
from emulator.ndis.gates.ddi import ddi
from emulator.ndis.headers.handles import NDIS_HANDLE
from emulator.ndis.headers.object_header import (
    NDIS_OBJECT_TYPE_DEFAULT,
    NDIS_OBJECT_TYPE_RSS_PROCESSOR_INFO,
    NDIS_RSS_PROCESSOR_INFO_REVISION_2,
)
from emulator.ndis.headers.processor_numbers import PROCESSOR_NUMBER
from emulator.ndis.headers.status import NDIS_STATUS, NDIS_STATUS_BUFFER_TOO_SHORT, NDIS_STATUS_SUCCESS
from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER
from emulator.ndis.services.memory import bytes_of
from emulator.rules.irql import AT_MOST_DISPATCH, AT_PASSIVE

NDIS_SYSTEM_PROCESSOR_INFO_EX_REVISION_1: Final = 1
NDIS_SYSTEM_PROCESSOR_INFO_REVISION_1: Final = 1
NDIS_HYPERVISOR_INFO_REVISION_1: Final = 1
NDIS_SIZEOF_SYSTEM_PROCESSOR_INFO_EX_REVISION_1: Final = 40
NDIS_SIZEOF_SYSTEM_PROCESSOR_INFO_REVISION_1: Final = 1072
NDIS_SIZEOF_RSS_PROCESSOR_INFO_REVISION_2: Final = 40
NDIS_SIZEOF_HYPERVISOR_INFO_REVISION_1: Final = 12
PROCESSOR_ENTRY: Final = 20
RSS_ENTRY: Final = 8
UNKNOWN_DISTANCE: Final = 0xFFFF
_FIRST: Final = PROCESSOR_NUMBER(0, 0)


class NDIS_PROCESSOR_INFO_EX(NamedTuple):
    """One processor: its place, and how far its memory is from the adapter's."""

    ProcNum: PROCESSOR_NUMBER
    SocketId: int
    CoreId: int
    HyperThreadId: int
    NodeId: int
    NodeDistance: int


class NDIS_SYSTEM_PROCESSOR_INFO_EX(Struct, kw_only=True, eq=False):
    """The processors of the computer."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    ProcessorVendor: int = 0
    NumSockets: int = 1
    NumCores: int = 1
    NumCoresPerSocket: int = 1
    MaxHyperThreadingProcsPerCore: int = 1
    ProcessorInfoOffset: int = NDIS_SIZEOF_SYSTEM_PROCESSOR_INFO_EX_REVISION_1
    NumberOfProcessors: int = 1
    ProcessorInfoEntrySize: int = PROCESSOR_ENTRY
    ProcessorInfo: list[NDIS_PROCESSOR_INFO_EX] = field(default_factory=list)


class NDIS_PROCESSOR_INFO(NamedTuple):
    """One processor, as drivers of before NDIS 6.20 are told of it."""

    CpuNumber: int
    PhysicalPackageId: int
    CoreId: int
    HyperThreadID: int


class NDIS_SYSTEM_PROCESSOR_INFO(Struct, kw_only=True, eq=False):
    """What NdisGetProcessorInformation fills; the driver fills the header, and RssProcessors where it wants them."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    ProcessorVendor: int = 0
    NumPhysicalPackages: int = 0
    NumCores: int = 0
    NumCoresPerPhysicalPackage: int = 0
    MaxHyperThreadingCpusPerCore: int = 0
    RssBaseCpu: int = 0
    RssCpuCount: int = 0
    RssProcessors: Any = None
    CpuInfo: list[NDIS_PROCESSOR_INFO] = field(default_factory=list)


class NDIS_RSS_PROCESSOR(NamedTuple):
    """One processor for receive-side scaling; a lower index is to be preferred."""

    ProcNum: PROCESSOR_NUMBER
    PreferenceIndex: int
    Reserved: int = 0


class NDIS_RSS_PROCESSOR_INFO(Struct, kw_only=True, eq=False):
    """The processors that receive-side scaling may use."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    RssBaseProcessor: PROCESSOR_NUMBER = _FIRST
    MaxNumRssProcessors: int = 1
    PreferredNumaNode: int = 0
    RssProcessorArrayOffset: int = NDIS_SIZEOF_RSS_PROCESSOR_INFO_REVISION_2
    RssProcessorCount: int = 1
    RssProcessorEntrySize: int = RSS_ENTRY
    RssMaxProcessor: PROCESSOR_NUMBER = _FIRST
    RssProfile: int = 0
    RssProcessors: list[NDIS_RSS_PROCESSOR] = field(default_factory=list)


class NDIS_HYPERVISOR_INFO(Struct, kw_only=True, eq=False):
    """What NdisGetHypervisorInfo fills; the driver fills the header."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    PartitionType: int = 0


class ProcessorInformation(NamedTuple):
    """What NdisGetProcessorInformationEx gives; with BUFFER_TOO_SHORT only the size that is needed."""

    Status: NDIS_STATUS
    SystemProcessorInfo: NDIS_SYSTEM_PROCESSOR_INFO_EX | None
    Size: int


class RssProcessorInformation(NamedTuple):
    """What NdisGetRssProcessorInformation gives; with BUFFER_TOO_SHORT only the size that is needed."""

    Status: NDIS_STATUS
    RssProcessorInfo: NDIS_RSS_PROCESSOR_INFO | None
    Size: int


@ddi(irql=AT_MOST_DISPATCH)
def NdisGetProcessorInformationEx(NdisHandle: NDIS_HANDLE | None, Size: int, /) -> ProcessorInformation:
    """The processors of the computer; BUFFER_TOO_SHORT, with the size that is needed, for a smaller one."""
    context = current.context
    owner = owner_of(context, NdisHandle, "NdisGetProcessorInformationEx")
    count = context.machine.geometry.processors
    needed = NDIS_SIZEOF_SYSTEM_PROCESSOR_INFO_EX_REVISION_1 + count * PROCESSOR_ENTRY
    if Size < needed:
        return ProcessorInformation(NDIS_STATUS_BUFFER_TOO_SHORT, None, needed)
    near = owner >> KIND_SHIFT in (HandleKind.ADAPTER, HandleKind.MINIPORT_DRIVER)
    made = NDIS_SYSTEM_PROCESSOR_INFO_EX(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_DEFAULT,
            NDIS_SYSTEM_PROCESSOR_INFO_EX_REVISION_1,
            NDIS_SIZEOF_SYSTEM_PROCESSOR_INFO_EX_REVISION_1,
        ),
        NumCores=count,
        NumCoresPerSocket=count,
        NumberOfProcessors=count,
        ProcessorInfo=[
            NDIS_PROCESSOR_INFO_EX(PROCESSOR_NUMBER(0, number), 0, number, 0, 0, 0 if near else UNKNOWN_DISTANCE)
            for number in range(count)
        ],
    )
    return ProcessorInformation(NDIS_STATUS_SUCCESS, made, needed)


@ddi(irql=AT_PASSIVE)
def NdisGetProcessorInformation(SystemProcessorInfo: NDIS_SYSTEM_PROCESSOR_INFO, /) -> NDIS_STATUS:
    """The processors of the computer, for drivers of before NDIS 6.20; all may be used for receive-side scaling.

    BUFFER_TOO_SHORT for a structure that is smaller than the first revision.
    """
    given = SystemProcessorInfo
    if given.Header.Size < NDIS_SIZEOF_SYSTEM_PROCESSOR_INFO_REVISION_1:
        return NDIS_STATUS_BUFFER_TOO_SHORT
    count = current.context.machine.geometry.processors
    given.ProcessorVendor = 0
    given.NumPhysicalPackages = given.MaxHyperThreadingCpusPerCore = 1
    given.NumCores = given.NumCoresPerPhysicalPackage = given.RssCpuCount = count
    given.RssBaseCpu = 0
    if given.RssProcessors is not None:
        bytes_of(given.RssProcessors, count)[:] = bytes(range(count))
    given.CpuInfo = [NDIS_PROCESSOR_INFO(number, 0, number, 0) for number in range(count)]
    return NDIS_STATUS_SUCCESS


@ddi(irql=AT_MOST_DISPATCH)
def NdisGetRssProcessorInformation(NdisHandle: NDIS_HANDLE, Size: int, /) -> RssProcessorInformation:
    """The processors for receive-side scaling: all; BUFFER_TOO_SHORT, with the size that is needed."""
    context = current.context
    owner_of(context, NdisHandle, "NdisGetRssProcessorInformation", needed=True)
    count = context.machine.geometry.processors
    needed = NDIS_SIZEOF_RSS_PROCESSOR_INFO_REVISION_2 + count * RSS_ENTRY
    if Size < needed:
        return RssProcessorInformation(NDIS_STATUS_BUFFER_TOO_SHORT, None, needed)
    made = NDIS_RSS_PROCESSOR_INFO(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_RSS_PROCESSOR_INFO,
            NDIS_RSS_PROCESSOR_INFO_REVISION_2,
            NDIS_SIZEOF_RSS_PROCESSOR_INFO_REVISION_2,
        ),
        MaxNumRssProcessors=count,
        RssProcessorCount=count,
        RssMaxProcessor=PROCESSOR_NUMBER(0, count - 1),
        RssProcessors=[NDIS_RSS_PROCESSOR(PROCESSOR_NUMBER(0, number), 0) for number in range(count)],
    )
    return RssProcessorInformation(NDIS_STATUS_SUCCESS, made, needed)


@ddi(irql=AT_MOST_DISPATCH)
def NdisGetHypervisorInfo(HypervisorInfo: NDIS_HYPERVISOR_INFO, /) -> NDIS_STATUS:
    """That no hypervisor is seen; BUFFER_TOO_SHORT for a structure that is smaller than the first revision."""
    if HypervisorInfo.Header.Size < NDIS_SIZEOF_HYPERVISOR_INFO_REVISION_1:
        return NDIS_STATUS_BUFFER_TOO_SHORT
    HypervisorInfo.Flags = 0
    HypervisorInfo.PartitionType = 0
    return NDIS_STATUS_SUCCESS


__all__ = [
    "NDIS_HYPERVISOR_INFO",
    "NDIS_HYPERVISOR_INFO_REVISION_1",
    "NDIS_PROCESSOR_INFO",
    "NDIS_PROCESSOR_INFO_EX",
    "NDIS_RSS_PROCESSOR",
    "NDIS_RSS_PROCESSOR_INFO",
    "NDIS_SIZEOF_HYPERVISOR_INFO_REVISION_1",
    "NDIS_SIZEOF_RSS_PROCESSOR_INFO_REVISION_2",
    "NDIS_SIZEOF_SYSTEM_PROCESSOR_INFO_EX_REVISION_1",
    "NDIS_SIZEOF_SYSTEM_PROCESSOR_INFO_REVISION_1",
    "NDIS_SYSTEM_PROCESSOR_INFO",
    "NDIS_SYSTEM_PROCESSOR_INFO_EX",
    "NDIS_SYSTEM_PROCESSOR_INFO_EX_REVISION_1",
    "NDIS_SYSTEM_PROCESSOR_INFO_REVISION_1",
    "NdisGetHypervisorInfo",
    "NdisGetProcessorInformation",
    "NdisGetProcessorInformationEx",
    "NdisGetRssProcessorInformation",
]
