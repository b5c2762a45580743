"""Roles of the kernel's own callbacks, as wdm.h declares them: what a driver defers with, and what serves a device.

Law: as roles.py; the kernel calls these and not NDIS.
"""

from __future__ import annotations

from typing import Final

from emulator.ndis.callback_role import Role as _Role
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
