"""Says of its list of OIDs that it is longer than it is."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, MAC, SetAttributes
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def MPSetAttributes(adapter: ADAPTER) -> NDIS_STATUS:
    SetAttributes(adapter)
    return NdisMSetMiniportAttributes(
        adapter.Handle,
        NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES(
            Header=NDIS_OBJECT_HEADER(0x9F, 1, NDIS_SIZEOF_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES_REVISION_1),
            MtuSize=1500,
            MacAddressLength=6,
            PermanentMacAddress=MAC,
            CurrentMacAddress=MAC,
            SupportedOidList=(OID_GEN_STATISTICS, OID_GEN_RCV_OK),
            SupportedOidListLength=8 if REPAIRED else 12,
        ),
    )
