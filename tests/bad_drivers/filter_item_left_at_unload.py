"""Leaves a work item of the filter driver when it unloads."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER, FilterDriver
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnAttach(filter: FILTER) -> NDIS_STATUS:
    if FilterDriver is None:
        return NDIS_STATUS_FAILURE
    item = NdisAllocateIoWorkItem(FilterDriver)  # site: allocated
    if item is None:
        return NDIS_STATUS_RESOURCES
    filter.Item = item
    return NDIS_STATUS_SUCCESS


def OnDetach(filter: FILTER) -> None:
    if REPAIRED:
        NdisFreeIoWorkItem(filter.Item)
