"""Sets a member of its driver object after DriverEntry, when no other context sees it any more."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    if not REPAIRED:
        DriverObject.DriverUnload = None  # stop
