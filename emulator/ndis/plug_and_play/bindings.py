"""Protocol bindings: opening and closing an adapter, and the completions that a protocol owes NDIS.

Law: an adapter is opened while ProtocolBindAdapterEx or a bind that it left pending is in progress, in whichever
context; it is closed likewise while it is unbound, or while the bind fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel.lanes import wake_lane
from emulator.kernel.platform import current
from emulator.kernel.pointers import encode
from emulator.kernel.stop import site_of, stop
from emulator.layout.handles import INDEX_MASK, KIND_SHIFT, HandleKind, make_handle
from emulator.layout.machine import ContextKind, SystemLock
from emulator.ndis.gates.ddi import PROTOCOL, ddi
from emulator.ndis.gates.refusals import header_refused
from emulator.ndis.headers.handles import BindContext, BindingHandle, ProtocolDriverHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_ADAPTER_NOT_FOUND,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_PENDING,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
    NDIS_STATUS_UNSUPPORTED_MEDIA,
)
from emulator.ndis.plug_and_play.adapters import (
    adapter_handle,
    complete,
    object_of,
    publish_change,
    text_of,
    wrong_handle,
)
from emulator.ndis.plug_and_play.binding_opens import pends
from emulator.rules.irql import AT_MOST_DISPATCH, AT_PASSIVE
from emulator.rules.states import BindingState

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.headers.structures import NDIS_OPEN_PARAMETERS, NET_PNP_EVENT_NOTIFICATION

MEDIUM_802_3 = 0
WAITING, COMPLETED = 1, 2
OPENING = 1
"""In place of the binding's handle, while it is made."""
NDIS_MAX_FRAME_TYPES_PER_OPEN = 4


class OpenedAdapter(NamedTuple):
    """What NdisOpenAdapterEx gives."""

    Status: NDIS_STATUS
    NdisBindingHandle: BindingHandle | None


@ddi(irql=AT_PASSIVE, callers=PROTOCOL, rules=("Irql_Protocol_Driver_Function",), acquires="binding")
def NdisOpenAdapterEx(
    NdisProtocolHandle: ProtocolDriverHandle,
    ProtocolBindingContext: Any,
    OpenParameters: NDIS_OPEN_PARAMETERS,
    BindContext: BindContext,
    /,
) -> OpenedAdapter:
    """Open the adapter that ProtocolBindAdapterEx was called for.

    PENDING, where the machine's file says opens_pend: ProtocolOpenAdapterCompleteEx is called when the caller waits, or
    has returned, and the handle is of no use (0x7C/0x21) before.
    ADAPTER_NOT_FOUND for another name than that of the bind parameters, UNSUPPORTED_MEDIA when MediumArray has no
    Ethernet, FAILURE for more than four frame types, which are a hint and change nothing here.  Bug check 0x7C/0x16
    outside the bind that BindContext names, and for a second open in it.
    """
    context = current.context
    object_of(context, NdisProtocolHandle, HandleKind.PROTOCOL_DRIVER, "NdisOpenAdapterEx")
    adapter = _bind_in_progress(context, NdisProtocolHandle, BindContext)
    given = OpenParameters
    if header_refused(context, "NdisOpenAdapterEx", given):
        return OpenedAdapter(NDIS_STATUS_INVALID_PARAMETER, None)
    if given.AdapterName != text_of(adapter.name):
        return OpenedAdapter(NDIS_STATUS_ADAPTER_NOT_FOUND, None)
    if given.FrameTypeArraySize > NDIS_MAX_FRAME_TYPES_PER_OPEN:
        return OpenedAdapter(NDIS_STATUS_FAILURE, None)
    if MEDIUM_802_3 not in list(given.MediumArray)[: given.MediumArraySize]:
        return OpenedAdapter(NDIS_STATUS_UNSUPPORTED_MEDIA, None)
    given.SelectedMediumIndex = list(given.MediumArray).index(MEDIUM_802_3)
    _claim_bind(context, adapter, NdisProtocolHandle, BindContext)
    table = context.machine.objects[HandleKind.BINDING]
    parent = adapter_handle(context, adapter)
    made = table.allocate(HandleKind.BINDING, driver=context.driver, parent=parent, site=context.site)
    if made is None:
        adapter.opened = 0
        return OpenedAdapter(NDIS_STATUS_RESOURCES, None)
    handle, binding = made
    binding.adapter = parent & INDEX_MASK
    binding.protocol = NdisProtocolHandle
    binding.context = encode(context, ProtocolBindingContext)
    binding.packet_filter = 0
    binding.lookahead = binding.multicast_count = 0
    binding.completion = 0
    binding.flags = 0
    binding.event_slot = binding.closing = binding.opening = binding.unbind_wanted = 0
    binding.state = BindingState.OPENING
    if not _opened(context, adapter, BindContext, handle):
        table.free(handle, site=context.site)
        _not_in_progress(NdisProtocolHandle, BindContext)
    adapter.bindings += 1
    publish_change(context, adapter)
    if context.machine.geometry.opens_pend:
        pends(context, binding)
        return OpenedAdapter(NDIS_STATUS_PENDING, BindingHandle(handle))
    return OpenedAdapter(NDIS_STATUS_SUCCESS, BindingHandle(handle))


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL, rules=("Irql_Protocol_Driver_Function",))
def NdisCompleteBindAdapterEx(BindAdapterContext: BindContext, Status: NDIS_STATUS, /) -> None:
    """Complete a bind that returned PENDING."""
    _complete(BindAdapterContext, HandleKind.BIND_CONTEXT, "NdisCompleteBindAdapterEx", Status)


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL, rules=("Irql_Protocol_Driver_Function",))
def NdisCompleteUnbindAdapterEx(UnbindContext: BindContext, /) -> None:
    """Complete an unbind that returned PENDING."""
    _complete(UnbindContext, HandleKind.UNBIND_CONTEXT, "NdisCompleteUnbindAdapterEx", NDIS_STATUS_SUCCESS)


@ddi(irql=AT_PASSIVE, callers=PROTOCOL, rules=("Irql_Protocol_Driver_Function",))
def NdisCompleteNetPnPEvent(
    NdisBindingHandle: BindingHandle, NetPnPEventNotification: NET_PNP_EVENT_NOTIFICATION, Status: NDIS_STATUS, /
) -> None:
    """Complete a NetPnPEvent that returned PENDING.  Bug check 0x7C/0x22 when none is pending."""
    del NetPnPEventNotification
    context = current.context
    binding = binding_of(context, NdisBindingHandle, "NdisCompleteNetPnPEvent")
    if binding.completion != WAITING or Status == NDIS_STATUS_PENDING:
        stop(0x7C, 0x22, NdisBindingHandle, text="A PnP event was completed that is not pending.")
    binding.completion_status = Status & 0xFFFF_FFFF
    complete(context, binding, "completion", COMPLETED)


def binding_of(context: Context, handle: int | None, name: str = "") -> Any:
    """The record of an open binding's handle; 0x7C/0x21 for anything else, and for one that is opening or closing."""
    binding = context.machine.objects[HandleKind.BINDING].find(handle, HandleKind.BINDING)
    if binding is None or binding.closing or binding.opening:
        wrong_handle(handle, HandleKind.BINDING, name)
    return binding


def begin_operation(context: Context, adapter: Any, kind: HandleKind, handle: int, protocol: int) -> int:
    """A bind or an unbind of an adapter begins; the context handle by which the protocol names it."""
    platform = context.platform
    platform.acquire(SystemLock.STACKS)
    adapter.operations += 1
    adapter.operation_of = protocol
    adapter.opened = 0
    adapter.completion = WAITING
    adapter.operation = make_handle(kind, adapter.operations, handle & INDEX_MASK)
    platform.release(SystemLock.STACKS)
    return adapter.operation  # type: ignore[no-any-return]


def end_operation(context: Context, adapter: Any) -> int:
    """It is over; the handle of the binding that was opened in it, or 0."""
    platform = context.platform
    platform.acquire(SystemLock.STACKS)
    opened: int = adapter.opened
    adapter.operation = adapter.operation_of = adapter.opened = adapter.completion = 0
    platform.release(SystemLock.STACKS)
    return opened


def completed_and_returned(name: str, handle: int) -> None:
    """The protocol has completed what it did not leave pending."""
    kind = handle >> KIND_SHIFT
    stop(0x7C, 0x21, handle, kind, text=f"{name} returned another status than PENDING and was completed as well.")


def operation_in_progress(context: Context, handle: int | None, kind: HandleKind) -> Any:
    """The adapter of the bind or unbind in progress that a context handle names, or None."""
    table = context.machine.objects[HandleKind.ADAPTER]
    place = (handle or 0) & INDEX_MASK
    if (handle or 0) >> KIND_SHIFT != kind or place >= table.capacity:
        return None
    adapter = table.records[place]
    return adapter if adapter.operation == handle and adapter.completion == WAITING else None


def _bind_in_progress(context: Context, protocol: int, bind_context: int | None) -> Any:
    adapter = operation_in_progress(context, bind_context, HandleKind.BIND_CONTEXT)
    if adapter is None or adapter.operation_of != protocol:
        _not_in_progress(protocol, bind_context)
    return adapter


def _not_in_progress(protocol: int, bind_context: int | None) -> None:
    stop(
        0x7C,
        0x16,
        protocol,
        bind_context or 0,
        text="NdisOpenAdapterEx was called while the bind that its bind context belongs to is not in progress.",
    )


def _claim_bind(context: Context, adapter: Any, protocol: int, bind_context: int) -> None:
    """Of several contexts that open in one bind only one may."""
    platform = context.platform
    platform.acquire(SystemLock.STACKS)
    before = adapter.opened
    adapter.opened = before or OPENING
    platform.release(SystemLock.STACKS)
    if before:
        binding = context.machine.objects[HandleKind.BINDING].find(before, HandleKind.BINDING)
        sites = [site_of(context, "opened the first time", binding.head.allocated_site)] if binding is not None else []
        text = "NdisOpenAdapterEx was called a second time in one bind."
        stop(0x7C, 0x16, protocol, bind_context, before, text=text, sites=sites)


def _opened(context: Context, adapter: Any, bind_context: int, handle: int) -> bool:
    """Tell the PnP thread which binding it is; False when the bind was completed meanwhile."""
    platform = context.platform
    platform.acquire(SystemLock.STACKS)
    in_time: bool = adapter.operation == bind_context and adapter.completion == WAITING
    if in_time:
        adapter.opened = handle
    platform.release(SystemLock.STACKS)
    return in_time


def _complete(handle: int | None, kind: HandleKind, name: str, status: int) -> None:
    context = current.context
    platform = context.platform
    platform.acquire(SystemLock.STACKS)
    adapter = operation_in_progress(context, handle, kind)
    if adapter is not None:
        adapter.restart_status = status & 0xFFFF_FFFF
        adapter.completion = COMPLETED
    platform.release(SystemLock.STACKS)
    if adapter is None:
        stop(0x7C, 0x21, handle or 0, kind, text=f"{name}: no such operation is pending.", ddi=name)
    wake_lane(context, ContextKind.PNP)


__all__ = [
    "NdisCompleteBindAdapterEx",
    "NdisCompleteNetPnPEvent",
    "NdisCompleteUnbindAdapterEx",
    "NdisOpenAdapterEx",
]
