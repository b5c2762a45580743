"""Asks for the checksums of IPv4 and of IPv6 at once."""

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
    info = NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO()
    info.Transmit.IsIPv4, info.Transmit.TcpChecksum, info.Transmit.TcpHeaderOffset = 1, 1, 34
    info.Transmit.IsIPv6 = 0 if REPAIRED else 1
    nbl.NetBufferListInfo[TcpIpChecksumNetBufferListInfo] = info.Value
    NdisInterlockedIncrement(binding.Open)
    NdisSendNetBufferLists(binding.Handle, nbl, 0, NDIS_SEND_FLAGS_DISPATCH_LEVEL)  # stop
