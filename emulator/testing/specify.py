"""From what a test says in one line to the specification of a machine.

Law: nothing is started here; a word that means nothing is a TypeError that names it.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

from emulator.host.sample_names import full_name
from emulator.host.specification import (
    AdapterSpecification,
    DriverSpecification,
    MachineSpecification,
    WatchdogLimits,
)
from emulator.layout.arena import Geometry
from vnic.wires.faults import parse_faults
from vnic.wires.wire import DEFAULT_MTU, parse_wire

__tracebackhide__ = True  # a failure is shown where the test asked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from emulator.host.specification import DriverKind, RegistryValue

_GEOMETRY: Final = frozenset(Geometry.__struct_fields__) - {"adapters"}
_LIMITS: Final = frozenset(WatchdogLimits.__struct_fields__)
_MACHINE: Final = frozenset(("debug", "environment", "loader", "log_level", "paths"))


def network_of(number: int) -> str:
    """The address of the outside of the ``number``-th adapter of a laboratory: every wire has a network of its own."""
    return f"10.77.{number}.1/24"


def driver(name: str, kind: DriverKind) -> DriverSpecification:
    """A plug-in by module name, a sample driver's short one too, or by the path of a file."""
    if name.endswith(".py") or "/" in name:
        return DriverSpecification(kind=kind, path=name)
    return DriverSpecification(kind=kind, module=full_name(name))


def drivers(
    miniport: str,
    protocols: str | Sequence[str],
    filters: str | Sequence[str] = (),
    intermediate: str | Sequence[str] = (),
) -> list[DriverSpecification]:
    """The drivers of a machine: one miniport, and as many of the others (the topmost filter first) as are named."""
    chosen = [driver(miniport, "miniport")]
    kinds: tuple[tuple[DriverKind, str | Sequence[str]], ...] = (
        ("filter", filters),
        ("intermediate", intermediate),
        ("protocol", protocols),
    )
    for kind, given in kinds:
        names: Iterable[str] = [given] if isinstance(given, str) else given
        chosen.extend(driver(name, kind) for name in names if name)
    return chosen


def adapter(
    kind: str,
    number: int,
    address: str | None,
    mac: str = "",
    mtu: int = DEFAULT_MTU,
    capture: str = "",
    faults: str = "",
    messages: int = 0,
    *,
    offloads: bool = False,
    queues: int = 1,
) -> AdapterSpecification:
    """An adapter on a wire of its own: ``cable``, ``tap`` (its interface is called ``ndisN``) or ``tap:name``.

    The address of the wire's far end is the adapter's registry value Address, as the command line gives it.
    """
    text = f"tap:ndis{number}" if kind == "tap" else kind
    wire = parse_wire(text, network_of(number) if address is None else address, mtu)
    registry: dict[str, RegistryValue] = {"Address": wire.address} if wire.address else {}
    return AdapterSpecification(
        name=f"adapter{number}",
        wire=wire,
        mac=mac,
        registry=registry,
        capture=capture,
        faults=parse_faults(faults),
        messages=messages,
        offloads=offloads,
        queues=queues,
    )


def machine(
    name: str,
    chosen: list[DriverSpecification],
    adapters: list[AdapterSpecification],
    registry: dict[str, RegistryValue],
    options: dict[str, Any],
    parameters: Iterable[str] = (),
) -> MachineSpecification:
    """A machine of these drivers and adapters; ``options`` are fields of Geometry, WatchdogLimits and of the machine.

    Raises TypeError for an option that none of them has, and which was none of the ``parameters`` before either.
    """
    unknown = set(options) - _GEOMETRY - _LIMITS - _MACHINE
    if unknown:
        known = sorted({*parameters, *_GEOMETRY, *_LIMITS, *_MACHINE})
        close = [near for one in sorted(unknown) for near in difflib.get_close_matches(one, known, 1)]
        hint = f"did you mean {' and '.join(close)}?" if close else f"there are: {', '.join(known)}"
        raise TypeError(f"lab.start() has no option {', '.join(sorted(unknown))}; {hint}")
    return MachineSpecification(
        name=name,
        geometry=Geometry(**{key: value for key, value in options.items() if key in _GEOMETRY}),
        drivers=chosen,
        adapters=adapters,
        registry=registry,
        watchdog=WatchdogLimits(**{key: value for key, value in options.items() if key in _LIMITS}),
        **{key: value for key, value in options.items() if key in _MACHINE},
    )
