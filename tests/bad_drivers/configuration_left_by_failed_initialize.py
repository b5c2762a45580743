"""Fails to initialize and leaves its adapter's configuration open."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    header = NDIS_OBJECT_HEADER(0xA9, 1, NDIS_SIZEOF_CONFIGURATION_OBJECT_REVISION_1)
    given = NDIS_CONFIGURATION_OBJECT(Header=header, NdisHandle=adapter.Handle)
    _, configuration = NdisOpenConfigurationEx(given)  # site: taken
    if configuration is not None and REPAIRED:
        NdisCloseConfiguration(configuration)
    return NDIS_STATUS_FAILURE
