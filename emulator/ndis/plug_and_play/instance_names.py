"""The names under which adapters are known: for a miniport, for a binding, and for a bind in progress.

Law: a name comes in a buffer of the driver's, which gives it back with NdisFreeMemory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.kernel.platform import current
from emulator.layout.handles import HandleKind
from emulator.ndis.gates.ddi import MINIPORT, PROTOCOL, ddi
from emulator.ndis.headers.status import NDIS_STATUS, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from emulator.ndis.plug_and_play import bindings
from emulator.ndis.plug_and_play.adapters import adapter_of, text_of, wrong_handle
from emulator.ndis.services.strings import UNICODE_STRING, allocate_buffer
from emulator.rules.irql import AT_MOST_DISPATCH, AT_PASSIVE

if TYPE_CHECKING:
    from emulator.ndis.headers.handles import AdapterHandle, BindContext, BindingHandle

NAME_TAG: Final = int.from_bytes(b"NDnm", "little")


class QueriedName(NamedTuple):
    """What the functions of this file give."""

    Status: NDIS_STATUS
    pAdapterInstanceName: UNICODE_STRING | None


@ddi(irql=AT_PASSIVE, callers=MINIPORT, rules=("Irql_Miniport_Driver_Function",), acquires="string")
def NdisMQueryAdapterInstanceName(MiniportHandle: AdapterHandle, /) -> QueriedName:
    """The name of a miniport's adapter; RESOURCES without memory."""
    return _named(adapter_of(current.context, MiniportHandle, "NdisMQueryAdapterInstanceName"))


@ddi(irql=AT_MOST_DISPATCH, rules=("Irql_Miscellaneous_Function",), acquires="string")
def NdisQueryAdapterInstanceName(NdisBindingHandle: BindingHandle, /) -> QueriedName:
    """The name of the adapter that a binding is to; RESOURCES without memory."""
    context = current.context
    binding = bindings.binding_of(context, NdisBindingHandle, "NdisQueryAdapterInstanceName")
    return _named(context.machine.objects[HandleKind.ADAPTER].records[binding.adapter])


@ddi(irql=AT_MOST_DISPATCH, callers=PROTOCOL, rules=("NdisQueryBindInstanceName",), acquires="string")
def NdisQueryBindInstanceName(BindingContext: BindContext, /) -> QueriedName:
    """The name of the adapter of a bind in progress; RESOURCES without memory."""
    adapter = bindings.operation_in_progress(current.context, BindingContext, HandleKind.BIND_CONTEXT)
    if adapter is None:
        wrong_handle(BindingContext, HandleKind.BIND_CONTEXT, "NdisQueryBindInstanceName")
    return _named(adapter)


def _named(adapter: Any) -> QueriedName:
    name = UNICODE_STRING()
    if not allocate_buffer(current.context, name, text_of(adapter.name), NAME_TAG):
        return QueriedName(NDIS_STATUS_RESOURCES, None)
    return QueriedName(NDIS_STATUS_SUCCESS, name)


__all__ = ["NdisMQueryAdapterInstanceName", "NdisQueryAdapterInstanceName", "NdisQueryBindInstanceName"]
