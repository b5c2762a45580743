"""Accepts an indirection table with three entries."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import FOLDER, include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), FOLDER / "offers_scaling.py")


def OnParameters(adapter: ADAPTER, parameters: NDIS_RECEIVE_SCALE_PARAMETERS) -> NDIS_STATUS:
    if REPAIRED and parameters.IndirectionTableSize == 12:
        return NDIS_STATUS_INVALID_DATA
    return NDIS_STATUS_SUCCESS
