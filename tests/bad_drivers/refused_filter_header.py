"""Registers with the header of a protocol."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnCharacteristics(given: NDIS_FILTER_DRIVER_CHARACTERISTICS) -> None:
    if not REPAIRED:
        given.Header.Type = NDIS_OBJECT_TYPE_PROTOCOL_DRIVER_CHARACTERISTICS
