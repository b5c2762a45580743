"""The emulator as a subject of the benchmarks: a machine on a TAP, and a machine whose driver queues work items.

Law: started as a user's program starts it, with Console; its processes are named by role, and nothing is left behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emulator.host.console import Console
from emulator.host.specification import AdapterSpecification, DriverSpecification, MachineSpecification
from emulator.layout.arena import FIRST_PROCESSOR_SLOT, Geometry
from tools.bench.echo_subjects import PEER_ADDRESS, Build, Seat
from vnic.wires.wire import parse_wire

if TYPE_CHECKING:
    from emulator.host.console import MachineProxy

START_SECONDS: Final = 10.0
MINIPORT: Final = "sample_drivers.netvmini"
PROTOCOL: Final = "sample_drivers.hello"


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
