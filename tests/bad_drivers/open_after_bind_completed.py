"""Leaves its binds to a work item, in another context; the bad one completes the bind before it opens the adapter."""

from __future__ import annotations

from typing import Literal

from emulator.ndis import *
from tests.bad_drivers.base_protocol import TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
Device: DEVICE_OBJECT | None = None
include(globals(), "protocol")
BindNow, Register = globals()["ProtocolBind"], globals()["DriverEntry"]


class LATER(NONPAGED):
    Context: BindContext
    Item: PIO_WORKITEM
    Name: Bytes[Literal[64]]


@PROTOCOL_BIND_ADAPTER_EX
def ProtocolBind(
    ProtocolDriverContext: None, BindContext: BindContext, BindParameters: NDIS_BIND_PARAMETERS
) -> NDIS_STATUS:
    later = NdisAllocateMemoryWithTagPriority(None, sizeof(LATER), TAG, 0)
    item = IoAllocateWorkItem(Device) if Device is not None else None
    if later is None or item is None:
        return NDIS_STATUS_RESOURCES
    later.Context, later.Item, later.Name = BindContext, item, BindParameters.AdapterName.encode().ljust(64, b"\0")
    IoQueueWorkItem(item, OpenLater, WORK_QUEUE_TYPE.CriticalWorkQueue, later)
    return NDIS_STATUS_PENDING


@IO_WORKITEM_ROUTINE
def OpenLater(DeviceObject: DEVICE_OBJECT, later: LATER) -> None:
    if not REPAIRED:
        NdisCompleteBindAdapterEx(later.Context, NDIS_STATUS_FAILURE)
    parameters = NDIS_BIND_PARAMETERS(AdapterName=later.Name.rstrip(b"\0").decode())
    status = BindNow(None, later.Context, parameters)
    DbgPrint("the bind is completed with %#x", status)
    NdisCompleteBindAdapterEx(later.Context, status)
    IoFreeWorkItem(later.Item)
    NdisFreeMemory(later, 0, 0)


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    if Device is not None:
        IoDeleteDevice(Device)


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    global Device
    _, Device = IoCreateDevice(DriverObject, 0, None, FILE_DEVICE_NETWORK, FILE_DEVICE_SECURE_OPEN, False)
    status: NDIS_STATUS = Register(DriverObject, RegistryPath)
    return status
