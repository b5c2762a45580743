"""A work item that is killed while it holds a reader/writer lock, for which a timer waits."""

from __future__ import annotations

import os
import signal
from typing import Any

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include

include(globals(), "miniport")


@NDIS_IO_WORKITEM_FUNCTION
def Work(adapter: ADAPTER, NdisIoWorkItemHandle: WorkItemHandle) -> None:
    """Hold the lock, and be no more."""
    NdisAcquireRWLockWrite(adapter.Memory, LOCK_STATE_EX(), 0)
    os.kill(os.getpid(), signal.SIGKILL)


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    """Make the lock."""
    adapter.Memory = NdisAllocateRWLock(adapter.Handle)
    item = NdisAllocateIoWorkItem(adapter.Handle)
    if item is None:
        return NDIS_STATUS_RESOURCES
    adapter.Item = item
    NdisQueueIoWorkItem(adapter.Item, Work, adapter)
    return NDIS_STATUS_SUCCESS


def OnTimer(adapter: ADAPTER) -> None:
    """Wait for the lock, again and again."""
    lock: Any = adapter.Memory
    state = LOCK_STATE_EX()
    NdisAcquireRWLockRead(lock, state, NDIS_RWL_AT_DISPATCH_LEVEL)
    NdisReleaseRWLock(lock, state)
    NdisSetTimerObject(adapter.Timer, -10_000, 0, None)
