"""Acquires a spin lock of the kernel that it holds."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    KeInitializeSpinLock(adapter.KernelLock)
    before = KeAcquireSpinLock(adapter.KernelLock)  # site: acquired the first time
    if REPAIRED:
        KeReleaseSpinLock(adapter.KernelLock, before)
    KeAcquireSpinLockAtDpcLevel(adapter.KernelLock)  # stop
    KeReleaseSpinLockFromDpcLevel(adapter.KernelLock)
