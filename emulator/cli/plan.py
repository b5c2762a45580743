"""From a file, or from the options of `ndisemu run`, to the machine that shall run.

Law: whatever can be known to be wrong without starting anything is a ConfigurationError here; the Linux side's address
reaches the drivers as the registry value Address.
"""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from emulator.cli.configuration import AdapterTable, Configuration, DriverTable, read
from emulator.host.sample_names import found, full_name, not_found
from emulator.host.specification import (
    AdapterSpecification,
    DriverSpecification,
    MachineSpecification,
    WatchdogLimits,
    check_hardware,
)
from emulator.layout.arena import Geometry
from emulator.rules.errors import ConfigurationError
from vnic.wires.faults import faults_of, parse_faults
from vnic.wires.wire import parse_wire

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

ADDRESS: Final = "Address"
KINDS: Final = ("miniport", "filter", "intermediate", "protocol")
"""The options that name drivers, in the order in which their drivers are loaded."""
_MODULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


class Plan(msgspec.Struct, frozen=True):
    """What `ndisemu run` shall do."""

    specification: MachineSpecification
    duration: float | None = None


def plan_of(options: argparse.Namespace) -> Plan:
    """The machine that the options, and the file if there is one, describe."""
    source = options.file or "options"
    configuration = read(options.file) if options.file else Configuration()
    if not options.file:
        configuration.machine.paths = [os.getcwd()]
    _take_options(options, configuration)
    if not configuration.driver:
        raise ConfigurationError(
            f"{options.file}: no [[driver]]"
            if options.file
            else "nothing to run: name a file, or drivers: --miniport netvmini --protocol responder"
        )
    machine = configuration.machine
    split_frames = machine.split_frames or (Geometry().split_frames if machine.checked else "off")
    if split_frames != "off" and not machine.checked:
        raise ConfigurationError(f"{source}: split_frames is for the checked build")
    drivers = [_driver(source, number, table, machine.paths) for number, table in enumerate(configuration.driver, 1)]
    places = [_driver_place(source, number, driver) for number, driver in enumerate(drivers, 1)]
    _refuse_twice(
        source, "driver", zip([_name_of(driver.module, driver.path) for driver in drivers], places, strict=True)
    )
    adapters = [_adapter(source, number, table) for number, table in enumerate(configuration.adapter, 1)]
    _check_wires(source, adapters)
    _check_miniports(source, drivers, adapters)
    _check_choices(source, drivers, adapters)
    address = next((adapter.wire.address for adapter in adapters if adapter.wire.address), "")
    registry = dict(configuration.registry)
    if address and ADDRESS not in registry:
        registry[ADDRESS] = address
    specification = MachineSpecification(
        name=machine.name,
        geometry=Geometry(
            processors=machine.processors,
            passive_workers=machine.passive_workers,
            adapters=max(1, len(adapters)),
            virtual_adapters=machine.virtual_adapters,
            work_items=machine.work_items,
            timers=machine.timers,
            frame_slots=machine.frame_slots,
            pool_bytes=machine.pool_bytes,
            receive_throttle=machine.receive_throttle,
            checked=machine.checked,
            opens_pend=machine.opens_pend,
            split_frames=split_frames,
            split_seed=machine.split_seed,
        ),
        drivers=drivers,
        adapters=[_addressed(adapter, registry.get(ADDRESS)) for adapter in adapters],
        registry=registry,
        debug=machine.debug,
        watchdog=WatchdogLimits(cpu_ms=configuration.watchdog.cpu_ms, wall_ms=configuration.watchdog.wall_ms),
        environment=machine.environment,
        devices=machine.devices,
        paths=list(dict.fromkeys([*machine.paths, *(str(Path(d.path).parent) for d in drivers if d.path)])),
    )
    return Plan(specification, machine.duration)


def _take_options(options: argparse.Namespace, configuration: Configuration) -> None:
    """Options are added to what the file says, or stand in its place."""
    machine = configuration.machine
    for name in ("processors", "passive_workers", "checked", "duration", "split_frames", "split_seed"):
        value = getattr(options, name)
        if value is not None:
            setattr(machine, name, value)
    machine.debug = machine.debug or options.debug
    if options.file and any(getattr(options, kind) for kind in KINDS):
        named = ", ".join(f"--{kind}" for kind in KINDS[:-1])
        raise ConfigurationError(
            f"a file and {named} or --{KINDS[-1]} exclude each other: write [[driver]] in the file"
        )
    for kind in KINDS:
        for text in getattr(options, kind):
            module, path = _place(text)
            configuration.driver.append(DriverTable(kind=kind, module=module, path=path))
    for text in options.registry:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise ConfigurationError(f"--registry {text}: write KEY=VALUE")
        configuration.registry[key] = int(value) if re.fullmatch(r"-?\d+", value) else value
    if options.file:
        _replace_wires(options, configuration)
    else:
        configuration.adapter = _adapters_of(options)
    for table in configuration.adapter if options.offloads else ():
        table.offloads = True
    for table in configuration.adapter if options.queues is not None else ():
        table.queues = options.queues
        table.messages = max(table.messages, options.queues if options.queues > 1 else 0)


def _adapters_of(options: argparse.Namespace) -> list[AdapterTable]:
    """The nth --wire, --address... belongs to the nth adapter; several miniports run one adapter each."""
    miniports, wires = options.miniport, options.wire
    count = max(len(miniports), len(wires)) if miniports else 0
    if len(wires) > count:
        raise ConfigurationError("--wire needs a --miniport whose adapter it is plugged into")
    for word, several in (("address", "addresses"), ("capture", "captures"), ("faults", "faults")):
        number = len(getattr(options, word))
        if number > count:
            hint = "" if word == "capture" else "; those of one adapter have a comma between them"
            raise ConfigurationError(f"{number} {several} for {count} adapters{hint}")
    if len(miniports) > 1 and count > len(miniports):
        raise ConfigurationError(f"{count} wires for {len(miniports)} miniports: use a file and say which is whose")

    def given(word: str, number: int, without: str = "") -> str:
        values: list[str] = getattr(options, word)
        return values[number] if number < len(values) else without

    return [
        AdapterTable(
            miniport=_name_of(*_place(miniports[number])) if len(miniports) > 1 else "",
            wire=given("wire", number, "cable"),
            address=given("address", number),
            capture=given("capture", number),
            faults=given("faults", number),
        )
        for number in range(count)
    ]


def _replace_wires(options: argparse.Namespace, configuration: Configuration) -> None:
    for word in ("wire", "address", "capture", "faults"):
        values = getattr(options, word)
        if not values:
            continue
        if len(configuration.adapter) != len(values):
            raise ConfigurationError(
                f"--{word} is given for {len(values)} adapters, and {options.file} has {len(configuration.adapter)}"
            )
        for table, value in zip(configuration.adapter, values, strict=True):
            setattr(table, word, value)


def _place(text: str) -> tuple[str, str]:
    """The module, or else the path, that the words of an option name."""
    if text.endswith(".py") or os.sep in text:
        return "", str(Path(text).expanduser().resolve())
    return text, ""


def _driver(source: str, number: int, table: DriverTable, paths: list[str]) -> DriverSpecification:
    if bool(table.module) == bool(table.path):
        raise ConfigurationError(f"{source}: [[driver]] number {number}: it has either a module or a path")
    if table.path and not Path(table.path).is_file():
        raise ConfigurationError(f"driver {table.path}: there is no such file")
    if table.path and not table.path.endswith(".py"):
        raise ConfigurationError(f"driver {table.path}: is no Python file")
    module = table.module
    if module and not _MODULE.fullmatch(module):
        raise ConfigurationError(f"driver {module!r}: is no name of a module")
    module = full_name(module, paths) if module else ""
    if module and not found(module, paths):
        raise ConfigurationError(f"driver {module}: {not_found(module)}")
    return DriverSpecification(
        kind=table.kind, module=module, path=table.path, registry=table.registry, adapters=table.adapters
    )


def _name_of(module: str, path: str) -> str:
    """As Windows names a driver by its file."""
    return Path(path).stem if path else module.rpartition(".")[2]


def _adapter(source: str, number: int, table: AdapterTable) -> AdapterSpecification:
    try:
        wire = parse_wire(table.wire, table.address, table.mtu)
        made = AdapterSpecification(
            name=table.name,
            miniport=table.miniport,
            wire=wire,
            capture=os.path.abspath(table.capture) if table.capture else "",
            faults=parse_faults(table.faults) if isinstance(table.faults, str) else faults_of(table.faults),
            mac=table.mac,
            link_speed=table.link_speed,
            messages=table.messages,
            offloads=table.offloads,
            queues=table.queues,
            registry=table.registry,
        )
        check_hardware(made)
    except (ConfigurationError, ValueError) as error:
        where = f"{source}: [[adapter]] number {number}: " if source != "options" else ""
        raise ConfigurationError(f"{where}{error}") from None
    return made


def _addressed(adapter: AdapterSpecification, known: object) -> AdapterSpecification:
    """An adapter's own address, where it is not the machine's, among its registry values."""
    address = adapter.wire.address
    if not address or address == known or ADDRESS in adapter.registry:
        return adapter
    return msgspec.structs.replace(adapter, registry={**adapter.registry, ADDRESS: address})


def _driver_place(source: str, number: int, driver: DriverSpecification) -> str:
    named = f"{driver.kind} {driver.module or driver.path}"
    return f"--{named}" if source == "options" else f"[[driver]] number {number} ({named})"


def _adapter_place(source: str, number: int) -> str:
    return f"{'adapter' if source == 'options' else '[[adapter]]'} number {number}"


def _refuse_twice(source: str, what: str, named: Iterable[tuple[str, str]]) -> None:
    """ConfigurationError when two have one name; each name comes with where it stands."""
    known: dict[str, str] = {}
    for name, place in named:
        if name in known:
            raise ConfigurationError(f"{source}: the {what} {name} is named twice: {known[name]} and {place}")
        known[name] = place


def _check_wires(source: str, adapters: list[AdapterSpecification]) -> None:
    placed = [(adapter, _adapter_place(source, number)) for number, adapter in enumerate(adapters, 1)]
    _refuse_twice(source, "wire", [(each.wire.name, place) for each, place in placed if each.wire.interface])
    _refuse_twice(source, "capture", [(each.capture, place) for each, place in placed if each.capture])
    stations = [(each.wire.address, place) for each, place in placed if each.wire.kind != "pcap"]
    _refuse_twice(
        source,
        "address",
        [(address, place) for several, place in stations for address in several.split(",") if address],
    )


def _check_miniports(source: str, drivers: list[DriverSpecification], adapters: list[AdapterSpecification]) -> None:
    miniports = [_name_of(driver.module, driver.path) for driver in drivers if driver.kind == "miniport"]
    for number, adapter in enumerate(adapters, 1):
        place = f"{source}: [[adapter]] number {number}"
        if not miniports:
            raise ConfigurationError(f"{place} has no miniport driver")
        if adapter.miniport and adapter.miniport not in miniports:
            raise ConfigurationError(f"{place}: no miniport {adapter.miniport}; there are {', '.join(miniports)}")
        if not adapter.miniport and len(miniports) > 1:
            raise ConfigurationError(f"{place}: say which miniport runs it: {', '.join(miniports)}")


def _check_choices(source: str, drivers: list[DriverSpecification], adapters: list[AdapterSpecification]) -> None:
    """What `adapters` names is there; the adapters that an intermediate driver will make nobody knows yet."""
    names = [adapter.name or f"adapter{number}" for number, adapter in enumerate(adapters)]
    places = [
        _adapter_place(source, number) + ("" if adapter.name else ", by default")
        for number, adapter in enumerate(adapters, 1)
    ]
    _refuse_twice(source, "adapter", zip(names, places, strict=True))
    more = any(driver.kind == "intermediate" for driver in drivers)
    for number, driver in enumerate(drivers, 1):
        place = f"{source}: [[driver]] number {number}, key adapters"
        if driver.adapters and driver.kind == "miniport":
            raise ConfigurationError(f"{place}: is for what is bound to adapters; a miniport is named by its adapters")
        for pattern in driver.adapters:
            if not more and not any(fnmatchcase(name, pattern) for name in names):
                raise ConfigurationError(f"{place}: no adapter is called {pattern}; there are {', '.join(names)}")
