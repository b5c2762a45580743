"""A machine in this process with a small miniport, small filters and a small protocol, one of which may be a bad one.

Law: one life for all of them: load, start, run, pause, restart, run, stop, unload; nothing moves but by ``settle``, and
time passes only when nothing else can happen.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from emulator.host.specification import AdapterSpecification, DriverSpecification, MachineSpecification
from emulator.kernel.devices import Answer, Call, DeviceLane, device_names, serve_device_request
from emulator.kernel.platform import current
from emulator.kernel.pointers import DATA_TAG
from emulator.layout.handles import HandleKind
from emulator.layout.machine import ContextKind, SlotState
from emulator.ndis.built_in_types import BUILT_IN_TYPES
from emulator.ndis.executive import Executive
from emulator.ndis.gates import ddi
from emulator.ndis.headers.io_codes import (
    IRP_MJ_CLEANUP,
    IRP_MJ_CLOSE,
    IRP_MJ_CREATE,
    IRP_MJ_DEVICE_CONTROL,
    IRP_MJ_READ,
    IRP_MJ_WRITE,
)
from emulator.ndis.loader import load_images
from emulator.ndis.plug_and_play import intermediate, pnp, pnp_power
from tests.fake_platform import FakeMachine, fresh_module

if TYPE_CHECKING:
    import types
    from collections.abc import Sequence

    from emulator.kernel.context import Context
    from emulator.kernel.stop import StopReport

FOLDER: Final = Path(__file__).parent
CALLS: Final = (
    IRP_MJ_CREATE,
    IRP_MJ_READ,
    IRP_MJ_WRITE,
    IRP_MJ_DEVICE_CONTROL,
    IRP_MJ_CLEANUP,
    IRP_MJ_CLOSE,
)
PACKAGE: Final = "tests.bad_drivers"
MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000
WORKING, SLEEPING = pnp_power.WORKING, pnp_power.LOW[-1]
MOST_IDLE_SLEEPS: Final = 8


class Operation:
    """A control operation, as far as NDIS looks at it."""

    def __init__(self, argument: int = 0, content: bytes = b"", target: int = 0) -> None:
        self.argument, self.content, self.target, self.needed = argument, content, target, 0

    def hold(self, data: bytes) -> None:
        """Put the answer in place of what was given."""
        self.content = data


class Computer:
    """The machine.  BugCheck comes out of whatever was called when a driver breaks a rule."""

    def __init__(
        self,
        miniport: str,
        protocol: str,
        *,
        filters: Sequence[str] = (),
        intermediate_driver: str = "",
        checked: bool = True,
        plant: dict[str, dict[str, Any]] | None = None,
        **geometry: Any,
    ) -> None:
        self.plant = plant or {}
        between = {intermediate_driver: "intermediate"} if intermediate_driver else {}
        kinds = {miniport: "miniport", **dict.fromkeys(filters, "filter"), **between, protocol: "protocol"}
        above = ["virtual0"] if between else []
        names = [f"{PACKAGE}.{name}" for name in kinds]
        sizes: dict[str, Any] = {"passive_workers": 2, "virtual_adapters": len(between), **geometry}
        self.fake = FakeMachine(
            services=Executive(), builtin_types=BUILT_IN_TYPES, checked=checked, cooperative=True, **sizes
        )
        self.fake.platform.tick = 100  # a driver may wait for the clock
        self.fake.machine.configuration["specification"] = MachineSpecification(
            geometry=self.fake.geometry,
            drivers=[
                DriverSpecification(
                    kind=kind,  # type: ignore[arg-type]
                    module=f"{PACKAGE}.{name}",
                    adapters=above if kind == "protocol" else [],
                )
                for name, kind in kinds.items()
            ],
            adapters=[AdapterSpecification(name="adapter0")],
        )
        self.names = names
        self.idle_sleeps = 0
        let_others_run = self.fake.platform.on_sleep
        assert let_others_run is not None

        def on_sleep(context: Context, deadline: int | None) -> None:
            self.look_around()
            # A round that only answers what another context asked for counts as idle: look once more after it.
            self.idle_sleeps = self.idle_sleeps + 1 if deadline is None else 0
            self.fake._idle_sleeps = self.idle_sleeps > MOST_IDLE_SLEEPS
            let_others_run(context, deadline)

        self.fake.platform.on_sleep = on_sleep

    def look_around(self) -> bool:
        """What the loops of the idle threads do when they are woken: see what has changed, serve requests."""
        busy = False
        for context in list(self.fake.contexts.values()):
            idle = context.slot not in self.fake._asleep and context is not current.context
            if idle and context.kind in (
                ContextKind.REQUESTS,
                ContextKind.PASSIVE_WORKER,
                ContextKind.PNP,
                ContextKind.IO,
            ):
                with self.fake.running(context):
                    self.fake.services.round(context)
                    while context.kind is ContextKind.PNP and self.fake.services.wishes(context):
                        busy = True
                    while context.kind is ContextKind.REQUESTS and self.fake.services.requests(context):
                        busy = True
                        self.fake.services.leave(context)
        return busy

    def load(self) -> None:
        """Load the drivers."""
        ddi.install(checked=self.fake.geometry.checked)
        try:
            with self.fake.running(self.fake.context(ContextKind.ZYGOTE)) as zygote:
                load_images(zygote, self.names, self._module)
                zygote.enter_state(SlotState.EXITED)
        finally:
            ddi.install(checked=False)
        self.fake.context(ContextKind.REQUESTS)
        self.fake.processor()
        for index in range(self.fake.geometry.passive_workers):
            self.fake.passive_worker(index)

    def _module(self, name: str) -> types.ModuleType:
        module = fresh_module(name, FOLDER / f"{name.rpartition('.')[2]}.py")
        vars(module).update(self.plant.get(name.rpartition(".")[2], {}))
        return module

    def control(self, act: Any, *arguments: int) -> int:
        """Run a control operation in the PnP thread."""
        with self.fake.running(self.fake.pnp()) as context:
            self.fake.services.round(context)
            status: int = act(context, *arguments)
            while intermediate.serve(context):
                pass
            self.fake.services.leave(context)
        return status

    def settle(self, milliseconds: int = 5) -> None:
        """Let everything happen that happens within this time."""
        for _ in range(milliseconds):
            self.fake.run_until_idle()
            while self.look_around():
                self.fake.run_until_idle()
            self.fake.platform.advance(MILLISECOND)
        self.fake.run_until_idle()

    def run_for(self, seconds: int) -> None:
        """Let so much time pass."""
        for _ in range(seconds):
            self.fake.platform.advance(SECOND)
            self.settle(1)

    def programs(self) -> None:
        """A user program opens each device, asks for everything, cancels what is kept and closes the device."""
        arena = self.fake.machine.arena
        lane = DeviceLane(arena, lambda: None)
        answers: list[Answer] = []
        for number, found in enumerate(device_names(arena)):
            with self.fake.running(self.fake.context(ContextKind.IO)) as io:
                for major in CALLS:
                    data = b"data" if major == IRP_MJ_WRITE else b""
                    lane.cancel(lane.submit(Call(major, number, found.handle, 0, data, 16), answers.append))
                    while serve_device_request(io):
                        pass
                    lane.service()

    def life(self, seconds: int = 0, *, sleeps: bool = False, shuts_down: bool = False) -> int:
        """The whole life; the status with which the adapter started.

        It runs for so long, and its device goes to sleep and wakes up, before it is paused, or all is switched off.
        """
        self.load()
        status = self.control(pnp.start_adapter, 0)
        self.settle()
        self.run_for(seconds)
        for state in (SLEEPING, WORKING) if sleeps else ():
            assert self.control(pnp_power.power, 0, state) == 0
            self.settle()
        if shuts_down:
            self.control(lambda context, _: pnp_power.shut_down(context), 0)
            return status
        if status == 0:
            self.programs()
            self.control(pnp.pause, 0)
            self.settle()
            self.control(pnp.restart, 0)
            self.settle()
            self.control(pnp.stop_adapter, 0)
        self.settle()
        self.control(pnp.unload)
        return status

    @property
    def report(self) -> StopReport:
        """The stop record."""
        found: StopReport | None = self.fake.stop_report()
        assert found is not None
        return found

    def left(self) -> list[str]:
        """What is still allocated: nothing, after a whole life of good drivers, but the pools that NDIS keeps."""
        machine = self.fake.machine
        kept = {
            handle: record.records
            for handle, record in machine.objects[HandleKind.NET_BUFFER_LIST_POOL].live()
            if not record.head.driver
        }
        tables = {id(table): table for table in machine.objects.values()}.values()
        counts = [(table.in_use - (len(kept) if table.name == "pools" else 0), table.name) for table in tables]
        blocks = [
            f"pool block of driver {block.driver}"
            for pointer, block in machine.pool.live()
            if block.tag != DATA_TAG and block.owner not in kept and pointer not in kept.values()
        ]
        return [*(f"{count} {name}" for count, name in counts if count), *blocks]

    @property
    def logs(self) -> list[str]:
        """What was logged."""
        return [text for _, _, text in self.fake.platform.logs]
