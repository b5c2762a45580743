"""A whole simulated machine: drivers loaded as NDIS loads them, hardware on wires in memory, control operations.

Law: what a script can do here has the names of the live console's machine, so that one script runs on both platforms.
Timeouts are seconds of virtual time.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, Final

import emulator.ndis as surface
from emulator.kernel.devices import io_thread_wanted
from emulator.kernel.lanes import BLOCKED_AFTER, Answer, blocked_lane
from emulator.kernel.stop import StopReport, write_stop
from emulator.kernel.waits import IDLE
from emulator.kernel.workqueue import STARVED_AFTER
from emulator.layout.arena import MAXIMUM_PASSIVE_WORKERS, WORK_QUEUES
from emulator.layout.machine import ContextKind, SlotState
from emulator.ndis.built_in_types import BUILT_IN_TYPES
from emulator.ndis.executive import Executive
from emulator.ndis.gates import ddi
from emulator.ndis.loader import load_images
from emulator.rules.control import ControlOperation
from emulator.rules.errors import BugCheck, NotImplementedByEmulator
from emulator.rules.limits import VnicLimit
from emulator.simulated.devices import SimulatedDevice, SimulatedDevices
from emulator.simulated.faulty_wire import FaultySimulatedWire
from emulator.simulated.hardware import HOST_SLOT, SimulatedHost, SimulatedPort
from emulator.simulated.images import private_module
from emulator.simulated.platform import STEP_LIMIT
from emulator.simulated.scaled import ScaledPort
from emulator.simulated.simulation import NotReached, Simulation
from emulator.simulated.specification import mac_of, small_geometry, specification_of
from emulator.simulated.tasks import NEVER, TaskState
from emulator.simulated.waiting import wait_graph
from emulator.simulated.wire import SECOND, SimulatedFarEnd, SimulatedWire

if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Iterator, Sequence

    from emulator.simulated.schedule import Schedule
    from emulator.simulated.schedulers import Scheduler

DEFAULT_DEADLINE: Final = 10.0
MEGABIT: Final = 1_000_000
NDIS_STATUS_ADAPTER_NOT_FOUND: Final = 0xC0010006


@contextlib.contextmanager
def _gates(checked: bool) -> Iterator[None]:
    """The build's functions with switch points for the drivers that are loaded meanwhile; then what was there."""
    before = {name: getattr(surface, name) for name in ddi.declarations}
    ddi.install(checked=checked, switches=True)
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(surface, name, function)


def _refuse_absent(specification: Any) -> None:
    """NotImplementedByEmulator for what a specification can say and only the live host has."""
    for adapter in specification.adapters:
        if adapter.wire.kind == "pcap":
            raise NotImplementedByEmulator("the wire pcap of a simulated machine")
        if getattr(adapter, "capture", ""):
            raise NotImplementedByEmulator("the capture of a simulated machine")


class SimulatedMachine(Simulation):
    """One machine with NDIS.

    Args:
        specification: The host's MachineSpecification, or anything with its attributes.
        drivers: Instead of it, plug-ins by module name or path, the miniport first.
        adapters: With ``drivers``: how many adapters.
        registry: With ``drivers``: registry values that every driver and adapter finds.
        defines: Constants of the drivers by name, set before DriverEntry as a compiler's -D would: fewer buffers make a
            machine that starts sooner.
        faults: With ``drivers``: what the wires do to frames, as in ``loss=0.01,delay=2ms,seed=7``.
        messages: With ``drivers``: interrupt messages that the machine has for each adapter.
        queues: With ``drivers``: hardware queues of each adapter.
        start: Load the drivers and start the adapters now; else ``start()`` does.
        numbers: With ``drivers``: numbers of the geometry (``processors``, ``passive_workers``, ``checked``...).
    """

    def __init__(
        self,
        specification: Any = None,
        *,
        drivers: Sequence[str] = (),
        adapters: int = 1,
        registry: dict[str, int | str] | None = None,
        defines: dict[str, Any] | None = None,
        faults: str = "",
        messages: int = 0,
        queues: int = 1,
        start: bool = True,
        seed: int = 0,
        scheduler: str | Scheduler | Schedule = "random",
        step_limit: int = STEP_LIMIT,
        kept: int | None = 4096,
        **numbers: Any,
    ) -> None:
        if specification is None:
            geometry = small_geometry(adapters=max(1, adapters), hardware_queues=queues, **numbers)
            specification = specification_of(drivers, adapters, registry or {}, geometry, faults, messages, queues)
        _refuse_absent(specification)
        self.specification = specification
        super().__init__(
            seed=seed,
            scheduler=scheduler,
            geometry=specification.geometry,
            services=Executive(),
            builtin_types=BUILT_IN_TYPES,
            step_limit=step_limit,
            kept=kept,
        )
        self.machine.configuration["specification"] = specification
        self.defines = defines or {}
        self.state = "starting"
        self.statuses: list[int | None] = [None] * len(specification.adapters)
        self.host = SimulatedHost(self.arena, self.platform)
        self.platform.on_idle = self._grow
        self.devices = SimulatedDevices(self)
        self.host.devices = self.devices.lane
        self.ports: list[SimulatedPort] = self.host.ports
        for number, adapter in enumerate(specification.adapters):
            megabits = max(1, adapter.link_speed // MEGABIT)
            wire = FaultySimulatedWire(adapter.faults) if adapter.faults.any else None
            queues = getattr(adapter, "queues", 1)
            kind = SimulatedPort if queues == 1 else ScaledPort
            port = kind(self.host, number, mac_of(adapter, 1, number), megabits, adapter.messages, wire, queues)
            self.ports.append(port)
        self.cables = [SimulatedFarEnd(self, port.wire) for port in self.ports]
        if start:
            self.start()

    # -- birth ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Load the drivers, bear the contexts and hand over the adapters' start; ``wait_running`` waits for it."""
        specification = self.specification
        names = [driver.path or driver.module for driver in specification.drivers]
        self.images.roots = (*(f"{path}/" for path in sys.path if path), "./")

        def load() -> None:
            self.main.enter_state(SlotState.RUNNING)
            self._guarded(lambda: load_images(self.main, names, self._load))
            self.main.enter_state(SlotState.EXITED)

        task = self.platform.add(self.main.slot, "zygote", load, self.main, settles=False)
        with _gates(self.geometry.checked):
            self.run(lambda: task.state is TaskState.DONE)
        if task.state is not TaskState.DONE:
            self.deadlock_if_hung()
        self.bear_all()
        self.platform.add(HOST_SLOT, "host", self.host.live, None)
        for port in self.ports:
            port.power_on()
            self.host.submit(ControlOperation.START_ADAPTER, port.number, 0, self._started(port))
        if not self.ports:
            self.state = "running"

    def _load(self, name: str) -> types.ModuleType:
        module = private_module(name)
        vars(module).update({name: value for name, value in self.defines.items() if name in vars(module)})
        return module

    def _started(self, port: SimulatedPort) -> Callable[[int], None]:
        def started(status: int) -> None:
            self.statuses[port.number] = status
            port.started(status == 0)
            if None not in self.statuses and self.state == "starting":
                self.state = "running"

        return started

    def wait_running(self, timeout: float = DEFAULT_DEADLINE) -> None:
        """Until every adapter has answered its start; from here on the scheduler explores in earnest."""
        if self.state == "starting":
            self.require(lambda: self.state != "starting", timeout, "running")
            self.platform.mark()

    # -- the script's acts ---------------------------------------------------------------------------------------------

    def control(
        self,
        operation: int,
        target: int = 0,
        argument: int = 0,
        timeout: float = DEFAULT_DEADLINE,
        data: bytes = b"",
    ) -> Answer:
        """Carry out one control operation in the machine's PnP thread; its NDIS_STATUS and what came with it."""
        if operation == ControlOperation.LINK:
            if not 0 <= target < len(self.ports):
                return Answer(NDIS_STATUS_ADAPTER_NOT_FOUND)
            self.ports[target].link(bool(argument))
            return Answer(0)
        answers: list[Answer] = []
        self.host.submit(int(operation), target, argument, answers.append, data)
        self.require(lambda: bool(answers), timeout, f"control operation {ControlOperation(operation).name}")
        if answers[0] == 0 and 0 <= target < len(self.ports):
            if operation == ControlOperation.STOP_ADAPTER:
                self.ports[target].halted()
            elif operation == ControlOperation.START_ADAPTER:
                self.ports[target].started(True)
        if operation == ControlOperation.SHUTDOWN and answers[0] == 0:
            self._leave()
        return answers[0]

    def inject(self, frame: bytes, adapter: int = 0, delay: int = 0) -> bool:
        """Put a frame on an adapter's wire, to arrive ``delay`` virtual ns from now."""
        return self.cables[adapter].send(frame, delay=delay)

    def frames(self, adapter: int = 0) -> list[bytes]:
        """Every frame that an adapter has sent."""
        return [sent.frame for sent in self.ports[adapter].wire.sent]

    def ring_host(self) -> None:
        """The host has something to look at."""
        self.platform.ring(HOST_SLOT)

    def device(self, name: str) -> SimulatedDevice:
        """Open a device, as a user program does."""
        return self.devices.open(name)

    def remove_wire(self, wire: SimulatedWire) -> None:
        """A wire has been taken away: the machine is told what Windows would tell it."""
        port = next(port for port in self.ports if port.wire is wire)
        if not wire.removed:
            port.remove()
            self.host.submit(ControlOperation.SURPRISE_REMOVE, port.number, 0, lambda status: port.close())

    def run_within(self, ready: Callable[[], bool], timeout: float) -> bool:
        """Let the machine run until ``ready()`` or for so many virtual seconds; did it come to be?"""
        return self.run(ready, self.now + int(timeout * SECOND)) or ready()

    def require(self, ready: Callable[[], bool], timeout: float, what: str) -> None:
        """``run_within``, where it is a fault when it does not come to be."""
        if not self.run_within(ready, timeout):
            self.deadlock_if_hung()
            graph = "\n  ".join(wait_graph(self.machine, self.platform))
            raise NotReached(f"{what} did not come to be within {timeout:g} virtual seconds:\n  {graph}")

    def run(self, ready: Callable[[], bool] | None = None, horizon: int = NEVER, *, idle: bool = False) -> bool:
        """Let contexts run until ``ready()`` or until nothing moves.  BugCheck when the machine stops."""
        host = self.host
        reached = super().run(lambda: host.fault is not None or (ready is not None and ready()), horizon, idle=idle)
        if host.fault is not None and not self.arena.machine.stop_word:
            self._hardware_fault(*host.fault)
        return reached

    # -- the end -------------------------------------------------------------------------------------------------------

    def shutdown(self) -> None:
        """Begin the orderly end: stop the adapters, unload the drivers."""
        if self.state not in ("starting", "running"):
            return
        self.state = "ending"
        self.devices.end(self._end_adapters)

    def _end_adapters(self) -> None:
        for port in self.ports:
            if self.statuses[port.number] in (0, None) and not port.wire.removed:
                self.host.submit(ControlOperation.STOP_ADAPTER, port.number, 0, lambda _, port=port: port.close())  # type: ignore[misc]
        self.host.submit(ControlOperation.UNLOAD, 0, 0, lambda _: self._leave())

    def _leave(self) -> None:
        for port in self.ports:
            port.close()
        self.state = "leaving"
        self.host.ending = True
        self.arena.machine.shutting_down = 1
        for slot in list(self.platform.tasks):
            self.platform.ring(slot)

    def wait_ended(self, timeout: float = DEFAULT_DEADLINE) -> StopReport | None:
        """Until every context has left; the report of a stop, None after an orderly end."""
        try:
            tasks = self.platform.tasks
            self.require(lambda: all(task.state is TaskState.DONE for task in tasks.values()), timeout, "the end")
        except BugCheck:
            return self.stopped
        self.state = "ended"
        return None

    def stop(self, timeout: float = DEFAULT_DEADLINE) -> StopReport | None:
        """End in order and wait for it; the report when it stopped on the way."""
        self.shutdown()
        return self.wait_ended(timeout)

    def stop_report(self) -> StopReport | None:
        """The bug check; None when there was none (yet)."""
        return self.stopped

    def _hardware_fault(self, adapter: int, fault: Exception) -> None:
        report = StopReport(
            code=VnicLimit.VNIC_ARENA_DAMAGED,
            parameters=(adapter, 0, 0, 0),
            name=VnicLimit.VNIC_ARENA_DAMAGED.name,
            family="emulator",
            text=f"The hardware of adapter {adapter} refuses what its driver did: {fault}.",
            context="host",
        )
        write_stop(self.machine, self.main, report)
        self.raise_if_stopped()

    # -- more workers --------------------------------------------------------------------------------------------------

    def _grow(self, until: int) -> bool:
        """Nobody can run: when work has waited long enough for a context, one more is born, as the host does it."""
        return self._add_worker(until) or self._add_stand_in(until) or self._add_io_thread()

    def _add_io_thread(self) -> bool:
        if not io_thread_wanted(self.arena):
            return False
        free = [index for index, slot in enumerate(self.geometry.lane_slots(ContextKind.IO)) if self._free(slot)]
        if free:
            self.bear(ContextKind.IO, free[0])
        return bool(free)

    def _add_stand_in(self, until: int) -> bool:
        blocked = blocked_lane(self.arena)
        if blocked is None:
            return False
        kind, since = blocked
        born = max(since + BLOCKED_AFTER, self.platform.time)
        free = [index for index, slot in enumerate(self.geometry.lane_slots(kind)) if index and self._free(slot)]
        if born > until or not free:
            return False
        self.platform.time = born
        self.bear(kind, free[0])
        return True

    def _add_worker(self, until: int) -> bool:
        arena, first = self.arena, self.geometry.first_passive_slot
        workers = range(first, first + MAXIMUM_PASSIVE_WORKERS)
        waiting = [queue.waiting()[0].queued_time for queue in self.machine.queues[:WORK_QUEUES] if queue.pending]
        if not waiting or any(arena.sleeping[slot] == IDLE for slot in workers):
            return False
        born = max(min(waiting) + STARVED_AFTER, self.platform.time)
        free = [slot for slot in workers if self._free(slot)]
        if born > until or not free:
            return False
        self.platform.time = born
        self.bear(ContextKind.PASSIVE_WORKER, free[0] - first)
        return True

    def _free(self, slot: int) -> bool:
        task = self.platform.tasks.get(slot)
        return task is None or task.state is TaskState.DONE
