"""Forgets the out-parameter of its reset."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    NdisMResetMiniport(adapter.Handle)


def OnReset(adapter: ADAPTER) -> ResetResult:
    if not REPAIRED:
        return NDIS_STATUS_SUCCESS  # type: ignore[return-value]
    return ResetResult(NDIS_STATUS_SUCCESS, False)
