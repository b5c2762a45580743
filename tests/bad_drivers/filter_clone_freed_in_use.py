"""Frees the clone of an OID request that is pending."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER, TAG, FilterFinish
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnAttach(filter: FILTER) -> NDIS_STATUS:
    NdisAllocateSpinLock(filter.Lock)
    return NDIS_STATUS_SUCCESS


def OnOid(filter: FILTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    status, clone = NdisAllocateCloneOidRequest(filter.Handle, request, TAG)
    if clone is None:
        return status
    clone.SourceReserved[0] = request
    # At DISPATCH_LEVEL a request for a miniport waits for the request thread.
    NdisAcquireSpinLock(filter.Lock)
    status = NdisFOidRequest(filter.Handle, clone)
    if status == NDIS_STATUS_PENDING and not REPAIRED:
        NdisFreeCloneOidRequest(filter.Handle, clone)  # stop
    NdisReleaseSpinLock(filter.Lock)
    if status != NDIS_STATUS_PENDING:
        FilterFinish(filter, clone)
    return status


def OnDetach(filter: FILTER) -> None:
    NdisFreeSpinLock(filter.Lock)
