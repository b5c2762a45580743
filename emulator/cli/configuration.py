"""A machine described in a TOML file: its tables as types, and every mistake in one line with file, table and key.

Law: what a file may hold is said once, by these types; docs/configuration.md describes them in words.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from emulator.host.specification import MOST_PROCESSORS, MOST_VIRTUAL_ADAPTERS, WatchdogLimits
from emulator.layout.arena import MAXIMUM_PASSIVE_WORKERS, Geometry, SplitFrames
from emulator.rules.errors import ConfigurationError
from vnic.device import VNIC_MAXIMUM_MESSAGES
from vnic.device.layout import MAXIMUM_QUEUES
from vnic.wires.wire import DEFAULT_MTU

Name = Annotated[str, Meta(min_length=1, max_length=63)]
Positive = Annotated[int, Meta(ge=1)]
_DEFAULTS: Final = Geometry()


class MachineTable(Struct, kw_only=True, forbid_unknown_fields=True):
    """`[machine]`."""

    name: Name = "machine"
    processors: Annotated[int, Meta(ge=1, le=MOST_PROCESSORS)] = _DEFAULTS.processors
    passive_workers: Annotated[int, Meta(ge=1, le=MAXIMUM_PASSIVE_WORKERS)] = _DEFAULTS.passive_workers
    checked: bool = True
    opens_pend: bool = _DEFAULTS.opens_pend
    split_frames: SplitFrames | None = None
    """None: as the build has it."""
    split_seed: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] = _DEFAULTS.split_seed
    debug: bool = False
    duration: Annotated[float, Meta(ge=0)] | None = None
    paths: list[str] = []
    environment: dict[str, str] = {}
    devices: str = ""
    work_items: Annotated[int, Meta(ge=1, le=1 << 20)] = _DEFAULTS.work_items
    timers: Annotated[int, Meta(ge=1, le=1 << 16)] = _DEFAULTS.timers
    virtual_adapters: Annotated[int, Meta(ge=0, le=MOST_VIRTUAL_ADAPTERS)] = _DEFAULTS.virtual_adapters
    frame_slots: Annotated[int, Meta(ge=64, le=1 << 16)] = _DEFAULTS.frame_slots
    pool_bytes: Annotated[int, Meta(ge=1 << 16, le=1 << 32)] = _DEFAULTS.pool_bytes
    receive_throttle: Annotated[int, Meta(ge=0, le=1 << 16)] = _DEFAULTS.receive_throttle


class DriverTable(Struct, kw_only=True, forbid_unknown_fields=True):
    """One `[[driver]]`."""

    kind: Literal["miniport", "protocol", "filter", "intermediate"]
    module: str = ""
    path: str = ""
    adapters: list[str] = []
    registry: dict[str, Any] = {}


class AdapterTable(Struct, kw_only=True, forbid_unknown_fields=True):
    """One `[[adapter]]`."""

    name: Annotated[str, Meta(max_length=63)] = ""
    miniport: str = ""
    wire: str = "cable"
    address: str = ""
    mtu: int = DEFAULT_MTU
    capture: str = ""
    faults: str | dict[str, Any] = ""
    mac: Annotated[str, Meta(pattern="^([0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5})?$")] = ""
    link_speed: Positive = 1_000_000_000
    messages: Annotated[int, Meta(ge=0, le=VNIC_MAXIMUM_MESSAGES)] = 0
    offloads: bool = False
    queues: Annotated[int, Meta(ge=1, le=MAXIMUM_QUEUES)] = 1
    registry: dict[str, Any] = {}


class WatchdogTable(Struct, kw_only=True, forbid_unknown_fields=True):
    """`[watchdog]`."""

    cpu_ms: Positive = WatchdogLimits().cpu_ms
    wall_ms: Positive = WatchdogLimits().wall_ms


class Configuration(Struct, kw_only=True, forbid_unknown_fields=True):
    """A whole file, or what the options of the command line amount to."""

    machine: MachineTable = msgspec.field(default_factory=MachineTable)
    driver: list[DriverTable] = []
    adapter: list[AdapterTable] = []
    watchdog: WatchdogTable = msgspec.field(default_factory=WatchdogTable)
    registry: dict[str, Any] = {}


_TABLES: Final[dict[str, type[Struct]]] = {
    "": Configuration,
    "machine": MachineTable,
    "driver": DriverTable,
    "adapter": AdapterTable,
    "watchdog": WatchdogTable,
}
_PLACE: Final = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_TYPES: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "object": "a table",
    "array": "a list",
    "null": "nothing",
}


def read(path: str) -> Configuration:
    """Read a file.  ConfigurationError, in one line, for whatever is wrong with it."""
    try:
        with open(path, "rb") as file:
            tables = tomllib.load(file)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        hint = "; a driver is named with --miniport, --filter or --protocol" if path.endswith(".py") else ""
        raise ConfigurationError(f"{path}: is not TOML: {' '.join(str(error).split())}{hint}") from None
    try:
        found = msgspec.convert(tables, Configuration)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{path}: {in_words(str(error))}") from None
    _check_registries(path, found)
    base = Path(path).resolve().parent
    for driver in found.driver:
        if driver.path:
            driver.path = str(base / Path(driver.path).expanduser())
    for adapter in found.adapter:
        if adapter.capture:
            adapter.capture = str(base / Path(adapter.capture).expanduser())
        adapter.wire = _located(adapter.wire, base)
    found.machine.paths = [str(base / Path(place).expanduser()) for place in found.machine.paths] or [str(base)]
    return found


def _located(wire: str, base: Path) -> str:
    """A wire whose files are found relative to the file that names them."""
    kind, _, rest = wire.partition(":")
    if kind != "pcap":
        return wire
    parts = [part if number else f"file={part}" for number, part in enumerate(rest.split(","))]
    for number, part in enumerate(parts):
        key, _, path = part.partition("=")
        if key in ("file", "out") and path:
            parts[number] = f"{key}={base / Path(path).expanduser()}"
    return "pcap:" + ",".join(parts).removeprefix("file=")


def _check_registries(path: str, found: Configuration) -> None:
    """Values of other types are looked at here, where the key can still be named."""
    places = [("[registry]", found.registry)]
    for kind in ("driver", "adapter"):
        for number, table in enumerate(getattr(found, kind), 1):
            places.append((f"[{kind}.registry] of [[{kind}]] number {number}", table.registry))
    for place, values in places:
        for key, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int | str):
                given = _kind_of(value)
                raise ConfigurationError(f"{path}: {place}, key {key}: expected a whole number or text, got {given}")


def _kind_of(value: object) -> str:
    kinds = ((bool, "bool"), (int, "int"), (float, "float"), (str, "str"), (list, "array"), (dict, "object"))
    return next((_TYPES[word] for kind, word in kinds if isinstance(value, kind)), f"a {type(value).__name__}")


def in_words(message: str) -> str:
    """What msgspec found wrong, with table and key as the file's author knows them."""
    match = _PLACE.match(message)
    what, path = (match["what"], match["path"] or "") if match is not None else (message, "")
    steps = re.findall(r"\.([A-Za-z_]+)|\[(\d+|\.\.\.)\]", path)
    table = steps[0][0] if steps else ""
    key = ""
    place = f"[{table}]" if table else ""
    rest = steps[1:]
    if rest and rest[0][1].isdigit() and table in ("driver", "adapter"):
        place = f"[[{table}]] number {int(rest[0][1]) + 1}"
        rest = rest[1:]
    if rest:
        key = rest[0][0]
    told = _fault(what, table, key)
    if table in ("driver", "adapter") and len(steps) == 1 and "Expected `array`" in what:
        told = f"is a list of tables; write [[{table}]]"
    where = ", ".join(part for part in (place, f"key {key}" if key else "") if part)
    return f"{where}: {told}" if where else told


def _fault(what: str, table: str, key: str) -> str:
    unknown = re.search(r"contains unknown field `(.*)`", what)
    if unknown is not None:
        known = _TABLES[table].__struct_fields__ if table in _TABLES else ()
        close = difflib.get_close_matches(unknown[1], known, 1)
        kind = "key" if table else "table"
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
        return f"unknown {kind} {unknown[1]}; {hint}"
    missing = re.search(r"missing required field `(.*)`", what)
    if missing is not None:
        return f"the key {missing[1]} is missing"
    invalid = re.search(r"Invalid enum value (.*)", what)
    if invalid is not None:
        hint = get_type_hints(_TABLES[table])[key]
        literal = next((part for part in get_args(hint) if get_args(part)), hint)  # of an optional one
        return f"{invalid[1]} is none of {', '.join(get_args(literal))}"
    pattern = re.search(r"matching regex", what)
    if pattern is not None:
        return "expected an address like 02:00:00:00:00:01"
    told = re.sub(r"`([a-z| ]+)`", lambda found: _type_words(found[1]), what)
    return told[:1].lower() + told[1:]


def _type_words(types: str) -> str:
    words = [_TYPES.get(word, word) for word in types.split(" | ") if word != "null"]
    return " or ".join(words)
