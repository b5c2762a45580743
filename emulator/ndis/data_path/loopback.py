"""Frames that NDIS gives back to those above the adapter that sends them.

Law: the adapter's own packet filter decides which, and the sender and NO_LOCAL who gets them; the miniport has said
that it loops nothing back itself (NDIS_MAC_OPTION_NO_LOOPBACK).  A looped frame is a copy that is lent.  Where nobody
asks for all that is sent, only sends with NDIS_SEND_FLAGS_CHECK_FOR_LOOPBACK come here.
Source: nbl.md of the dossier, section 3 (network/looping-back-ndis-packets.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.layout.handles import HandleKind
from emulator.ndis.buffers.data_access import buffers_of, gather
from emulator.ndis.buffers.derived_lists import own_pool
from emulator.ndis.buffers.mdl import make_with_data, release
from emulator.ndis.buffers.pools import NdisFreeNetBufferList, take_list
from emulator.ndis.data_path import datapath_slow as slow
from emulator.ndis.data_path.crossings import NESTING_LIMIT
from emulator.ndis.headers.constants import (
    NDIS_MAC_OPTION_NO_LOOPBACK,
    NDIS_NBL_FLAGS_IS_LOOPBACK_PACKET,
    NDIS_PACKET_TYPE_ALL_LOCAL,
    NDIS_PACKET_TYPE_NO_LOCAL,
    NDIS_PACKET_TYPE_PROMISCUOUS,
    NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL,
    NDIS_RECEIVE_FLAGS_RESOURCES,
    NDIS_SEND_FLAGS_CHECK_FOR_LOOPBACK,
)
from emulator.ndis.plug_and_play.handlers import FILTER_RECEIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from emulator.kernel.context import Context
    from emulator.ndis.buffers.net_buffers import NET_BUFFER, NET_BUFFER_LIST
    from emulator.ndis.data_path.stacks import Stack

_ASKS: Final = NDIS_PACKET_TYPE_PROMISCUOUS | NDIS_PACKET_TYPE_NO_LOCAL


def asks_for_all(context: Context, stack: Stack, modules: Iterable[Any]) -> bool:
    """Does a binding want what others send, with others there to send or to see it?"""
    adapter = _adapter_of(context, stack)
    if not adapter.mac_options & NDIS_MAC_OPTION_NO_LOOPBACK:
        return False
    asked = any(
        binding.filter & _ASKS == NDIS_PACKET_TYPE_PROMISCUOUS or binding.filter & NDIS_PACKET_TYPE_ALL_LOCAL
        for binding in stack.bindings
    )
    return asked and (len(stack.bindings) > 1 or any(_receives(context, module) for module in modules))


def install(stack: Stack) -> None:
    """Look at every frame that reaches the miniport; before filters are put above it."""
    target, context = stack.send, stack.path.context
    function: Callable[..., Any] | None = target.function
    if function is None:
        return
    stack.loops = True

    def send(value: Any, first: NET_BUFFER_LIST, port: int, flags: int) -> None:
        loop_back(context, stack, first, port, flags)
        function(value, first, port, flags)

    stack.send = target.around(send)


def loop_back(context: Context, stack: Stack, first: NET_BUFFER_LIST, port: int, flags: int) -> None:
    """Lend copies of the frames that the adapter's filter accepts to the drivers above, before they are sent.

    Nothing where a loop of drivers that answer what they send themselves is too deep.
    """
    path = context.datapath
    adapter = _adapter_of(context, stack)
    if not adapter.mac_options & NDIS_MAC_OPTION_NO_LOOPBACK or context.nesting >= NESTING_LIMIT:
        return
    outer = path.looping
    nbl: NET_BUFFER_LIST | None = first
    while nbl is not None:
        copies = [_copy(context, stack, buffer) for buffer in buffers_of(nbl) if slow.accepts(context, adapter, buffer)]
        path.looping = nbl.SourceHandle or 0, bool(flags & NDIS_SEND_FLAGS_CHECK_FOR_LOOPBACK)
        try:
            for copy in copies:
                if copy is not None:
                    how = NDIS_RECEIVE_FLAGS_RESOURCES | slow.at_dispatch(context, NDIS_RECEIVE_FLAGS_DISPATCH_LEVEL)
                    slow.unusual_indicate(context, stack, copy, port, how)
                    _free(context, copy)
        finally:
            path.looping = outer
        nbl = nbl.Next


def _copy(context: Context, stack: Stack, buffer: NET_BUFFER) -> NET_BUFFER_LIST | None:
    mdl = make_with_data(context, buffer.DataLength, driver=0)
    nbl = take_list(context, own_pool(context, HandleKind.NET_BUFFER_LIST_POOL, "NDIS")) if mdl is not None else None
    if nbl is None or mdl is None or nbl._buffer is None:
        if mdl is not None:
            release(context, mdl)
        return None
    gather(buffer, 0, mdl.MappedSystemVa)
    made = nbl.FirstNetBuffer = nbl._buffer
    made.Next = None
    made.MdlChain = made.CurrentMdl = mdl
    made.DataOffset = made.CurrentMdlOffset = 0
    made.DataLength = buffer.DataLength
    nbl.SourceHandle, nbl.NblFlags, nbl._owner = stack.handle, NDIS_NBL_FLAGS_IS_LOOPBACK_PACKET, stack.driver
    return nbl


def _free(context: Context, nbl: NET_BUFFER_LIST) -> None:
    buffer = nbl.FirstNetBuffer
    if buffer is not None and buffer.MdlChain is not None:
        release(context, buffer.MdlChain)
        buffer.MdlChain = buffer.CurrentMdl = None
    nbl._owner = context.driver
    NdisFreeNetBufferList(nbl)


def _adapter_of(context: Context, stack: Stack) -> Any:
    return context.machine.objects[HandleKind.ADAPTER].records[stack.index]


def _receives(context: Context, module: Any) -> bool:
    table = context.machine.objects[HandleKind.FILTER_DRIVER]
    driver = table.find(module.filter_driver, HandleKind.FILTER_DRIVER)
    return driver is not None and bool(driver.handlers[FILTER_RECEIVE])
