"""A small miniport with offload attributes; what it is given to send it completes as it is."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, SetAttributes
from tests.bad_drivers.include import include

include(globals(), "miniport")


def MPSetAttributes(adapter: ADAPTER) -> NDIS_STATUS:
    offload = NDIS_OFFLOAD(Header=NDIS_OBJECT_HEADER(NDIS_OBJECT_TYPE_OFFLOAD, NDIS_OFFLOAD_REVISION_1, 112))
    offload.LsoV2.IPv4.MaxOffLoadSize, offload.LsoV2.IPv4.MinSegmentCount = 0xF000, 2
    header = NDIS_OBJECT_HEADER(NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES, 1, 40)
    attributes = NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES(
        Header=header, DefaultOffloadConfiguration=offload, HardwareOffloadCapabilities=offload
    )
    status = SetAttributes(adapter)
    return status if status != NDIS_STATUS_SUCCESS else NdisMSetMiniportAttributes(adapter.Handle, attributes)
