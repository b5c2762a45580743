"""A filter that leaves the data path after the first frame that it is given to send, and asks for that in a DPC."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include

include(globals(), "filter")


def OnSend(filter: FILTER, nbl: NET_BUFFER_LIST, flags: int) -> None:
    filter.Cookie += 1
    if filter.Cookie == 1:
        DbgPrint("the restart was asked for: %#x", NdisFRestartFilter(filter.Handle))
    NdisFSendNetBufferLists(filter.Handle, nbl, NDIS_DEFAULT_PORT_NUMBER, flags)


def OnSetModuleOptions(filter: FILTER) -> NDIS_STATUS:
    if not filter.Cookie:
        return NDIS_STATUS_SUCCESS
    bypass = NDIS_FILTER_PARTIAL_CHARACTERISTICS(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_FILTER_PARTIAL_CHARACTERISTICS,
            NDIS_FILTER_PARTIAL_CHARACTERISTICS_REVISION_1,
            NDIS_SIZEOF_FILTER_PARTIAL_CHARACTERISTICS_REVISION_1,
        )
    )
    return NdisSetOptionalHandlers(filter.Handle, bypass)


def OnRestart(filter: FILTER) -> NDIS_STATUS:
    if filter.Cookie:
        DbgPrint("out of the path after %d frames", filter.Cookie)
    return NDIS_STATUS_SUCCESS


def OnDetach(filter: FILTER) -> None:
    DbgPrint("%d frames in all", filter.Cookie)
