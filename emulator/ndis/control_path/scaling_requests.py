"""OID requests of receive side scaling and of receive hashes on their way: translated, judged, remembered, answered.

Law: the miniport judges what it is asked for, as on Windows; the checked build looks at what it has accepted.  What is
in force is remembered from sets that succeeded, and told to each driver in the revision that it knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.stop import site_of, stop
from emulator.layout.machine import BINDING, FILTER_MODULE
from emulator.ndis.control_path import receive_scaling
from emulator.ndis.control_path.remembered import remember, remembered
from emulator.ndis.gates.returned_status import where_it_begins
from emulator.ndis.headers.oids import (
    OID_GEN_RECEIVE_HASH,
    OID_GEN_RECEIVE_SCALE_CAPABILITIES,
    OID_GEN_RECEIVE_SCALE_PARAMETERS,
    oid_name,
)
from emulator.ndis.headers.receive_scale_structures import NDIS_HASH_TYPE_MASK, NDIS_RECEIVE_SCALE_PARAMETERS
from emulator.ndis.plug_and_play.filter_modules import driver_of
from emulator.ndis.plug_and_play.registration import handler, miniport_of, protocol_of

if TYPE_CHECKING:
    from emulator.kernel.context import Context

SCALING = (OID_GEN_RECEIVE_SCALE_PARAMETERS, OID_GEN_RECEIVE_HASH)
"""The sets that are looked at; each excludes the other one."""


def told_to(context: Context, asker: Any, told: bytes) -> bytes:
    """What is in force, in the revision that the driver of a binding or of a filter module knows."""
    driver = None
    if isinstance(asker, BINDING):
        driver = protocol_of(context, asker)
    elif isinstance(asker, FILTER_MODULE):
        driver = driver_of(context, asker)
    if driver is None:
        return told
    return receive_scaling.write(receive_scaling.read(told), receive_scaling.revision_of(driver.minor_version))


def for_miniport(context: Context, adapter: Any, data: bytes) -> bytes | None:
    """What goes down in place of a set whose table the miniport, by its version, does not know; None for the set."""
    return receive_scaling.translated(data, receive_scaling.revision_of(miniport_of(context, adapter).minor_version))


def note(context: Context, adapter: Any, oid: int, data: bytes) -> None:
    """Remember a set that succeeded."""
    if oid == OID_GEN_RECEIVE_HASH:
        remember(context, adapter, oid, data)
        return
    after = receive_scaling.after(remembered(context, adapter, oid), data, context.machine.geometry.processors)
    if after is not None:
        remember(context, adapter, oid, after)


def check_accepted(context: Context, handle: int, adapter: Any, request: Any, data: bytes) -> None:
    """0xC4/0xE5 (our choice): a miniport has accepted a set that its documents tell it to refuse."""
    oid = request.DATA.SET_INFORMATION.Oid
    fault = _fault(context, adapter, oid, data)
    if fault is None:
        return
    routine = handler(miniport_of(context, adapter), "OidRequestHandler")
    context.driver = adapter.head.driver
    stop(
        0xC4,
        0xE5,
        handle,
        oid,
        request._pointer,
        text=f"MiniportOidRequest succeeded for {oid_name(oid)}, which it must refuse: {fault}.",
        sites=[site_of(context, "issued", site) for site in (request.ndis_issued_site,) if site],
        frames=[where_it_begins(context, routine)],
    )


def _fault(context: Context, adapter: Any, oid: int, data: bytes) -> str | None:
    capabilities = remembered(context, adapter, OID_GEN_RECEIVE_SCALE_CAPABILITIES)
    types = receive_scaling.types_of(capabilities)
    scaled = receive_scaling.scales(remembered(context, adapter, OID_GEN_RECEIVE_SCALE_PARAMETERS))
    if oid == OID_GEN_RECEIVE_HASH:
        # An adapter that cannot scale may hash all the same, and nothing says by which types.
        fault = receive_scaling.hash_parameters_fault(data, types if capabilities else NDIS_HASH_TYPE_MASK)
        both = scaled and receive_scaling.hashes(data)
        return fault or ("receive side scaling is on, which excludes it" if both else None)
    fault = receive_scaling.parameters_fault(data, types, context.machine.geometry.processors, scaled=scaled)
    if fault is not None:
        return fault
    on = receive_scaling.turns_on(NDIS_RECEIVE_SCALE_PARAMETERS.from_bytes(data), scaled=scaled)
    hashes = receive_scaling.hashes(remembered(context, adapter, OID_GEN_RECEIVE_HASH))
    return "OID_GEN_RECEIVE_HASH is on, which excludes it" if on and hashes else None
