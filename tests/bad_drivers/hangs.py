"""Does what no callback may do, where the registry's value Where says: it does not return, or ends its process."""

from __future__ import annotations

import ctypes
import os

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, QueueWork
from tests.bad_drivers.include import include

include(globals(), "miniport")

WHERE = os.environ.get("HANGS", "")


def spin() -> None:
    """Never return."""
    while True:
        pass


@NDIS_IO_WORKITEM_FUNCTION
def Work(adapter: ADAPTER, item: WorkItemHandle) -> None:
    NdisFreeIoWorkItem(item)
    if WHERE == "passive":
        spin()
    if WHERE == "lock":
        NdisAcquireSpinLock(adapter.Lock)
        spin()
    if WHERE == "ctypes":
        ctypes.PyDLL(None).pause()
    if WHERE == "exit":
        os._exit(7)
    if WHERE == "crash":
        ctypes.string_at(8)


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    return QueueWork(adapter)


def OnTimer(adapter: ADAPTER) -> None:
    if WHERE == "dispatch":
        spin()
