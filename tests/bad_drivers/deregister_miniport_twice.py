"""Takes its registration back and does it again."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnUnload(driver: MiniportDriverHandle) -> None:
    if not REPAIRED:
        NdisMDeregisterMiniportDriver(driver)
