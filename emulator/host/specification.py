"""What a machine shall be: the records that travel from the console through the host to the zygote.

Law: plain values, checked by msgspec wherever they arrive; nothing here opens, maps or starts anything.
"""

from __future__ import annotations

import os
import re
from typing import Final, Literal

import msgspec

from emulator.layout.arena import MAXIMUM_PASSIVE_WORKERS, Geometry
from emulator.rules.errors import ConfigurationError
from vnic.device import VNIC_MAXIMUM_MESSAGES
from vnic.device.layout import MAXIMUM_QUEUES
from vnic.wires.faults import FaultSpecification
from vnic.wires.wire import WireSpecification

DEFAULT_LOADER: Final = "emulator.ndis.loader"
MOST_PROCESSORS: Final = 32
"""As many as the lock table has locks for processors and for their DPC queues."""
DriverKind = Literal["miniport", "protocol", "filter", "intermediate"]
DEFAULT_VIRTUAL_ADAPTERS: Final = 8
"""Of a machine with an intermediate driver that says nothing else."""
MOST_VIRTUAL_ADAPTERS: Final = 128
OFFLOAD_SLOTS: Final = 4352
"""Of shared memory for the large frames of an adapter with offloads, beside what every machine has."""
FEW_ADAPTERS: Final = 4
"""As many as the numbers of a geometry are meant for; each further adapter has its part beside."""
ADAPTER_PARTS: Final = {"frame_slots": 1024, "driver_locks": 16, "timers": 16, "pools": 8, "interrupts": 2, "polls": 2,
                        "dma_channels": 2, "configurations": 2, "pool_bytes": 1 << 20}  # fmt: skip
"""What an adapter beyond the first few adds to each of these."""
QUEUE_SLOTS: Final = 1024
OFFLOAD_QUEUE_SLOTS: Final = 2176
"""Of shared memory for each queue of an adapter beyond the first, without offloads and with."""
RegistryValue = int | str
MEGABIT: Final = 1_000_000
_MAC: Final = re.compile("[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}")


class DriverSpecification(msgspec.Struct, frozen=True, kw_only=True):
    """One plug-in: a module that can be imported, or a file.

    It is named by the last part of the module or by the file's stem, as Windows names a driver by its file.
    """

    kind: DriverKind
    """What it registers; it may register others besides."""
    module: str = ""
    path: str = ""
    registry: dict[str, RegistryValue] = {}
    """The values under the driver's Parameters key."""
    adapters: list[str] = []
    """The names of the adapters that a protocol or a filter is bound to, with ``*`` and ``?``; empty: all."""


class AdapterSpecification(msgspec.Struct, frozen=True, kw_only=True):
    """One adapter: the driver that runs it, its hardware and its wire."""

    name: str = ""
    miniport: str = ""
    """The name of its miniport driver; empty: the only one."""
    wire: WireSpecification = WireSpecification("cable")
    capture: str = ""
    """The pcapng file to which every frame of the adapter is written; empty: none."""
    faults: FaultSpecification = FaultSpecification()
    """What the wire does to frames (see ``vnic.wires.faults.parse_faults``)."""
    mac: str = ""
    """The hardware's permanent address, ``02:00:00:00:00:01``; empty: made from machine and adapter number."""
    link_speed: int = 1_000_000_000
    messages: int = 0
    """Interrupt messages that the machine has for it; a driver that knows none uses its line, as without any."""
    offloads: bool = False
    """Whether the TAP hands over, and takes, frames that are not finished: large ones, and without checksums."""
    queues: int = 1
    """Hardware queues, each with rings and an interrupt of its own, over which the driver has frames spread (RSS)."""
    registry: dict[str, RegistryValue] = {}
    """Values that NdisReadConfiguration finds for this adapter before those of its driver."""


class WatchdogLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long one callback may run."""

    cpu_ms: int = 2000
    wall_ms: int = 20_000


class MachineSpecification(msgspec.Struct, frozen=True, kw_only=True):
    """A whole machine."""

    name: str = "machine"
    geometry: Geometry = Geometry()
    drivers: list[DriverSpecification] = []
    adapters: list[AdapterSpecification] = []
    registry: dict[str, RegistryValue] = {}
    debug: bool = False
    """One context of each kind, no watchdog, and stdin for ``breakpoint()``."""
    watchdog: WatchdogLimits = WatchdogLimits()
    environment: dict[str, str] = {}
    paths: list[str] = []
    """Put in front of the import path of the plug-ins."""
    log_level: int = 10
    """Records below it are not even sent; what is sent is filtered by the console's own loggers."""
    devices: str = ""
    """The directory in which user programs find the machine's devices, one socket each; empty: nowhere."""
    loader: str = DEFAULT_LOADER
    """The module that builds the machine and loads its drivers (see ``zygote.Loader``)."""

    def prepared(self) -> MachineSpecification:
        """The specification as it will be run: room for its adapters; under ``debug`` one context of each kind.

        Raises ConfigurationError where a value is of the wrong type or makes no machine.
        """
        try:
            checked = msgspec.convert(msgspec.to_builtins(self), MachineSpecification)
            checked = msgspec.structs.replace(checked, adapters=[_located(adapter) for adapter in checked.adapters])
            geometry = _roomy(checked)
            if not geometry.virtual_adapters and any(driver.kind == "intermediate" for driver in checked.drivers):
                geometry = msgspec.structs.replace(geometry, virtual_adapters=DEFAULT_VIRTUAL_ADAPTERS)
            if checked.debug:
                geometry = msgspec.structs.replace(geometry, processors=1, passive_workers=1)
            _check(geometry)
            for adapter in checked.adapters:
                check_hardware(adapter)
            _check_files(checked.adapters)
        except (msgspec.ValidationError, ValueError) as error:
            raise ConfigurationError(f"machine {self.name}: {error}") from None
        devices = os.path.abspath(checked.devices) if checked.devices else ""
        return msgspec.structs.replace(checked, geometry=geometry, devices=devices)


def check_hardware(adapter: AdapterSpecification) -> None:
    """ValueError for an address that no station has, a speed that the hardware cannot tell, what the wire cannot do."""
    if adapter.mac and (not _MAC.fullmatch(adapter.mac) or int(adapter.mac[:2], 16) & 1):
        raise ValueError(f"mac = {adapter.mac}: expected the address of one station, like 02:00:00:00:00:01")
    if not 0 <= adapter.messages <= VNIC_MAXIMUM_MESSAGES:
        raise ValueError(f"messages = {adapter.messages}: an adapter has 0 to {VNIC_MAXIMUM_MESSAGES}")
    if not 1 <= adapter.queues <= MAXIMUM_QUEUES:
        raise ValueError(f"queues = {adapter.queues}: an adapter has 1 to {MAXIMUM_QUEUES}")
    if 0 < adapter.messages < adapter.queues:
        raise ValueError(f"messages = {adapter.messages}: an adapter with {adapter.queues} queues has none, or as many")
    if adapter.offloads and adapter.wire.kind != "tap":
        raise ValueError(f"offloads: the wire {adapter.wire.name} has none; a TAP has")
    if adapter.offloads and (adapter.capture or adapter.faults.any):
        what = "written to a capture file" if adapter.capture else "subjected to faults"
        raise ValueError(f"offloads: frames that are not finished cannot be {what}")
    if adapter.link_speed % MEGABIT or not 0 < adapter.link_speed // MEGABIT < 1 << 32:
        raise ValueError(f"link_speed = {adapter.link_speed}: expected a whole number of megabits a second, in bits")


def _roomy(specification: MachineSpecification) -> Geometry:
    """The geometry with room for all adapters, their bindings and their filter modules."""
    geometry, adapters = specification.geometry, specification.adapters
    more = max(0, len(adapters) - FEW_ADAPTERS)
    rooms = {name: getattr(geometry, name) + part * more for name, part in ADAPTER_PARTS.items()}
    rooms["frame_slots"] += OFFLOAD_SLOTS * sum(each.offloads for each in adapters)
    for adapter in adapters:
        rooms["frame_slots"] += (OFFLOAD_QUEUE_SLOTS if adapter.offloads else QUEUE_SLOTS) * (adapter.queues - 1)
    # All adapters have room for as many queues as the one that has most.
    rooms["hardware_queues"] = max((each.queues for each in adapters), default=1)
    kinds = [driver.kind for driver in specification.drivers]
    protocols, filters = kinds.count("protocol") + kinds.count("intermediate"), kinds.count("filter")
    for name, each in (("bindings", protocols), ("filters", filters)):
        rooms[name] = max(getattr(geometry, name), each * len(adapters))
    return msgspec.structs.replace(geometry, adapters=max(1, len(adapters)), **rooms)


def _located(adapter: AdapterSpecification) -> AdapterSpecification:
    """An adapter whose files are found wherever the host works."""
    wire = adapter.wire
    file, out, capture = (os.path.abspath(path) if path else "" for path in (wire.file, wire.out, adapter.capture))
    return msgspec.structs.replace(adapter, capture=capture, wire=msgspec.structs.replace(wire, file=file, out=out))


def _check_files(adapters: list[AdapterSpecification]) -> None:
    """ValueError for a file that would be written to twice, or read and written."""
    read = {adapter.wire.file for adapter in adapters}
    written: set[str] = set()
    for path in (path for adapter in adapters for path in (adapter.capture, adapter.wire.out) if path):
        if path in written:
            raise ValueError(f"two captures would be written to {path}")
        if path in read:
            raise ValueError(f"{path} would be replayed and written to")
        written.add(path)


def _check(geometry: Geometry) -> None:
    """ValueError for numbers that no machine can have."""
    if geometry.receive_throttle < 0:
        raise ValueError(f"receive_throttle = {geometry.receive_throttle}: at least 1, or 0 for no limit")
    if not 1 <= geometry.processors <= MOST_PROCESSORS:
        raise ValueError(f"a machine has 1 to {MOST_PROCESSORS} processors, not {geometry.processors}")
    if not 1 <= geometry.passive_workers <= MAXIMUM_PASSIVE_WORKERS:
        raise ValueError(
            f"a machine has 1 to {MAXIMUM_PASSIVE_WORKERS} passive workers, not {geometry.passive_workers}"
        )
    if not 0 <= geometry.virtual_adapters <= MOST_VIRTUAL_ADAPTERS:
        raise ValueError(f"a machine has 0 to {MOST_VIRTUAL_ADAPTERS} virtual adapters")
    for name in ("driver_locks", "work_items", "timers", "drivers", "bindings", "filters", "pools", "frame_slots"):
        if getattr(geometry, name) < 1:
            raise ValueError(f"{name} = {getattr(geometry, name)}: at least 1")
