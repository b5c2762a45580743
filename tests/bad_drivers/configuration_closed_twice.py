"""Closes its configuration twice."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, ConfigurationObject
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    status, configuration = NdisOpenConfigurationEx(ConfigurationObject(adapter))
    if configuration is not None:
        NdisCloseConfiguration(configuration)
        if not REPAIRED:
            NdisCloseConfiguration(configuration)  # stop
    return status
