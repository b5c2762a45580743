"""Completes its unbind and leaves the adapter open."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


@PROTOCOL_UNBIND_ADAPTER_EX
def ProtocolUnbind(UnbindContext: BindContext, binding: BINDING) -> NDIS_STATUS:
    if REPAIRED:
        NdisCloseAdapterEx(binding.Handle)
    NdisFreeTimerObject(binding.Timer)
    NdisFreeNetBufferListPool(binding.Pool)
    NdisFreeMemory(binding, 0, 0)
    return NDIS_STATUS_SUCCESS
