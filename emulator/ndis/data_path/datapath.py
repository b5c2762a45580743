"""The data path's DDI: send, complete, indicate, return, cancel.

Law: a call is a plain call of the next driver's handler in the caller's context.  What there is to it has been put
together when the stack was compiled (edges.py, hand_offs.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.platform import current
from emulator.ndis.data_path.crossings import enter2
from emulator.ndis.data_path.stacks import binding_view
from emulator.ndis.gates.ddi import FILTER, INTERMEDIATE, MINIPORT, PROTOCOL, GateKind, ddi
from emulator.ndis.headers.handles import AdapterHandle, BindingHandle
from emulator.rules.irql import AT_MOST_DISPATCH

if TYPE_CHECKING:
    from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST

_RULES = ("Irql_SendRcv_Function",)
_PARTIAL_IDS = 0x30


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL | INTERMEDIATE, rules=_RULES, gate=GateKind.EDGE)
def NdisSendNetBufferLists(
    NdisBindingHandle: BindingHandle, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, SendFlags: int, /
) -> None:
    """Send a chain of lists through a binding; each list's SourceHandle is the binding handle.

    They belong to the layers below until ProtocolSendNetBufferListsComplete has them, which may be before this returns.
    """
    current.context.datapath.bindings[NdisBindingHandle].hand_down(NetBufferLists, PortNumber, SendFlags)


@ddi(
    irql=AT_MOST_DISPATCH,
    callers=MINIPORT | INTERMEDIATE,
    rules=(*_RULES, "NdisTimedDataHang", "NdisTimedDataSend"),
    gate=GateKind.EDGE,
)
def NdisMSendNetBufferListsComplete(
    MiniportAdapterHandle: AdapterHandle, NetBufferList: NET_BUFFER_LIST, SendCompleteFlags: int, /
) -> None:
    """Give sent lists back to those who sent them, each once, in any order and grouping, with Status set."""
    current.context.datapath.adapters[MiniportAdapterHandle].complete_up(NetBufferList, SendCompleteFlags)


@ddi(irql=AT_MOST_DISPATCH, callers=MINIPORT | INTERMEDIATE, rules=_RULES, gate=GateKind.EDGE)
def NdisMIndicateReceiveNetBufferLists(
    MiniportAdapterHandle: AdapterHandle,
    NetBufferList: NET_BUFFER_LIST,
    PortNumber: int,
    NumberOfNetBufferLists: int,
    ReceiveFlags: int,
    /,
) -> None:
    """Indicate received frames: one NET_BUFFER a list, SourceHandle the adapter handle.

    They come back through MiniportReturnNetBufferLists, perhaps before this returns; with NDIS_RECEIVE_FLAGS_RESOURCES
    they are only lent and are the miniport's again when it returns.
    """
    current.context.datapath.adapters[MiniportAdapterHandle].hand_up(
        NetBufferList, PortNumber, NumberOfNetBufferLists, ReceiveFlags
    )


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL | INTERMEDIATE, rules=_RULES, gate=GateKind.EDGE)
def NdisReturnNetBufferLists(
    NdisBindingHandle: BindingHandle, NetBufferLists: NET_BUFFER_LIST, ReturnFlags: int, /
) -> None:
    """Give received lists back to the miniport; never those that came with NDIS_RECEIVE_FLAGS_RESOURCES."""
    current.context.datapath.bindings[NdisBindingHandle].return_down(NetBufferLists, ReturnFlags)


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL | INTERMEDIATE, rules=_RULES)
def NdisCancelSendNetBufferLists(NdisBindingHandle: BindingHandle, CancelId: Any, /) -> None:
    """Ask for sends with a cancel id to be completed with NDIS_STATUS_SEND_ABORTED, where they are still queued."""
    context = current.context
    below = binding_view(context, NdisBindingHandle, "NdisCancelSendNetBufferLists").stack
    cancel, value = below.cancels
    if cancel.function is not None:
        enter2(context, cancel, value, CancelId)


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL | FILTER, rules=("Irql_Miscellaneous_Function",))
def NdisGeneratePartialCancelId() -> int:
    """The byte for the highest place of a driver's cancel ids, which no other driver of the machine gets."""
    return _PARTIAL_IDS + current.context.driver % _PARTIAL_IDS


__all__ = [
    "NdisCancelSendNetBufferLists",
    "NdisGeneratePartialCancelId",
    "NdisMIndicateReceiveNetBufferLists",
    "NdisMSendNetBufferListsComplete",
    "NdisReturnNetBufferLists",
    "NdisSendNetBufferLists",
]
