"""A filter clones a synchronous OID request."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER, TAG
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnSynchronousOid(filter: FILTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    if not REPAIRED:
        NdisAllocateCloneOidRequest(filter.Handle, request, TAG)  # stop
    return NDIS_STATUS_SUCCESS
