"""A protocol that says what is told of received frames and of completed sends, and sends nothing by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.ndis import *
from tests.bad_drivers.include import include

if TYPE_CHECKING:
    from tests.bad_drivers.base_protocol import BINDING

include(globals(), "protocol")


def OnTimer(binding: BINDING) -> None:
    """Nothing is sent."""


def OnReceive(binding: BINDING, nbl: NET_BUFFER_LIST, flags: int) -> None:
    """One line for each frame: how it lies, and what the adapter knows of it."""
    frame: Any = nbl
    while frame is not None:
        buffer, pieces = frame.FirstNetBuffer, 0
        mdl = buffer.CurrentMdl
        while mdl is not None:
            pieces += 1
            mdl = mdl.Next
        data: Any = NdisGetDataBuffer(buffer, buffer.DataLength, bytearray(buffer.DataLength), 1, 0)
        info = frame.NetBufferListInfo
        told = (info[TcpIpChecksumNetBufferListInfo], info[TcpRecvSegCoalesceInfo])
        DbgPrint("received %d in %d: %#x %d %s", buffer.DataLength, pieces, *told, bytes(data[:100]).hex())
        frame = frame.Next
    if flags & NDIS_RECEIVE_FLAGS_RESOURCES:
        DbgPrint("lent")
    else:
        NdisReturnNetBufferLists(binding.Handle, nbl, NDIS_RETURN_FLAGS_DISPATCH_LEVEL)


def OnSendComplete(binding: BINDING, nbl: NET_BUFFER_LIST) -> None:
    """One line for each list: with which status, and what its large-send information says now."""
    done: Any = nbl
    while done is not None:
        DbgPrint("sent %#x %#x", done.Status & 0xFFFF_FFFF, done.NetBufferListInfo[TcpLargeSendNetBufferListInfo])
        following = done.Next
        NdisFreeNetBufferList(done)
        done = following


def OnStatus(binding: BINDING, indication: NDIS_STATUS_INDICATION) -> None:
    """What the adapter offloads from now on."""
    if indication.StatusCode == NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG:
        offload = indication.StatusBuffer
        DbgPrint("offloads %d %d %d", offload.Checksum.IPv4Transmit.TcpChecksum, offload.LsoV2.IPv4.MaxOffLoadSize,
                 offload.Rsc.IPv4.Enabled)  # fmt: skip
