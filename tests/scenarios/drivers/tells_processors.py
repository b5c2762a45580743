"""ndislwf, which also tells of each large frame that comes up: on which processor, its flow, its hash, its segments.

Law: all but the receive handler is ndislwf's own source, included as a header would be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emulator.ndis import *
from sample_drivers.ndislwf import MS_FILTER
from tests.bad_drivers.include import include

include(globals(), Path(__file__).parents[3] / "sample_drivers" / "ndislwf.py")


@FILTER_RECEIVE_NET_BUFFER_LISTS
def FilterReceiveNetBufferLists(
    Filter: MS_FILTER,
    NetBufferLists: NET_BUFFER_LIST,
    PortNumber: int,
    NumberOfNetBufferLists: int,
    ReceiveFlags: int,
) -> None:
    """Tell, and pass all on."""
    processor = NdisCurrentGroupAndProcessor().Number
    nbl: Any = NetBufferLists
    while nbl is not None:
        segments = nbl.NetBufferListInfo[TcpRecvSegCoalesceInfo]
        if segments:
            kind, value = NET_BUFFER_LIST_GET_HASH_TYPE(nbl), NET_BUFFER_LIST_GET_HASH_VALUE(nbl)
            DbgPrint("large: processor %d kind %#x hash %#x segments %d", processor, kind, value, segments)
        nbl = nbl.Next
    NdisFIndicateReceiveNetBufferLists(
        Filter.FilterHandle, NetBufferLists, PortNumber, NumberOfNetBufferLists, ReceiveFlags
    )
