"""Turns hashes of received frames on while receive side scaling is on."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import FOLDER, include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), FOLDER / "offers_scaling.py")


def OnReceiveHash(adapter: ADAPTER) -> NDIS_STATUS:
    return NDIS_STATUS_NOT_SUPPORTED if REPAIRED else NDIS_STATUS_SUCCESS
