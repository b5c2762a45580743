"""Completes a reset that nobody asked for."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    if not REPAIRED:
        NdisMResetComplete(adapter.Handle, NDIS_STATUS_SUCCESS, False)  # stop
