"""Offers receive side scaling without the one hash function that there is."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.include import FOLDER, include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), FOLDER / "offers_scaling.py")
ScaleCapabilitiesOfGood = globals()["ScaleCapabilities"]


def ScaleCapabilities() -> NDIS_RECEIVE_SCALE_CAPABILITIES:
    capabilities: NDIS_RECEIVE_SCALE_CAPABILITIES = ScaleCapabilitiesOfGood()
    if not REPAIRED:
        capabilities.CapabilitiesFlags &= ~NdisHashFunctionToeplitz
    return capabilities
