"""What NDIS answers of an adapter's ports: which are active, and in which state each is.

Law: the default port is among them while it is active, with the adapter's link; a miniport is not asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.ndis.headers.structures_common import header_of
from emulator.ndis.headers.structures_port import NDIS_PORT_ARRAY, NDIS_PORT_STATE
from emulator.ndis.plug_and_play import ports
from emulator.ndis.plug_and_play.adapters import adapter_handle

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.headers.structures_port import NDIS_PORT_CHARACTERISTICS


def port_array(context: Context, adapter: Any, number: int) -> bytes:
    """The answer to OID_GEN_ENUMERATE_PORTS."""
    del number
    return NDIS_PORT_ARRAY(Header=header_of("NDIS_PORT_ARRAY", 1), Ports=_active(context, adapter)).to_bytes()


def port_state(context: Context, adapter: Any, number: int) -> bytes:
    """The answer to OID_GEN_PORT_STATE, for the default port or one that is active."""
    others = (port for port in _active(context, adapter) if port.PortNumber == number)
    found = next(others, ports.default_port(adapter))
    members = {member: getattr(found, member) for member in ports.MEMBERS_OF_STATE}
    return NDIS_PORT_STATE(Header=header_of("NDIS_PORT_STATE", 1), **members).to_bytes()


def _active(context: Context, adapter: Any) -> list[NDIS_PORT_CHARACTERISTICS]:
    others = ports.active_ports(context, adapter_handle(context, adapter))
    return [ports.default_port(adapter), *others] if adapter.default_port else others
