"""Returns SUCCESS from ProtocolBindAdapterEx and completes the bind as well."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnBind(binding: BINDING, bind_context: BindContext) -> None:
    if not REPAIRED:
        NdisCompleteBindAdapterEx(bind_context, NDIS_STATUS_SUCCESS)
