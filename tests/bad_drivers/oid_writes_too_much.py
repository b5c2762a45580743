"""Says that it wrote more bytes of an answer than its buffer has."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnOid(adapter: ADAPTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    query = request.DATA.QUERY_INFORMATION
    if request.RequestType == NDIS_REQUEST_TYPE.NdisRequestQueryInformation:
        query.BytesWritten = query.InformationBufferLength if REPAIRED else query.InformationBufferLength + 1
    return NDIS_STATUS_SUCCESS
