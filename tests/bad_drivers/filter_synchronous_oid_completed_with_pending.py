"""A filter makes NDIS_STATUS_PENDING of the status of a synchronous OID request."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnSynchronousOidComplete(filter: FILTER, request: NDIS_OID_REQUEST, status: NDIS_STATUS) -> NDIS_STATUS:
    return status if REPAIRED else NDIS_STATUS_PENDING
