"""Raises an exception in the callback that WHERE names; nowhere as long as it names none."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, QueueWork, RegisterInterrupt
from tests.bad_drivers.include import include

WHERE = ""
include(globals(), "miniport")


def raise_in(where: str) -> None:
    """The exception, where it is wanted."""
    if where == WHERE:
        raise ValueError(f"planted in {where}")  # stop


@NDIS_IO_WORKITEM_FUNCTION
def Work(adapter: ADAPTER, item: WorkItemHandle) -> None:
    NdisFreeIoWorkItem(item)
    raise_in("work item")


@MINIPORT_SYNCHRONIZE_INTERRUPT
def Synchronized(adapter: ADAPTER) -> bool:
    raise_in("synchronized")
    return True


@MINIPORT_ISR
def Isr(adapter: ADAPTER) -> tuple[bool, bool, int]:
    raise_in("ISR")
    return False, False, 0


@MINIPORT_INTERRUPT_DPC
def Dpc(adapter: ADAPTER, context: object, throttle: object, reserved: object) -> None:
    raise_in("interrupt DPC")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    raise_in("initialize")
    return RegisterInterrupt(adapter)


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    raise_in("restart")
    NdisMSynchronizeWithInterruptEx(adapter.Interrupt, 0, Synchronized, adapter)
    NdisMQueueDpc(adapter.Interrupt, 0, 1, adapter)
    return QueueWork(adapter)


def OnTimer(adapter: ADAPTER) -> None:
    raise_in("timer")


def OnSend(adapter: ADAPTER, nbl: NET_BUFFER_LIST) -> None:
    raise_in("send")
    NdisMSendNetBufferListsComplete(adapter.Handle, nbl, NDIS_SEND_COMPLETE_FLAGS_DISPATCH_LEVEL)


def OnReturn(adapter: ADAPTER, nbl: NET_BUFFER_LIST) -> None:
    raise_in("return")
    NdisFreeNetBufferList(nbl)


def OnOid(adapter: ADAPTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    raise_in("OID request")
    return NDIS_STATUS_SUCCESS


def OnPause(adapter: ADAPTER) -> NDIS_STATUS:
    raise_in("pause")
    return NDIS_STATUS_SUCCESS


def OnHalt(adapter: ADAPTER) -> None:
    raise_in("halt")
    NdisMDeregisterInterruptEx(adapter.Interrupt)


def OnUnload(driver: MiniportDriverHandle) -> None:
    raise_in("unload")
