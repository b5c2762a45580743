"""Leaves the configuration of a binding open: when it unloads that is still so."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnBind(binding: BINDING, bind_context: BindContext) -> None:
    header = NDIS_OBJECT_HEADER(0xA9, 1, NDIS_SIZEOF_CONFIGURATION_OBJECT_REVISION_1)
    given = NDIS_CONFIGURATION_OBJECT(Header=header, NdisHandle=binding.Handle)
    _, configuration = NdisOpenConfigurationEx(given)  # site: taken
    if configuration is not None and REPAIRED:
        NdisCloseConfiguration(configuration)
