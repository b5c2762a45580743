"""A miniport that asks to be removed when it is told to use a multicast list, which it says has broken it."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include

include(globals(), "miniport")


def OnOid(adapter: ADAPTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    if request.DATA.SET_INFORMATION.Oid != OID_802_3_MULTICAST_LIST:
        return NDIS_STATUS_SUCCESS
    return NdisMRemoveMiniport(adapter.Handle)
