"""A protocol that keeps every rule and cancels sends, of which the miniport has none waiting."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include

include(globals(), "protocol")

CANCEL_ID = 0x1234


def OnTimer(binding: BINDING) -> None:
    NdisCancelSendNetBufferLists(binding.Handle, CANCEL_ID)
