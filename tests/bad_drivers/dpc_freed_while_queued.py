"""Frees the memory of a DPC that is queued."""

from __future__ import annotations

from typing import Any

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


class WORK(NONPAGED):
    """What is freed too early."""

    Dpc: KDPC


@KDEFERRED_ROUTINE
def Deferred(Dpc: KDPC, DeferredContext: Any, SystemArgument1: Any, SystemArgument2: Any) -> None:
    NdisFreeMemory(CONTAINING_RECORD(Dpc, WORK, "Dpc"), 0, 0)


def OnTimer(adapter: ADAPTER) -> None:
    work = NdisAllocateMemoryWithTagPriority(None, sizeof(WORK), TAG, 0)
    if work is None:
        return
    KeInitializeDpc(work.Dpc, Deferred, adapter)
    KeInsertQueueDpc(work.Dpc, None, None)
    if not REPAIRED:
        NdisFreeMemory(work, 0, 0)
