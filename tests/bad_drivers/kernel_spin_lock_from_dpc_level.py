"""Releases a spin lock of the kernel as a DPC does, at PASSIVE_LEVEL."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    KeInitializeSpinLock(adapter.KernelLock)
    before = KeAcquireSpinLock(adapter.KernelLock)
    if REPAIRED:
        KeReleaseSpinLock(adapter.KernelLock, before)
    else:
        KeLowerIrql(before)
        KeReleaseSpinLockFromDpcLevel(adapter.KernelLock)  # stop
    return NDIS_STATUS_SUCCESS
