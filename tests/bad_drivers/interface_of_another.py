"""Takes an interface back that is not its own."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "provider")


def OnPause(binding: BINDING) -> None:
    if not REPAIRED:
        NdisIfDeregisterInterface(NdisIfQueryBindingIfIndex(binding.Handle).pLowestIfIndex)  # stop
