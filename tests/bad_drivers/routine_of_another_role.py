"""Registers its restart handler as the pause handler, too."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import Characteristics, MPRestart
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def MPCharacteristics() -> NDIS_MINIPORT_DRIVER_CHARACTERISTICS:
    given = Characteristics()
    if not REPAIRED:
        given.PauseHandler = MPRestart
    return given
