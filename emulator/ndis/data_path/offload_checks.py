"""The checked build's look at what a sender asks an adapter to offload, before the miniport has it.

Law: put around the send handler of an adapter with offload attributes when its stack is compiled, so that no other
adapter pays for it.  What NDIS demands of the sender is a stop with his name; what depends on what is on at the moment
is the miniport's to refuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.ndis.buffers.ownership import wrong_link
from emulator.ndis.control_path.remembered import REMEMBERED
from emulator.ndis.data_path.stacks import Binding
from emulator.ndis.headers.constants import (
    TcpIpChecksumNetBufferListInfo,
    TcpLargeSendNetBufferListInfo,
    UdpSegmentationOffloadInfo,
)
from emulator.ndis.headers.oids import OID_TCP_OFFLOAD_CURRENT_CONFIG

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST
    from emulator.ndis.data_path.stacks import Stack

_PLACE: Final = REMEMBERED[OID_TCP_OFFLOAD_CURRENT_CONFIG]
_MSS: Final = 0xF_FFFF
_OFFSET_SHIFT, _OFFSET = 20, 0x3FF
_SECOND: Final = 1 << 30
_BOTH: Final = 0x3
_SHORTEST_TCP, _UDP = 20, 8


def offers(adapter: Any) -> bool:
    """Has the miniport set offload attributes?"""
    return bool(adapter.remembered[_PLACE])


def install(stack: Stack) -> None:
    """Look at each list with out-of-band information that this stack's miniport is to send."""
    context, target = stack.path.context, stack.send
    function = target.function
    if function is None:
        return

    def send(value: Any, first: NET_BUFFER_LIST, port: int, flags: int) -> None:
        nbl: NET_BUFFER_LIST | None = first
        while nbl is not None:
            if nbl._info:
                fault = _fault(nbl)
                if fault is not None:
                    _stop(context, nbl, fault)
            nbl = nbl.Next
        function(value, first, port, flags)

    stack.send = target.around(send)


def _fault(nbl: NET_BUFFER_LIST) -> str | None:
    information = nbl.NetBufferListInfo
    large, datagrams = information[TcpLargeSendNetBufferListInfo], information[UdpSegmentationOffloadInfo]
    if (information[TcpIpChecksumNetBufferListInfo] or 0) & _BOTH == _BOTH:
        return "asks for checksums of IPv4 and of IPv6; its frames are of one of them"
    asked = large or datagrams
    buffer = nbl.FirstNetBuffer
    if not asked or buffer is None or buffer.CurrentMdl is None:
        return None
    if not asked & _MSS:
        return "is to be cut into segments of no bytes (MSS is 0)"
    if buffer.Next is not None and (datagrams or large & _SECOND):
        return "is to be cut by the adapter and has more than one NET_BUFFER"
    end = (asked >> _OFFSET_SHIFT & _OFFSET) + (_UDP if datagrams else _SHORTEST_TCP)
    if end > buffer.CurrentMdl.ByteCount - buffer.CurrentMdlOffset:
        return "is to be cut by the adapter, and its headers do not lie in the first MDL"
    return None


def _stop(context: Context, nbl: NET_BUFFER_LIST, fault: str) -> None:
    source = context.datapath.views.get(nbl.SourceHandle or 0)
    if isinstance(source, Binding):
        context.driver = source.driver
    wrong_link(context, nbl, f"A NET_BUFFER_LIST was sent that {fault}.")


__all__: list[str] = []
