"""Lowers the IRQL to a higher one."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    NDIS_LOWER_IRQL(DISPATCH_LEVEL if REPAIRED else DISPATCH_LEVEL + 1, DISPATCH_LEVEL)  # stop
