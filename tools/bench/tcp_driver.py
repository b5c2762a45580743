"""The protocol driver of the TCP benchmark: a bridge of one port, which sends each frame back the way that it came.

Law: bridge as it is, but for where a frame goes: both ends of a connection lie on the same side of the adapter, so the
addresses of Ethernet and of IPv4 change places, as c/copier.c does it on one TAP.  No checksum changes by that.
"""

# A driver: Microsoft's names, and the star import by which it includes a header.
# ruff: noqa: F403, F405, N802, N803

from __future__ import annotations

from pathlib import Path
from struct import Struct
from typing import Any, Final

import sample_drivers
from emulator.ndis import *

_SOURCE: Final = Path(sample_drivers.__file__).with_name("bridge.py")
exec(compile(_SOURCE.read_text(encoding="utf-8"), __file__, "exec", dont_inherit=True), globals())

HEADERS: Final = Struct("6s6s2s12s4s4s")
"""Ethernet and the fixed part of IPv4: pairs of addresses, the type, and what lies between."""
IPV4: Final = b"\x08\x00"
BridgeCarry, BridgeLink, BridgeDereference = (
    globals()[name] for name in ("BridgeCarry", "BridgeLink", "BridgeDereference")
)


def SwapAddresses(first: Any) -> list[Any]:
    """Let the frames of a chain go the other way; its lists."""
    lists: list[Any] = []
    while first is not None:
        lists.append(first)
        frame = first.FirstNetBuffer
        mdl, offset = frame.CurrentMdl, frame.CurrentMdlOffset
        if HEADERS.size <= frame.DataLength and HEADERS.size <= mdl.ByteCount - offset:
            SwapInPlace(mdl.MappedSystemVa, offset)
        elif NdisGetDataBuffer(frame, HEADERS.size, storage := bytearray(HEADERS.size), 1, 0) is not None:
            SwapInPlace(storage, 0)
            WriteHeaders(frame, storage)
        first = first.Next
    return lists


def SwapInPlace(memory: Any, at: int) -> None:
    """Swap the addresses of an IPv4 frame; others go nowhere."""
    target, source, kind, between, sender, receiver = HEADERS.unpack_from(memory, at)
    if kind == IPV4:
        HEADERS.pack_into(memory, at, source, target, kind, between, receiver, sender)


def WriteHeaders(frame: Any, headers: bytearray) -> None:
    """Put headers back that lie in several MDLs."""
    mdl, offset, at = frame.CurrentMdl, frame.CurrentMdlOffset, 0
    while at < HEADERS.size:
        piece = headers[at : at + mdl.ByteCount - offset]
        mdl.MappedSystemVa[offset : offset + len(piece)] = piece
        mdl, offset, at = mdl.Next, 0, at + len(piece)


@PROTOCOL_RECEIVE_NET_BUFFER_LISTS
def BridgeReceive(
    Port: Any, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, NumberOfNetBufferLists: int, ReceiveFlags: int
) -> None:
    """Send a chain back by the port that it came from; what was only lent is given back as it came."""
    frames = SwapAddresses(NetBufferLists)
    lent = ReceiveFlags & NDIS_RECEIVE_FLAGS_RESOURCES
    places = list(range(len(frames))) if Port.Running else []
    # Each frame holds the port once as received, and once as one to be sent.
    InterlockedExchangeAdd(Port.References, len(frames) + len(places))
    held, first = BridgeCarry(Port, Port, frames, places, set(places) if lent else set())
    if first is not None:
        flags = ReceiveFlags & NDIS_SEND_FLAGS_DISPATCH_LEVEL
        NdisSendNetBufferLists(Port.Handle, first, NDIS_DEFAULT_PORT_NUMBER, flags)
    if len(held) < len(frames):
        returned = [frames[place] for place in sorted(set(range(len(frames))).difference(held))]
        if lent:
            SwapAddresses(NetBufferLists)
        else:
            flags = ReceiveFlags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL
            NdisReturnNetBufferLists(Port.Handle, BridgeLink(returned), flags)
        BridgeDereference(Port, len(returned))
