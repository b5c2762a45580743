"""Keeps the processor busy for longer than NdisStallExecution allows."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    NdisStallExecution(50 if REPAIRED else 51)  # stop
