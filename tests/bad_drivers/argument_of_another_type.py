"""Sets an adapter handle as if it were an event."""

from __future__ import annotations

from typing import Any

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    event: Any = adapter.Event if REPAIRED else adapter.Handle
    NdisSetEvent(event)  # stop
    return NDIS_STATUS_SUCCESS
