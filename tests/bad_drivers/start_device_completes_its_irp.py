"""Completes the IRP of MiniportStartDevice, which is NDIS's to complete."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import PnpCharacteristics
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnSetOptions(driver: MiniportDriverHandle) -> NDIS_STATUS:
    return NdisSetOptionalHandlers(driver, PnpCharacteristics())


def OnStartDevice(Irp: IRP) -> NDIS_STATUS:
    if not REPAIRED:
        IoCompleteRequest(Irp, IO_NO_INCREMENT)  # stop
    return NDIS_STATUS_SUCCESS
