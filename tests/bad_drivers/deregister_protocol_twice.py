"""Takes its registration back and does it again."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import ProtocolDriver
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    if ProtocolDriver is not None and not REPAIRED:
        NdisDeregisterProtocolDriver(ProtocolDriver)
