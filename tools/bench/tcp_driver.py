"""The protocol driver of the TCP benchmark: a bridge of one port, which sends each frame back the way that it came.

Law: bridge as it is, but for where a frame goes: both ends of a connection lie on the same side of the adapter, so the
addresses of Ethernet and of IPv4 change places, as c/copier.c does it on one TAP.  No checksum changes by that.
"""

# A driver: Microsoft's names, and the star import by which it includes a header.
# ruff: noqa: F403, F405, N802, N803

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import sample_drivers
from emulator.ndis import *

_SOURCE: Final = Path(sample_drivers.__file__).with_name("bridge.py")
exec(compile(_SOURCE.read_text(encoding="utf-8"), __file__, "exec", dont_inherit=True), globals())

HEADERS: Final = 34
"""Ethernet and the fixed part of IPv4; the addresses are its bytes 0, 6, 26 and 30."""
IPV4: Final = b"\x08\x00"

BridgeReceiveFromPort: Final = globals()["BridgeReceive"]


def SwapAddresses(first: Any) -> None:
    """Let the frames of a chain go the other way."""
    while first is not None:
        frame = first.FirstNetBuffer
        header: Any = NdisGetDataBuffer(frame, HEADERS, None, 1, 0)
        if header is not None:
            SwapInPlace(header)
        elif NdisGetDataBuffer(frame, HEADERS, storage := bytearray(HEADERS), 1, 0) is not None:
            SwapInPlace(storage)
            WriteHeaders(frame, storage)
        first = first.Next


def SwapInPlace(header: Any) -> None:
    """Swap the addresses of an IPv4 frame; others go nowhere."""
    if header[12:14] == IPV4:
        header[:12] = bytes(header[6:12]) + bytes(header[:6])
        header[26:34] = bytes(header[30:34]) + bytes(header[26:30])


def WriteHeaders(frame: Any, headers: bytearray) -> None:
    """Put headers back that lie in several MDLs."""
    mdl, offset, at = frame.CurrentMdl, frame.CurrentMdlOffset, 0
    while at < HEADERS:
        piece = headers[at : at + mdl.ByteCount - offset]
        mdl.MappedSystemVa[offset : offset + len(piece)] = piece
        mdl, offset, at = mdl.Next, 0, at + len(piece)


@PROTOCOL_RECEIVE_NET_BUFFER_LISTS
def BridgeReceive(
    Port: Any, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, NumberOfNetBufferLists: int, ReceiveFlags: int
) -> None:
    """Send a chain back; what was only lent is given back as it came."""
    SwapAddresses(NetBufferLists)
    BridgeReceiveFromPort(Port, NetBufferLists, PortNumber, NumberOfNetBufferLists, ReceiveFlags)
    if ReceiveFlags & NDIS_RECEIVE_FLAGS_RESOURCES:
        SwapAddresses(NetBufferLists)


def BridgeRoute(Port: Any, Frames: list[Any]) -> tuple[list[tuple[Any, list[int]]], set[int]]:
    """Every frame goes to the port that it came from; with the lock held."""
    if not Port.Running:
        return [], set()
    InterlockedExchangeAdd(Port.References, len(Frames))
    return [(Port, list(range(len(Frames))))], set()
