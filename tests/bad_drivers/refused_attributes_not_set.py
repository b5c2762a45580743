"""Initializes without telling NDIS its general attributes."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, SetAttributes
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def MPSetAttributes(adapter: ADAPTER) -> NDIS_STATUS:
    return SetAttributes(adapter) if REPAIRED else SetRegistration(adapter)


def SetRegistration(adapter: ADAPTER) -> NDIS_STATUS:
    header = NDIS_OBJECT_HEADER(0x9E, 1, NDIS_SIZEOF_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES_REVISION_1)
    given = NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES(Header=header, MiniportAdapterContext=adapter)
    return NdisMSetMiniportAttributes(adapter.Handle, given)
