"""A driver that registers nothing, as an export driver or a library does: one routine of each kind that the DDI takes.

Law: correct by itself; the conformance tests hand its routines over, and NDIS hardly ever calls one.
"""

from __future__ import annotations

from typing import Any

from emulator.ndis import *


@NDIS_TIMER_FUNCTION
def Timer(first: Any, context: Any, second: Any, third: Any) -> None:
    """A timer's routine."""


@NDIS_IO_WORKITEM_FUNCTION
def Work(context: Any, item: WorkItemHandle) -> None:
    """A work item's routine."""


@IO_WORKITEM_ROUTINE
def IoWork(device: DEVICE_OBJECT, context: Any) -> None:
    """A routine of the kernel's work items."""


@IO_WORKITEM_ROUTINE_EX
def IoWorkEx(subject: Any, context: Any, item: Any) -> None:
    """A routine that is told its work item too."""


@DRIVER_CANCEL
def Cancel(device: DEVICE_OBJECT, irp: IRP) -> None:
    """A request that is to end."""


@KDEFERRED_ROUTINE
def Deferred(dpc: KDPC, context: Any, first: Any, second: Any) -> None:
    """A DPC's routine."""


@MINIPORT_SYNCHRONIZE_INTERRUPT
def Synchronize(context: Any) -> bool:
    """What runs at the level of an interrupt."""
    return True


@MINIPORT_ISR
def Isr(context: Any) -> tuple[bool, bool, int]:
    """No interrupt is ours."""
    return False, False, 0


@MINIPORT_INTERRUPT_DPC
def Dpc(context: Any, dpc_context: Any, throttle: Any, reserved: Any) -> None:
    """Nothing to be done."""


@MINIPORT_PROCESS_SG_LIST
def ProcessSgList(device: Any, reserved: Any, sg_list: Any, context: Any) -> None:
    """A list that nobody looks at."""


@MINIPORT_ALLOCATE_SHARED_MEM_COMPLETE
def SharedMemoryAllocated(context: Any, virtual: Any, physical: Any, length: int, request: Any) -> None:
    """Memory that nobody uses."""


@IF_QUERY_OBJECT
def QueryObject(context: Any, object_id: int, length: int) -> tuple[int, int, bytes]:
    """An interface of which nothing is known."""
    return NDIS_STATUS_NOT_SUPPORTED, 0, b""


@IF_SET_OBJECT
def SetObject(context: Any, object_id: int, length: int, buffer: bytes) -> NDIS_STATUS:
    """And nothing can be set."""
    return NDIS_STATUS_NOT_SUPPORTED


@NDIS_POLL
def Poll(context: Any, data: NDIS_POLL_DATA) -> None:
    """Nothing to be given."""


@NDIS_SET_POLL_NOTIFICATION
def SetPoll(context: Any, notification: NDIS_POLL_NOTIFICATION) -> None:
    """No interrupt to be enabled."""


@ALLOCATE_FUNCTION
def Allocate(pool: int, length: int, tag: int) -> Any:
    """A lookaside list's own allocator."""
    return NdisAllocateMemoryWithTagPriority(None, length, tag, 0)


@FREE_FUNCTION
def Free(memory: Any) -> None:
    """Its counterpart."""
    NdisFreeMemory(memory, 0, 0)


@NET_BUFFER_ALLOCATE_MDL
def AllocateMdl(length: int) -> MDL | None:
    """The MDL of a retreat."""
    return NdisAllocateMdl(None, NdisAllocateMemoryWithTagPriority(None, length, b"Call", 0), length)


@NET_BUFFER_FREE_MDL
def FreeMdl(mdl: MDL) -> None:
    """Its counterpart."""
    NdisFreeMdl(mdl)


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    """Nothing to be registered."""
    return NDIS_STATUS_SUCCESS
