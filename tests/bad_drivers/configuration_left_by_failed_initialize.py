"""Fails to initialize and leaves its adapter's configuration open."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, ConfigurationObject
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    _, configuration = NdisOpenConfigurationEx(ConfigurationObject(adapter))  # site: taken
    if configuration is not None and REPAIRED:
        NdisCloseConfiguration(configuration)
    return NDIS_STATUS_FAILURE
