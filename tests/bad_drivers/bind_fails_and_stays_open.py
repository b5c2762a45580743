"""Fails a bind and leaves the adapter open."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, ProtocolFree
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")
BindNow = globals()["ProtocolBind"]


class OPENED(NONPAGED):
    Binding: Pointer[BINDING]


Opened = OPENED()


def OnBind(binding: BINDING, bind_context: BindContext) -> None:
    Opened.Binding = binding


@PROTOCOL_BIND_ADAPTER_EX
def ProtocolBind(
    ProtocolDriverContext: None, BindContext: BindContext, BindParameters: NDIS_BIND_PARAMETERS
) -> NDIS_STATUS:
    BindNow(None, BindContext, BindParameters)
    binding = Opened.Binding
    if binding is not None:
        if REPAIRED:
            NdisCloseAdapterEx(binding.Handle)
        ProtocolFree(binding)
    return NDIS_STATUS_FAILURE
