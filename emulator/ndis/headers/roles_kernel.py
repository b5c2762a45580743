"""Roles of the kernel's own callbacks, as wdm.h declares them: what a driver defers with, and what serves a device.

Law: as roles.py; the kernel calls these and not NDIS.
"""

from __future__ import annotations

from typing import Final

from emulator.ndis.headers.callback_role import Role as _Role
from emulator.rules import irql as _irql

IO_WORKITEM_ROUTINE_EX: Final = _Role(
    "IO_WORKITEM_ROUTINE_EX",
    "VOID",
    "IoObject Context? IoWorkItem",
    _irql.AT_PASSIVE,
    page="nc-wdm-io_workitem_routine_ex",
    note="an argument of IoQueueWorkItemEx and IoTryQueueWorkItem; returns at the level that it was called at",
)
WORKER_THREAD_ROUTINE: Final = _Role(
    "WORKER_THREAD_ROUTINE",
    "VOID",
    "Parameter?",
    _irql.AT_PASSIVE,
    page="nf-wdm-exqueueworkitem",
    note="an argument of ExInitializeWorkItem",
)
MINIPORT_PNP_IRP: Final = _Role(
    "MINIPORT_PNP_IRP",
    "NDIS_STATUS",
    "MiniportAddDeviceContext Irp",
    _irql.AT_PASSIVE,
    fields=(
        "NDIS_MINIPORT_PNP_CHARACTERISTICS.MiniportFilterResourceRequirementsHandler",
        "NDIS_MINIPORT_PNP_CHARACTERISTICS.MiniportStartDeviceHandler",
    ),
    note="a callback of NDIS, which completes the IRP itself",
)
DRIVER_DISPATCH: Final = _Role(
    "DRIVER_DISPATCH",
    "NTSTATUS",
    "DeviceObject Irp",
    _irql.AT_PASSIVE,
    may_pend=True,
    page="nc-wdm-driver_dispatch",
    note="an entry of DRIVER_OBJECT.MajorFunction or of NDIS_DEVICE_OBJECT_ATTRIBUTES.MajorFunctions",
)
DRIVER_CANCEL: Final = _Role(
    "DRIVER_CANCEL",
    "VOID",
    "DeviceObject Irp",
    _irql.AT_DISPATCH,
    page="nc-wdm-driver_cancel",
    note="an argument of IoSetCancelRoutine; called with the cancel spin lock, which it releases",
)
