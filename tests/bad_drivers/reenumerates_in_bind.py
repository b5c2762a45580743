"""Asks to be bound to every adapter while it is being bound to one."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, ProtocolDriver
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnBind(binding: BINDING, bind_context: BindContext) -> None:
    if not REPAIRED and ProtocolDriver is not None:
        NdisReEnumerateProtocolBindings(ProtocolDriver)  # stop
