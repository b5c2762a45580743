"""A protocol whose pause waits until all that it has sent has come back, as a protocol's does."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include

include(globals(), "protocol")


def OnPause(binding: BINDING) -> None:
    while binding.Open.value > 0:
        NdisMSleep(1000)
