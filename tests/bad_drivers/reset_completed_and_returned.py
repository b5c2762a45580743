"""Completes its reset and returns success as well."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    NdisMResetMiniport(adapter.Handle)


def OnReset(adapter: ADAPTER) -> ResetResult:
    NdisMResetComplete(adapter.Handle, NDIS_STATUS_SUCCESS, False)
    return ResetResult(NDIS_STATUS_PENDING if REPAIRED else NDIS_STATUS_SUCCESS, False)
