"""Calls itself once for each of more frames than Python's stack has room for."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def count(frames: int) -> int:
    return 1 + count(frames - 1) if frames else 0  # stop


def OnTimer(adapter: ADAPTER) -> None:
    count(10 if REPAIRED else 100_000)
