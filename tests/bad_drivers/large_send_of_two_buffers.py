"""Asks for a frame to be cut, in a list that has a second one."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, ProtocolFrame
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnTimer(binding: BINDING) -> None:
    nbl, other = ProtocolFrame(binding), None if REPAIRED else ProtocolFrame(binding)
    if nbl is None or nbl.FirstNetBuffer is None:
        return
    nbl.FirstNetBuffer.Next = other.FirstNetBuffer if other is not None else None
    info = NDIS_TCP_LARGE_SEND_OFFLOAD_NET_BUFFER_LIST_INFO()
    info.LsoV2Transmit.MSS, info.LsoV2Transmit.Type = 1460, NDIS_TCP_LARGE_SEND_OFFLOAD_V2_TYPE
    info.LsoV2Transmit.TcpHeaderOffset = 34
    nbl.NetBufferListInfo[TcpLargeSendNetBufferListInfo] = info.Value
    NdisInterlockedIncrement(binding.Open)
    NdisSendNetBufferLists(binding.Handle, nbl, 0, NDIS_SEND_FLAGS_DISPATCH_LEVEL)  # stop
