"""Asks for the name of the adapter that it binds to and never frees it."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnBind(binding: BINDING, bind_context: BindContext) -> None:
    _, name = NdisQueryBindInstanceName(bind_context)  # site: allocated
    if name is not None and REPAIRED:
        NdisFreeMemory(name.Buffer, 0, 0)
