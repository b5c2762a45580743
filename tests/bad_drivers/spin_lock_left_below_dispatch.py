"""Releases two spin locks in the wrong order, so that it goes below DISPATCH_LEVEL with the second, and sleeps."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, MILLISECOND
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    KeInitializeSpinLock(adapter.KernelLock)
    return NDIS_STATUS_SUCCESS


def OnPause(adapter: ADAPTER) -> NDIS_STATUS:
    NdisAcquireSpinLock(adapter.Lock)
    before = KeAcquireSpinLock(adapter.KernelLock)  # site: acquired
    if REPAIRED:
        KeReleaseSpinLock(adapter.KernelLock, before)
    NdisReleaseSpinLock(adapter.Lock)
    NdisSetTimerObject(adapter.Timer, MILLISECOND, 0, adapter)
    NdisMSleep(20_000)
    return NDIS_STATUS_SUCCESS


def OnTimer(adapter: ADAPTER) -> None:
    KeAcquireSpinLockAtDpcLevel(adapter.KernelLock)  # stop
    KeReleaseSpinLockFromDpcLevel(adapter.KernelLock)
