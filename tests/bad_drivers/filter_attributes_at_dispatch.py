"""Sets its attributes at DISPATCH_LEVEL."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnAttach(filter: FILTER) -> NDIS_STATUS:
    lock = filter.Lock
    NdisAllocateSpinLock(lock)
    if not REPAIRED:
        NdisAcquireSpinLock(lock)
    NdisFSetAttributes(filter.Handle, filter, NDIS_FILTER_ATTRIBUTES())  # stop
    NdisFreeSpinLock(lock)
    return NDIS_STATUS_SUCCESS
