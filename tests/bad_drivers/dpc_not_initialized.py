"""Queues a DPC that it has not initialised."""

from __future__ import annotations

from typing import Any

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


@KDEFERRED_ROUTINE
def Deferred(Dpc: KDPC, DeferredContext: Any, SystemArgument1: Any, SystemArgument2: Any) -> None:
    NdisInterlockedIncrement(DeferredContext.Count)


def OnTimer(adapter: ADAPTER) -> None:
    if REPAIRED:
        KeInitializeDpc(adapter.Dpc, Deferred, adapter)
    KeInsertQueueDpc(adapter.Dpc, None, None)  # stop
