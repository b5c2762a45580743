"""Reads a header where the first MDL begins, as if the whole of it were there."""

from __future__ import annotations

import struct

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")
HEADERS = struct.Struct("!6s6sHHHI")


def OnReceive(binding: BINDING, nbl: NET_BUFFER_LIST, flags: int) -> None:
    buffer = nbl.FirstNetBuffer
    if buffer is not None and buffer.CurrentMdl is not None:
        if REPAIRED:
            data = NdisGetDataBuffer(buffer, HEADERS.size, bytearray(HEADERS.size), 1, 0)
            if data is not None:
                HEADERS.unpack(data)
        else:
            HEADERS.unpack_from(buffer.CurrentMdl.MappedSystemVa, buffer.CurrentMdlOffset)  # stop
    if not flags & NDIS_RECEIVE_FLAGS_RESOURCES:
        NdisReturnNetBufferLists(binding.Handle, nbl, NDIS_RETURN_FLAGS_DISPATCH_LEVEL)
