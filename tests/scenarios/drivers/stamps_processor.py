"""hello on an adapter that scales receive: each answer tells on which processor its frame was received, and its hash.

Law: all but the stamp is hello's own source, included as a header would be.  A frame's bytes 46 to 55 are replaced: the
processor, the hash function, the hash types, and the hash.
"""

from __future__ import annotations

from pathlib import Path
from struct import Struct
from typing import Any, Final

from emulator.ndis import *
from sample_drivers.hello import BINDING
from tests.bad_drivers.include import include

include(globals(), Path(__file__).parents[3] / "sample_drivers" / "hello.py")
STAMP: Final = Struct("<BBII")
STAMP_AT: Final = 46
ReceiveRest = globals()["HelloReceive"]


@PROTOCOL_RECEIVE_NET_BUFFER_LISTS
def HelloReceive(
    Binding: BINDING, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, NumberOfNetBufferLists: int, ReceiveFlags: int
) -> None:
    """Stamp the frames, and answer them."""
    processor = NdisCurrentGroupAndProcessor().Number
    nbl: Any = NetBufferLists
    while nbl is not None:
        data = NdisGetDataBuffer(nbl.FirstNetBuffer, STAMP_AT + STAMP.size, None, 1, 0)
        if data is not None:
            function, types = NET_BUFFER_LIST_GET_HASH_FUNCTION(nbl), NET_BUFFER_LIST_GET_HASH_TYPE(nbl)
            STAMP.pack_into(data, STAMP_AT, processor, function, types, NET_BUFFER_LIST_GET_HASH_VALUE(nbl))
        nbl = nbl.Next
    ReceiveRest(Binding, NetBufferLists, PortNumber, NumberOfNetBufferLists, ReceiveFlags)
