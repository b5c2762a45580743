"""Asks for a frame to be cut into segments of no bytes."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, ProtocolFrame
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnTimer(binding: BINDING) -> None:
    nbl = ProtocolFrame(binding)
    if nbl is None:
        return
    info = NDIS_TCP_LARGE_SEND_OFFLOAD_NET_BUFFER_LIST_INFO()
    info.LsoV2Transmit.TcpHeaderOffset, info.LsoV2Transmit.Type = 34, NDIS_TCP_LARGE_SEND_OFFLOAD_V2_TYPE
    if REPAIRED:
        info.LsoV2Transmit.MSS = 1460
    nbl.NetBufferListInfo[TcpLargeSendNetBufferListInfo] = info.Value
    NdisInterlockedIncrement(binding.Open)
    NdisSendNetBufferLists(binding.Handle, nbl, 0, NDIS_SEND_FLAGS_DISPATCH_LEVEL)  # stop
