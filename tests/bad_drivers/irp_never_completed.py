"""Returns from a dispatch routine without completing the IRP or keeping it."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_device import Complete
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")
include(globals(), "device")


def OnIrp(Irp: IRP, Stack: IO_STACK_LOCATION) -> int:
    return Complete(Irp, STATUS_SUCCESS) if REPAIRED else STATUS_SUCCESS
