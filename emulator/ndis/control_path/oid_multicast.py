"""Multicast lists: each binding's own, the union that the miniport gets, and addresses that come and go singly.

Law: an address that a binding added several times is its own until it has deleted it as often; the miniport hears of
the union of all bindings, each address once, and never of a single address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.layout.handles import HandleKind
from emulator.layout.machine import BINDING
from emulator.ndis.headers import oids
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_INVALID_LENGTH,
    NDIS_STATUS_MULTICAST_FULL,
    NDIS_STATUS_MULTICAST_NOT_FOUND,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_SUCCESS,
)

if TYPE_CHECKING:
    from emulator.kernel.context import Context

MAXIMUM_BOUND: Final = 32
"""Addresses that a binding may have."""
ADDRESS: Final = 6
SINGLE: Final = (oids.OID_802_3_ADD_MULTICAST_ADDRESS, oids.OID_802_3_DELETE_MULTICAST_ADDRESS)
MULTICAST: Final = (oids.OID_802_3_MULTICAST_LIST, *SINGLE)


def union(context: Context, adapter: Any, without: Any = None) -> bytes:
    """The multicast addresses of all bindings, each once."""
    joined = b"".join(b"".join(_own(other)) for other in bindings_on(context, adapter) if other is not without)
    return b"".join(_distinct(joined))


def bindings_on(context: Context, adapter: Any) -> list[Any]:
    """The open bindings of an adapter."""
    records = context.machine.objects[HandleKind.ADAPTER].records
    live = context.machine.objects[HandleKind.BINDING].live()
    return [binding for _, binding in live if records[binding.adapter].number == adapter.number]


def answered(context: Context, adapter: Any, binding: Any, given: Any, data: bytes) -> NDIS_STATUS | None:
    """The status with which NDIS itself answers a set of multicast addresses; None for what goes down."""
    length = given.InformationBufferLength
    if given.Oid in SINGLE:
        if not isinstance(binding, BINDING):
            return NDIS_STATUS_NOT_SUPPORTED
        if length < ADDRESS:
            given.BytesNeeded = ADDRESS
            return NDIS_STATUS_INVALID_LENGTH
        data = data[:ADDRESS]
        own = _own(binding)
        if given.Oid == oids.OID_802_3_DELETE_MULTICAST_ADDRESS and data not in own:
            return NDIS_STATUS_MULTICAST_NOT_FOUND
        if data in own and (given.Oid == oids.OID_802_3_ADD_MULTICAST_ADDRESS or _uses(binding, data) > 1):
            note(binding, given, data)
            given.BytesRead = ADDRESS
            return NDIS_STATUS_SUCCESS
    elif length % ADDRESS:
        given.BytesNeeded = length // ADDRESS * ADDRESS
        return NDIS_STATUS_INVALID_LENGTH
    wanted = list_to_send(context, adapter, binding, given, data)
    own = wanted_of(binding, given, data)
    too_many = len(wanted) > adapter.maximum_multicast * ADDRESS or len(own) > MAXIMUM_BOUND
    if too_many or any(not address[0] & 1 for address in own):
        return NDIS_STATUS_MULTICAST_FULL
    return None


def wanted_of(binding: Any, given: Any, data: bytes) -> list[bytes]:
    """The addresses that a binding has once this set is done."""
    if given.Oid == oids.OID_802_3_MULTICAST_LIST:
        return _distinct(data)
    own = _own(binding)
    return [*own, data] if given.Oid == oids.OID_802_3_ADD_MULTICAST_ADDRESS else [each for each in own if each != data]


def list_to_send(context: Context, adapter: Any, binding: Any, given: Any, data: bytes) -> bytes:
    """What the miniport gets in place of one binding's addresses: those of all."""
    others = union(context, adapter, without=binding)
    return b"".join(_distinct(others + b"".join(wanted_of(binding, given, data))))


def note(binding: Any, given: Any, data: bytes) -> None:
    """Remember a set that succeeded."""
    uses = {address: _uses(binding, address) for address in _own(binding)}
    if given.Oid == oids.OID_802_3_MULTICAST_LIST:
        uses = dict.fromkeys(_distinct(data), 1)
    else:
        change = 1 if given.Oid == oids.OID_802_3_ADD_MULTICAST_ADDRESS else -1
        uses[data[:ADDRESS]] = uses.get(data[:ADDRESS], 0) + change
    kept = {address: count for address, count in uses.items() if count > 0}
    binding.multicast = b"".join(kept).ljust(MAXIMUM_BOUND * ADDRESS, b"\0")
    binding.multicast_count = len(kept)
    for place, count in enumerate(kept.values()):
        binding.multicast_uses[place] = count


def _own(binding: Any) -> list[bytes]:
    return _distinct(binding.multicast[: binding.multicast_count * ADDRESS]) if isinstance(binding, BINDING) else []


def _uses(binding: Any, address: bytes) -> int:
    uses: int = binding.multicast_uses[_own(binding).index(address)]
    return uses


def _distinct(addresses: bytes) -> list[bytes]:
    cut = (addresses[place : place + ADDRESS] for place in range(0, len(addresses), ADDRESS))
    return list(dict.fromkeys(cut))
