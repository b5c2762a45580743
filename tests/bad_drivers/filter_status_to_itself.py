"""Indicates a status to its own module, which is not above it; the repaired twin names no destination."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnRestart(filter: FILTER) -> NDIS_STATUS:
    indication = NDIS_STATUS_INDICATION(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_STATUS_INDICATION,
            NDIS_STATUS_INDICATION_REVISION_1,
            NDIS_SIZEOF_STATUS_INDICATION_REVISION_1,
        ),
        SourceHandle=filter.Handle,
        StatusCode=NDIS_STATUS_MEDIA_SPECIFIC_INDICATION,
        DestinationHandle=None if REPAIRED else filter.Handle,
    )
    NdisFIndicateStatus(filter.Handle, indication)  # stop
    return NDIS_STATUS_SUCCESS
