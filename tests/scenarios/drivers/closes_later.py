"""A protocol that leaves its unbinds to a work item, which closes the adapter in another context."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, TAG, ProtocolFree
from tests.bad_drivers.include import include

Device: DEVICE_OBJECT | None = None
include(globals(), "protocol")
Register = globals()["DriverEntry"]


class LATER(NONPAGED):
    Context: BindContext
    Item: PIO_WORKITEM
    Binding: Pointer[BINDING]


@PROTOCOL_UNBIND_ADAPTER_EX
def ProtocolUnbind(UnbindContext: BindContext, binding: BINDING) -> NDIS_STATUS:
    later = NdisAllocateMemoryWithTagPriority(None, sizeof(LATER), TAG, 0)
    item = IoAllocateWorkItem(Device) if Device is not None else None
    if later is None or item is None:
        return NDIS_STATUS_RESOURCES
    later.Context, later.Item, later.Binding = UnbindContext, item, binding
    IoQueueWorkItem(item, CloseLater, WORK_QUEUE_TYPE.CriticalWorkQueue, later)
    return NDIS_STATUS_PENDING


@IO_WORKITEM_ROUTINE
def CloseLater(DeviceObject: DEVICE_OBJECT, later: LATER) -> None:
    binding = later.Binding
    if binding is not None:
        DbgPrint("the close gave %#x", NdisCloseAdapterEx(binding.Handle))
        ProtocolFree(binding)
    NdisCompleteUnbindAdapterEx(later.Context)
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
