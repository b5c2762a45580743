"""Returns a failure from MiniportPause, which cannot fail."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnPause(adapter: ADAPTER) -> NDIS_STATUS:
    return NDIS_STATUS_SUCCESS if REPAIRED else NDIS_STATUS_FAILURE
