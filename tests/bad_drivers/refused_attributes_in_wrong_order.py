"""Sets its general attributes first."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, SetAttributes
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def MPSetAttributes(adapter: ADAPTER) -> NDIS_STATUS:
    header = NDIS_OBJECT_HEADER(0x9F, 1, NDIS_SIZEOF_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES_REVISION_1)
    given = NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES(Header=header, MtuSize=1500)
    return SetAttributes(adapter) if REPAIRED else NdisMSetMiniportAttributes(adapter.Handle, given)
