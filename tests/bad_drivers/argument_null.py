"""Sets an event that it has looked up and not found."""

from __future__ import annotations

from typing import Any

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def Find(adapter: ADAPTER) -> Any:
    return adapter.Event if REPAIRED else None


def OnRestart(adapter: ADAPTER) -> NDIS_STATUS:
    NdisSetEvent(Find(adapter))  # stop
    return NDIS_STATUS_SUCCESS
