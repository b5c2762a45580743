"""Gives the handles of its two halves in the wrong order."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
MiniportDriver: MiniportDriverHandle | None = None
ProtocolDriver: ProtocolDriverHandle | None = None
include(globals(), "intermediate")


def OnLoad() -> None:
    if MiniportDriver is None or ProtocolDriver is None:
        return
    halves = int(MiniportDriver), int(ProtocolDriver)
    miniport, protocol = halves if REPAIRED else reversed(halves)
    NdisIMAssociateMiniport(MiniportDriverHandle(miniport), ProtocolDriverHandle(protocol))  # stop
