"""Registers as a driver of a later NDIS than the machine has."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import Characteristics
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def MPCharacteristics() -> NDIS_MINIPORT_DRIVER_CHARACTERISTICS:
    given = Characteristics()
    if not REPAIRED:
        given.MinorNdisVersion = 88
    return given
