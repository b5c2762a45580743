"""Network interface providers: drivers that have interfaces beside those of NDIS, and what they are asked of them.

Law: a provider registers each interface under a NET_LUID of its own, takes it back, and then itself; what it leaves at
its unload is a stop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel.calls import call
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode, encode
from emulator.kernel.stop import site_of, stop
from emulator.layout.control import CONTROL_DATA_BYTES
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.ndis.gates.ddi import PROTOCOL, ddi
from emulator.ndis.gates.refusals import header_refused
from emulator.ndis.gates.returned_status import call_for_status, wrong_result
from emulator.ndis.headers.handles import BindingHandle, InterfaceProviderHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_DUPLICATE_OBJECTID,
    NDIS_STATUS_INTERFACE_NOT_FOUND,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structures_common import handlers_in
from emulator.ndis.headers.structures_interface import (
    NDIS_IF_PROVIDER_CHARACTERISTICS,
    NET_IF_INFORMATION,
    NET_PHYSICAL_LOCATION,
    NIIF_WAN_TUNNEL_TYPE_UNKNOWN,
)
from emulator.ndis.plug_and_play.adapters import object_of, text_of
from emulator.ndis.plug_and_play.bindings import binding_of
from emulator.ndis.plug_and_play.registration import missing, routine_number
from emulator.ndis.services import interfaces
from emulator.rules.control import INTERFACE_INDEX_SHIFT, INTERFACE_LENGTH_SHIFT
from emulator.rules.irql import AT_PASSIVE

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.layout.control import CONTROL

_RULES = ("Irql_Interfaces_Function",)
NDIS_BUG, INVALID_HANDLE = 0x7C, 0x21
VERIFIER, LEFT = 0xC4, 0x62
_HANDLERS = handlers_in(NDIS_IF_PROVIDER_CHARACTERISTICS)
OBJECT_MASK, LENGTH_MASK = 0xFFFF_FFFF, 0xFFFF


class RegisteredProvider(NamedTuple):
    """What NdisIfRegisterProvider gives."""

    Status: NDIS_STATUS
    pNdisIfProviderHandle: InterfaceProviderHandle | None


class RegisteredInterface(NamedTuple):
    """What NdisIfRegisterInterface gives."""

    Status: NDIS_STATUS
    pfIndex: int


class AllocatedIndex(NamedTuple):
    """What NdisIfAllocateNetLuidIndex gives."""

    Status: NDIS_STATUS
    pNetLuidIndex: int


class FoundIndex(NamedTuple):
    """What NdisIfGetInterfaceIndexFromNetLuid gives."""

    Status: NDIS_STATUS
    pIfIndex: int


class FoundLuid(NamedTuple):
    """What NdisIfGetNetLuidFromInterfaceIndex gives."""

    Status: NDIS_STATUS
    pNetLuid: int


class BoundInterfaces(NamedTuple):
    """What NdisIfQueryBindingIfIndex gives."""

    Status: NDIS_STATUS
    pBoundIfIndex: int
    pBoundIfNetLuid: int
    pLowestIfIndex: int
    pLowestIfNetLuid: int


def NDIS_MAKE_NET_LUID(IfType: int, NetLuidIndex: int, /) -> int:
    """The NET_LUID of an interface type and an index from NdisIfAllocateNetLuidIndex (a macro)."""
    return interfaces.make_luid(IfType, NetLuidIndex)


@ddi(irql=AT_PASSIVE, rules=_RULES, acquires="interface provider")
def NdisIfRegisterProvider(
    ProviderCharacteristics: NDIS_IF_PROVIDER_CHARACTERISTICS, IfProviderContext: Any, /
) -> RegisteredProvider:
    """Register as a provider of network interfaces.

    NOT_SUPPORTED for a wrong header, INVALID_PARAMETER without both handlers, RESOURCES.
    """
    context, given = current.context, ProviderCharacteristics
    if header_refused(context, "NdisIfRegisterProvider", given):
        return RegisteredProvider(NDIS_STATUS_NOT_SUPPORTED, None)
    if missing(given, _HANDLERS) is not None:
        return RegisteredProvider(NDIS_STATUS_INVALID_PARAMETER, None)
    numbers = [routine_number(type(given).__name__, name, getattr(given, name)) for name in _HANDLERS]
    value = encode(context, IfProviderContext)
    made = context.machine.objects[HandleKind.INTERFACE_PROVIDER].allocate(
        HandleKind.INTERFACE_PROVIDER, driver=context.driver, parent=0, site=context.site
    )
    if made is None:
        return RegisteredProvider(NDIS_STATUS_RESOURCES, None)
    handle, provider = made
    provider.query, provider.set = numbers
    provider.context = value
    return RegisteredProvider(NDIS_STATUS_SUCCESS, InterfaceProviderHandle(handle))


@ddi(irql=AT_PASSIVE, rules=_RULES, releases="interface provider")
def NdisIfDeregisterProvider(NdisProviderHandle: InterfaceProviderHandle, /) -> None:
    """Take the registration back.  Bug check 0xC4/0x62 while interfaces of it are registered (our choice of code)."""
    context = current.context
    provider_of(context, NdisProviderHandle, "NdisIfDeregisterProvider")
    live = context.machine.objects[HandleKind.INTERFACE].live()
    left = [record for _, record in live if record.provider == NdisProviderHandle]
    if left:
        stop(
            VERIFIER,
            LEFT,
            NdisProviderHandle,
            0,
            len(left),
            text=f"An interface provider was deregistered while {len(left)} of its interfaces are registered.",
            sites=[site_of(context, "registered", record.head.allocated_site) for record in left[:8]],
        )
    context.machine.objects[HandleKind.INTERFACE_PROVIDER].free(NdisProviderHandle, site=context.site)


@ddi(irql=AT_PASSIVE, rules=_RULES, acquires="network interface")
def NdisIfRegisterInterface(
    NdisProviderHandle: InterfaceProviderHandle,
    NetLuid: int,
    ProviderIfContext: Any,
    pIfInfo: NET_IF_INFORMATION,
    /,
) -> RegisteredInterface:
    """Register an interface and get its index.

    INVALID_PARAMETER for a wrong header, DUPLICATE_OBJECTID for a NET_LUID that another interface has, RESOURCES.
    """
    context = current.context
    provider_of(context, NdisProviderHandle, "NdisIfRegisterInterface")
    if header_refused(context, "NdisIfRegisterInterface", pIfInfo):
        return RegisteredInterface(NDIS_STATUS_INVALID_PARAMETER, 0)
    if interfaces.index_of(context, NetLuid):
        return RegisteredInterface(NDIS_STATUS_DUPLICATE_OBJECTID, 0)
    value = encode(context, ProviderIfContext)
    name, flags = pIfInfo.FriendlyName.encode(), pIfInfo.Flags
    added = interfaces.add(context, NetLuid, driver=context.driver, provider=NdisProviderHandle, flags=flags, name=name)
    if not added.number:
        return RegisteredInterface(NDIS_STATUS_RESOURCES, 0)
    added.record.context = value
    return RegisteredInterface(NDIS_STATUS_SUCCESS, added.number)


@ddi(irql=AT_PASSIVE, rules=_RULES, releases="network interface")
def NdisIfDeregisterInterface(ifIndex: int, /) -> None:
    """Take an interface back, and its places in the order.

    Bug check 0x7C/0x21 for an index that is none of this driver's (our choice).
    """
    context = current.context
    found = interfaces.find(context, ifIndex)
    if found is None or not found[1].provider or found[1].head.driver != context.driver:
        whose = "no interface" if found is None else "an interface of another driver or of NDIS"
        text = f"NdisIfDeregisterInterface was called for index {ifIndex}, which is {whose}."
        stop(NDIS_BUG, INVALID_HANDLE, ifIndex, HandleKind.INTERFACE, text=text, ddi="NdisIfDeregisterInterface")
    interfaces.remove(context, ifIndex)


@ddi(irql=AT_PASSIVE, rules=_RULES)
def NdisIfAllocateNetLuidIndex(ifType: int, /) -> AllocatedIndex:
    """Take a NET_LUID index of an interface type; RESOURCES when there is no room to remember it."""
    index = interfaces.take_luid_index(current.context, ifType)
    return AllocatedIndex(NDIS_STATUS_SUCCESS if index else NDIS_STATUS_RESOURCES, index)


@ddi(irql=AT_PASSIVE, rules=_RULES)
def NdisIfFreeNetLuidIndex(ifType: int, NetLuidIndex: int, /) -> NDIS_STATUS:
    """Give a NET_LUID index back; INVALID_PARAMETER for one that is not taken for this type."""
    freed = interfaces.free_luid_index(current.context, ifType, NetLuidIndex)
    return NDIS_STATUS_SUCCESS if freed else NDIS_STATUS_INVALID_PARAMETER


@ddi(irql=AT_PASSIVE, rules=_RULES)
def NdisIfGetInterfaceIndexFromNetLuid(NetLuid: int, /) -> FoundIndex:
    """The index of an interface; INTERFACE_NOT_FOUND."""
    index = interfaces.index_of(current.context, NetLuid)
    return FoundIndex(NDIS_STATUS_SUCCESS if index else NDIS_STATUS_INTERFACE_NOT_FOUND, index)


@ddi(irql=AT_PASSIVE, rules=_RULES)
def NdisIfGetNetLuidFromInterfaceIndex(ifIndex: int, /) -> FoundLuid:
    """The NET_LUID of an interface; INTERFACE_NOT_FOUND."""
    luid = interfaces.luid_of(current.context, ifIndex)
    return FoundLuid(NDIS_STATUS_SUCCESS if luid else NDIS_STATUS_INTERFACE_NOT_FOUND, luid)


@ddi(irql=AT_PASSIVE, rules=_RULES)
def NdisIfAddIfStackEntry(HigherLayerIfIndex: int, LowerLayerIfIndex: int, /) -> NDIS_STATUS:
    """Say that one interface lies on another; INTERFACE_NOT_FOUND, RESOURCES."""
    context = current.context
    if any(interfaces.find(context, index) is None for index in (HigherLayerIfIndex, LowerLayerIfIndex)):
        return NDIS_STATUS_INTERFACE_NOT_FOUND
    said = interfaces.put_on(context, HigherLayerIfIndex, LowerLayerIfIndex)
    return NDIS_STATUS_SUCCESS if said else NDIS_STATUS_RESOURCES


@ddi(irql=AT_PASSIVE, rules=_RULES)
def NdisIfDeleteIfStackEntry(HigherLayerIfIndex: int, LowerLayerIfIndex: int, /) -> None:
    """Say that it does no longer; nothing where it did not."""
    interfaces.take_off(current.context, HigherLayerIfIndex, LowerLayerIfIndex)


@ddi(irql=AT_PASSIVE, callers=PROTOCOL, rules=_RULES)
def NdisIfQueryBindingIfIndex(NdisBindingHandle: BindingHandle, /) -> BoundInterfaces:
    """The highest and the lowest interface of the stack that a binding is bound to."""
    context = current.context
    binding = binding_of(context, NdisBindingHandle, "NdisIfQueryBindingIfIndex")
    adapter = context.machine.objects[HandleKind.ADAPTER].records[binding.adapter]
    top, lowest = interfaces.top_of(context, adapter), adapter.interface
    if not lowest:
        return BoundInterfaces(NDIS_STATUS_INTERFACE_NOT_FOUND, 0, 0, 0, 0)
    luids = interfaces.luid_of(context, top), interfaces.luid_of(context, lowest)
    return BoundInterfaces(NDIS_STATUS_SUCCESS, top, luids[0], lowest, luids[1])


def provider_of(context: Context, handle: int | None, name: str) -> Any:
    """The record of a live provider; 0x7C/0x21 for anything else."""
    return object_of(context, handle, HandleKind.INTERFACE_PROVIDER, name)


def query_object(context: Context, operation: CONTROL) -> int:
    """Ask the provider of an interface for an object; its answer becomes the operation's data."""
    found = _asked(context, operation)
    if found is None:
        return NDIS_STATUS_INTERFACE_NOT_FOUND
    routine, value = found.query, found.value
    room = min(operation.argument >> INTERFACE_LENGTH_SHIFT & LENGTH_MASK, CONTROL_DATA_BYTES)
    returned = call(context, routine, value, operation.argument & OBJECT_MASK, room)
    if not isinstance(returned, tuple) or len(returned) != 3 or not isinstance(returned[0], int):
        wrong_result(context, routine, returned, "an NDIS_STATUS, the length of the answer, and the answer")
    status: int = returned[0]
    length, answer = returned[1:]
    operation.hold(bytes(answer or b"")[: min(length, room)])
    operation.needed = length if length > room else 0
    return status


def set_object(context: Context, operation: CONTROL) -> int:
    """Give the operation's data to the provider of an interface."""
    given = operation.content
    operation.hold(b"")
    found = _asked(context, operation)
    if found is None:
        return NDIS_STATUS_INTERFACE_NOT_FOUND
    return call_for_status(context, found.set, found.value, operation.argument & OBJECT_MASK, len(given), given)


class _Asked(NamedTuple):
    query: int
    set: int
    value: Any


def _asked(context: Context, operation: CONTROL) -> _Asked | None:
    """The handlers and the context of the interface that an operation names; None, with a word, where there is none."""
    index = operation.argument >> INTERFACE_INDEX_SHIFT
    found = interfaces.find(context, index)
    if found is None or not found[1].provider:
        live = context.machine.objects[HandleKind.INTERFACE].live()
        provided = [f"{(handle & INDEX_MASK) + 1} ({text_of(each.name)})" for handle, each in live if each.provider]
        what = f"interface {index} is NDIS's own" if found is not None else f"there is no interface {index}"
        operation.hold(f"{what}; drivers provide {', '.join(provided) or 'none'}".encode()[:CONTROL_DATA_BYTES])
        return None
    provider = provider_of(context, found[1].provider, "")
    return _Asked(provider.query, provider.set, decode(context, found[1].context))


__all__ = [
    "NDIS_MAKE_NET_LUID",
    "NET_PHYSICAL_LOCATION",
    "NIIF_WAN_TUNNEL_TYPE_UNKNOWN",
    "NdisIfAddIfStackEntry",
    "NdisIfAllocateNetLuidIndex",
    "NdisIfDeleteIfStackEntry",
    "NdisIfDeregisterInterface",
    "NdisIfDeregisterProvider",
    "NdisIfFreeNetLuidIndex",
    "NdisIfGetInterfaceIndexFromNetLuid",
    "NdisIfGetNetLuidFromInterfaceIndex",
    "NdisIfQueryBindingIfIndex",
    "NdisIfRegisterInterface",
    "NdisIfRegisterProvider",
]
