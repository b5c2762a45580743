"""Sets its registration attributes with the size of something else."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, RegistrationAttributes, SetAttributes
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def MPSetAttributes(adapter: ADAPTER) -> NDIS_STATUS:
    if REPAIRED:
        return SetAttributes(adapter)
    given = RegistrationAttributes(adapter)
    given.Header.Size = 12
    return NdisMSetMiniportAttributes(adapter.Handle, given)
