"""The emulator as a subject of the benchmarks: a machine on a TAP, and a machine whose driver queues work items.

Law: started as a user's program starts it, with Console; its processes are named by role, and nothing is left behind.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sample_drivers
from emulator.host.console import Console, MachineStop
from emulator.host.specification import AdapterSpecification, DriverSpecification, MachineSpecification, WatchdogLimits
from emulator.layout.arena import FIRST_PROCESSOR_SLOT, Geometry
from emulator.rules.control import ControlOperation
from emulator.rules.errors import EmulatorError
from emulator.testing.log import DriverLog
from tools.bench.echo_subjects import PEER_ADDRESS, Build, Seat, interface_names
from tools.bench.processes import cpu_ns, machine_busy_seconds
from tools.bench.workitem_subjects import FIRST_UNCOUNTED, Saturation
from vnic.wires.wire import parse_wire

if TYPE_CHECKING:
    from emulator.host.console import MachineProxy

START_SECONDS: Final = 10.0
MINIPORT: Final = "sample_drivers.netvmini"
PROTOCOL: Final = "sample_drivers.hello"
WORKITEM_DRIVER: Final = "tools.bench.workitem_driver"
END_SECONDS: Final = 5.0


def wait_started(machine: MachineProxy) -> None:
    """Until every adapter runs; EmulatorError when a driver has refused its own."""
    machine.wait_running(START_SECONDS)
    if any(machine.statuses):
        told = ", ".join(f"0x{status & 0xFFFF_FFFF:08X}" for status in machine.statuses)
        raise EmulatorError(f"machine {machine.name}: its adapters answered {told} to their start")


def roles_of(machine: MachineProxy) -> dict[str, tuple[int, ...]]:
    """The processes whose time is accounted: the host, the processors and the first passive workers.

    Workers that the machine adds on a busy computer, and stand-ins, come and go; they are not among them.
    """
    geometry = machine.specification.geometry
    lasting = range(FIRST_PROCESSOR_SLOT, geometry.first_passive_slot + geometry.passive_workers)
    workers = tuple(pid for slot, pid in machine.pids().items() if slot in lasting)
    return {"host": (machine.console.host_pid,), "worker": workers}


class EmulatorEcho:
    """netvmini and hello behind a TAP: every frame goes through miniport, NDIS and protocol and back.

    There may be pass-through filters between them, and further adapters, whose TAPs are named after the first.
    """

    def __init__(self, build: Build, *, filters: int = 0, adapters: int = 1) -> None:
        self.name = f"emulator, {build}"
        self._checked = build == "checked"
        self._filters = filters
        self._adapters = adapters
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._console: Console | None = None
        self._machine: MachineProxy | None = None

    def start(self, interface: str) -> Seat:
        """Start a machine with one processor and its adapter on a TAP of this name."""
        specification = MachineSpecification(
            name=f"bench-{interface}",
            geometry=Geometry(processors=1, passive_workers=1, checked=self._checked),
            drivers=[
                DriverSpecification(kind="miniport", module=MINIPORT),
                *(DriverSpecification(kind="filter", path=path) for path in self._filter_files()),
                DriverSpecification(kind="protocol", module=PROTOCOL),
            ],
            adapters=[
                AdapterSpecification(name=name, wire=parse_wire(f"tap:{name}"), mac=PEER_ADDRESS)
                for name in interface_names(interface, self._adapters)
            ],
            log_level=40,
        )
        self._console = Console()
        self._machine = self._console.start_machine(specification)
        wait_started(self._machine)
        return Seat(interface, PEER_ADDRESS, roles_of(self._machine))

    def _filter_files(self) -> list[str]:
        """ndislwf under as many names: a machine's drivers are told apart by their files."""
        if not self._filters:
            return []
        self._folder = tempfile.TemporaryDirectory(prefix="ndis-bench-")
        source = Path(sample_drivers.__file__).with_name("ndislwf.py")
        targets = [Path(self._folder.name, f"ndislwf{number + 1}.py") for number in range(self._filters)]
        return [str(shutil.copy(source, target)) for target in targets]

    def stop(self) -> None:
        """End the machine in order, then its host."""
        machine, self._machine = self._machine, None
        console, self._console = self._console, None
        folder, self._folder = self._folder, None
        try:
            if machine is not None:
                machine.stop()
        finally:
            if console is not None:
                console.close()
            if folder is not None:
                folder.cleanup()


class EmulatorWorkItems:
    """A driver whose timer queues work items on the one processor; one passive worker runs them.

    Each run has a fresh machine.  The driver counts what it has queued and what has run, and says so when paused.
    """

    def __init__(self, build: Build) -> None:
        self.name = f"emulator, {build}"
        self._checked = build == "checked"
        self._console: Console | None = None
        self._log = DriverLog()

    def start(self) -> None:
        """Start nursery and host."""
        self._console = Console()

    def stop(self) -> None:
        """End what still runs."""
        self._log.close()
        console, self._console = self._console, None
        if console is not None:
            console.close()

    def saturate(self, warm_up: float, seconds: float) -> Saturation:
        """Queue without rest; what the worker has taken is read from outside, twice."""
        machine = self._begin({})
        pids = self._pids(machine)
        time.sleep(warm_up)
        busy, used = machine_busy_seconds(), {who: cpu_ns([pid]) for who, pid in pids.items()}
        first, began = machine.statistics().counters["work_items_taken"], time.monotonic()
        time.sleep(seconds)
        ran, ended = machine.statistics().counters["work_items_taken"] - first, time.monotonic()
        spent = {who: cpu_ns([pid]) - used[who] for who, pid in pids.items()}
        foreign = machine_busy_seconds() - busy - sum(spent.values()) / 1e9
        machine.control(ControlOperation.PAUSE)
        counters = machine.statistics().counters
        self._end(machine)
        _, queued, _, counted = self._said("queued ").split()
        if counters["passive_workers_added"]:
            # On a busy computer the machine adds a worker; then the driver's count has two writers and NDIS's counts.
            counted = str(counters["work_items_taken"])
        span = ended - began
        return Saturation(
            per_second=ran / span,
            queued=int(queued),
            ran=int(counted),
            seconds=span,
            ns={who: time_used / max(1, ran) for who, time_used in spent.items()},
            foreign_cores=max(0.0, foreign / span),
        )

    def lone(self, count: int, pause_us: int, *, awake: bool = False) -> list[int]:
        """Queue single items; the driver says how long each has waited."""
        total = count + FIRST_UNCOUNTED
        machine = self._begin({"LoneItems": total, "PauseMicroseconds": pause_us, "Awake": int(awake)})
        waits = [int(wait) for wait in self._said("lone ").split()[1:]]
        self._end(machine)
        if len(waits) != total:
            raise EmulatorError(f"{self.name} timed {len(waits)} of {total} items")
        return waits[FIRST_UNCOUNTED:]

    def circulate(self, count: int, warm_up: float, seconds: float) -> dict[str, float]:
        """Let so many items queue themselves again and again: as many are outstanding while the rate is read."""
        machine = self._begin({"Outstanding": count}, count)
        deadline = time.monotonic() + START_SECONDS
        while machine.statistics().counters["work_items_queued"] < count:
            if time.monotonic() > deadline:
                raise EmulatorError(f"{self.name} did not queue {count} items")
            time.sleep(0.005)
        time.sleep(warm_up)
        used = {pid: cpu_ns([pid]) for pid in self._workers(machine)}
        first, began = machine.statistics().counters["work_items_taken"], time.monotonic()
        time.sleep(seconds)
        ran, ended = machine.statistics().counters["work_items_taken"] - first, time.monotonic()
        # A worker that was added meanwhile has used everything since the beginning.
        spent = sum(cpu_ns([pid]) - used.get(pid, 0) for pid in self._workers(machine))
        added = machine.statistics().counters["passive_workers_added"]
        machine.control(ControlOperation.PAUSE)
        self._end(machine)
        return {"per_second": ran / (ended - began), "ns": spent / max(1, ran), "workers": 1.0 + added}

    def _workers(self, machine: MachineProxy) -> list[int]:
        first = machine.specification.geometry.first_passive_slot
        last = machine.specification.geometry.first_stand_in_slot
        return [pid for slot, pid in machine.pids().items() if first <= slot < last]

    def _begin(self, registry: dict[str, int | str], items: int = 0) -> MachineProxy:
        assert self._console is not None
        self._log.close()
        self._log = DriverLog()
        self._log.open()
        machine = self._console.start_machine(
            MachineSpecification(
                name="bench-work-items",
                geometry=Geometry(
                    processors=1,
                    passive_workers=1,
                    timers=8,
                    checked=self._checked,
                    work_items=Geometry().work_items + items,
                ),
                # To allocate and to free many items takes longer than a callback usually may.
                watchdog=WatchdogLimits(cpu_ms=20_000),
                drivers=[DriverSpecification(kind="miniport", module=WORKITEM_DRIVER, registry=registry)],
                adapters=[AdapterSpecification(name="bench0")],
            )
        )
        wait_started(machine)
        return machine

    def _pids(self, machine: MachineProxy) -> dict[str, int]:
        slot = machine.specification.geometry.first_passive_slot
        pids = machine.pids()
        return {"producer": pids[FIRST_PROCESSOR_SLOT], "consumer": pids[slot]}

    def _end(self, machine: MachineProxy) -> None:
        if machine.stop() is not None:
            raise MachineStop(machine)

    def _said(self, begins: str) -> str:
        """The driver's line that begins so."""
        try:
            return self._log.wait_for(lambda record: record.text.startswith(begins), END_SECONDS).text
        except AssertionError as error:
            raise EmulatorError(f"{self.name}: {error}") from None
