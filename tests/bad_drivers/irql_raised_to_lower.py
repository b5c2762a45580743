"""Raises the IRQL to a level below the current one."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnTimer(adapter: ADAPTER) -> None:
    before = KeRaiseIrql(2 if REPAIRED else 1)  # stop
    KeLowerIrql(before)
