"""The emulator as a subject of the benchmarks: a machine on a TAP, and a machine whose driver queues work items.

Law: started as a user's program starts it, with Console; its processes are named by role, and nothing is left behind.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from emulator.host.console import Console, MachineStop
from emulator.host.specification import AdapterSpecification, DriverSpecification, MachineSpecification
from emulator.layout.arena import FIRST_PROCESSOR_SLOT, Geometry
from emulator.rules.control import ControlOperation
from emulator.rules.errors import EmulatorError
from emulator.testing.log import DriverLog
from tools.bench.echo_subjects import PEER_ADDRESS, Build, Seat
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


class EmulatorEcho:
    """netvmini and hello behind a TAP: every frame goes through miniport, NDIS and protocol and back."""

    def __init__(self, build: Build) -> None:
        self.name = f"emulator, {build}"
        self._checked = build == "checked"
        self._console: Console | None = None
        self._machine: MachineProxy | None = None

    def start(self, interface: str) -> Seat:
        """Start a machine with one processor and its adapter on a TAP of this name."""
        specification = MachineSpecification(
            name=f"bench-{interface}",
            geometry=Geometry(processors=1, passive_workers=1, checked=self._checked),
            drivers=[
                DriverSpecification(kind="miniport", module=MINIPORT),
                DriverSpecification(kind="protocol", module=PROTOCOL),
            ],
            adapters=[AdapterSpecification(name=interface, wire=parse_wire(f"tap:{interface}"), mac=PEER_ADDRESS)],
            log_level=40,
        )
        self._console = Console()
        self._machine = self._console.start_machine(specification)
        self._machine.wait_running(START_SECONDS)
        pids = self._machine.pids()
        workers = tuple(pid for slot, pid in pids.items() if slot >= FIRST_PROCESSOR_SLOT)
        return Seat(interface, PEER_ADDRESS, {"host": (self._console.host_pid,), "worker": workers})

    def stop(self) -> None:
        """End the machine in order, then its host."""
        machine, self._machine = self._machine, None
        console, self._console = self._console, None
        try:
            if machine is not None:
                machine.stop()
        finally:
            if console is not None:
                console.close()


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

    def _begin(self, registry: dict[str, int | str]) -> MachineProxy:
        assert self._console is not None
        self._log.close()
        self._log = DriverLog()
        self._log.open()
        machine = self._console.start_machine(
            MachineSpecification(
                name="bench-work-items",
                geometry=Geometry(processors=1, passive_workers=1, timers=8, checked=self._checked),
                drivers=[DriverSpecification(kind="miniport", module=WORKITEM_DRIVER, registry=registry)],
                adapters=[AdapterSpecification(name="bench0")],
            )
        )
        machine.wait_running(START_SECONDS)
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
