"""Acquires a spin lock of the kernel as a DPC does, at PASSIVE_LEVEL."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    KeInitializeSpinLock(adapter.KernelLock)
    before = KeRaiseIrqlToDpcLevel() if REPAIRED else 0
    KeAcquireSpinLockAtDpcLevel(adapter.KernelLock)  # stop
    KeReleaseSpinLockFromDpcLevel(adapter.KernelLock)
    KeLowerIrql(before)
    return NDIS_STATUS_SUCCESS
