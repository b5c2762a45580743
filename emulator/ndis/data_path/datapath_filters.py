"""The data path's DDI of filter drivers: send, complete, indicate, return, cancel.

Law: as datapath.py; what a filter may hand on, and where it goes, is in filter_edges.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.platform import current
from emulator.ndis.data_path.crossings import enter2
from emulator.ndis.data_path.filter_views import module_view
from emulator.ndis.gates.ddi import FILTER, GateKind, ddi
from emulator.ndis.headers.handles import FilterModuleHandle
from emulator.rules.irql import AT_MOST_DISPATCH

if TYPE_CHECKING:
    from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST

_RULES = ("Irql_Filter_Driver_Function",)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER, rules=_RULES, gate=GateKind.EDGE)
def NdisFSendNetBufferLists(
    NdisFilterHandle: FilterModuleHandle, NetBufferList: NET_BUFFER_LIST, PortNumber: int, SendFlags: int, /
) -> None:
    """Send lists on to what is below the module, or lists of its own, whose SourceHandle is the filter handle.

    Without FilterSendNetBufferListsComplete a module may originate none.
    """
    current.context.datapath.modules[NdisFilterHandle].hand_down(NetBufferList, PortNumber, SendFlags)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER, rules=_RULES, gate=GateKind.EDGE)
def NdisFSendNetBufferListsComplete(
    NdisFilterHandle: FilterModuleHandle, NetBufferList: NET_BUFFER_LIST, SendCompleteFlags: int, /
) -> None:
    """Give sent lists back to what is above the module: those that came back to it, or that it did not send on."""
    current.context.datapath.modules[NdisFilterHandle].complete_up(NetBufferList, SendCompleteFlags)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER, rules=_RULES, gate=GateKind.EDGE)
def NdisFIndicateReceiveNetBufferLists(
    NdisFilterHandle: FilterModuleHandle,
    NetBufferLists: NET_BUFFER_LIST,
    PortNumber: int,
    NumberOfNetBufferLists: int,
    ReceiveFlags: int,
    /,
) -> None:
    """Indicate lists to what is above the module, or lists of its own, whose SourceHandle is the filter handle.

    What came with NDIS_RECEIVE_FLAGS_RESOURCES goes on with it; a module may set the flag, and has the lists back then.
    """
    current.context.datapath.modules[NdisFilterHandle].hand_up(
        NetBufferLists, PortNumber, NumberOfNetBufferLists, ReceiveFlags
    )


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER, rules=_RULES, gate=GateKind.EDGE)
def NdisFReturnNetBufferLists(
    NdisFilterHandle: FilterModuleHandle, NetBufferLists: NET_BUFFER_LIST, ReturnFlags: int, /
) -> None:
    """Give received lists back to what is below the module; never its own, and none that it was only lent."""
    current.context.datapath.modules[NdisFilterHandle].return_down(NetBufferLists, ReturnFlags)


@ddi(irql=AT_MOST_DISPATCH, callers=FILTER, rules=_RULES)
def NdisFCancelSendNetBufferLists(NdisFilterHandle: FilterModuleHandle, CancelId: Any, /) -> None:
    """Pass the cancelling of sends on to what is below the module."""
    context = current.context
    below = module_view(context, NdisFilterHandle, "NdisFCancelSendNetBufferLists").stack
    cancel, value = below.cancels
    if cancel.function is not None:
        enter2(context, cancel, value, CancelId)


__all__ = [
    "NdisFCancelSendNetBufferLists",
    "NdisFIndicateReceiveNetBufferLists",
    "NdisFReturnNetBufferLists",
    "NdisFSendNetBufferLists",
    "NdisFSendNetBufferListsComplete",
]
