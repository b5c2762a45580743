"""Takes its interface back twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.base_provider import ProviderRemove
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "provider")


def OnUnbind(binding: BINDING) -> None:
    ProviderRemove(binding)
    if not REPAIRED:
        NdisIfDeregisterInterface(binding.Interface)  # stop
