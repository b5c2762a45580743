"""A machine from a list of drivers, where nobody has a specification of the host's at hand.

Law: the same attributes as the host's specification, and nothing else; whoever reads one can read the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from emulator.layout.arena import Geometry
from vnic.wires.faults import FaultSpecification, parse_faults

if TYPE_CHECKING:
    from collections.abc import Sequence

RegistryValue = int | str
SMALL: Final[dict[str, Any]] = {
    "processors": 1,
    "passive_workers": 1,
    "adapters": 1,
    "driver_locks": 64,
    "work_items": 128,
    "timers": 32,
    "bindings": 16,
    "pools": 16,
    "frame_slots": 1024,
    "pool_bytes": 4 << 20,
}
"""A machine that is made in milliseconds, because exploring makes a thousand of them."""


class SimulatedWireSpecification(msgspec.Struct, frozen=True, kw_only=True):
    """A wire of the simulated machine: always a cable in memory."""

    kind: str = "cable"
    interface: str = ""
    address: str = ""
    mtu: int = 1500


class SimulatedDriver(msgspec.Struct, frozen=True, kw_only=True):
    """One plug-in."""

    kind: str
    module: str = ""
    path: str = ""
    registry: dict[str, RegistryValue] = {}
    adapters: list[str] = []


class SimulatedAdapter(msgspec.Struct, frozen=True, kw_only=True):
    """One adapter."""

    name: str = ""
    miniport: str = ""
    wire: SimulatedWireSpecification = SimulatedWireSpecification()
    mac: str = ""
    link_speed: int = 1_000_000_000
    messages: int = 0
    queues: int = 1
    faults: FaultSpecification = FaultSpecification()
    registry: dict[str, RegistryValue] = {}


class SimulatedSpecification(msgspec.Struct, frozen=True, kw_only=True):
    """A whole machine."""

    name: str = "machine"
    geometry: Geometry = Geometry()
    drivers: list[SimulatedDriver] = []
    adapters: list[SimulatedAdapter] = []
    registry: dict[str, RegistryValue] = {}


def small_geometry(**numbers: Any) -> Geometry:
    """The geometry of a small machine, with some numbers of one's own."""
    return Geometry(**{**SMALL, **numbers})


def specification_of(
    drivers: Sequence[str],
    adapters: int,
    registry: dict[str, RegistryValue],
    geometry: Geometry,
    faults: str = "",
    messages: int = 0,
    queues: int = 1,
) -> SimulatedSpecification:
    """A machine of these plug-ins (module names or paths of .py files), the first of them the miniport."""
    made = []
    for number, name in enumerate(drivers):
        is_file = name.endswith(".py")
        made.append(
            SimulatedDriver(
                kind="protocol" if number else "miniport",
                module="" if is_file else name,
                path=name if is_file else "",
            )
        )
    return SimulatedSpecification(
        geometry=geometry,
        drivers=made,
        adapters=[
            SimulatedAdapter(name=f"adapter{number}", faults=parse_faults(faults), messages=messages, queues=queues)
            for number in range(adapters)
        ],
        registry=registry,
    )


def mac_of(adapter: Any, machine: int, number: int) -> bytes:
    """The permanent address: as it was asked for, else the one that the live host makes of the numbers."""
    if adapter.mac:
        return bytes.fromhex(adapter.mac.replace(":", "").replace("-", ""))
    return bytes((0x02, 0x4E, 0x44, machine & 0xFF, number >> 8 & 0xFF, (number & 0xFF) + 1))
