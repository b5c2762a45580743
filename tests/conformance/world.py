"""A started adapter with a filter and a protocol on it, put back after each call as it was before.

Law: one machine for all calls of a run. What a call changes lies in the arena, which is copied back, or in a context,
which is made anew; the drivers' own globals hold what DriverEntry left there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.host.specification import DriverSpecification
from emulator.kernel.calls import PASSED_ON, escaped
from emulator.kernel.irql import raise_irql
from emulator.kernel.platform import current
from emulator.kernel.pointers import NONPAGED, NonpagedMeta
from emulator.kernel.stop import read_stop
from emulator.layout.handles import HandleKind, make_handle
from emulator.layout.machine import SlotState
from emulator.ndis.adapter_hardware.hardware import hardware_of
from emulator.ndis.data_path.datapath_state import data_path
from emulator.ndis.data_path.poll_objects import FIRST_WITH_POLL_MODE
from emulator.ndis.executive import Executive
from emulator.ndis.gates.ddi import declarations
from emulator.ndis.headers.constants import NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER
from emulator.ndis.plug_and_play import pnp
from emulator.ndis.plug_and_play.bindings import begin_operation, end_operation
from emulator.rules.errors import BugCheck
from emulator.rules.irql import DISPATCH_LEVEL
from emulator.rules.states import AdapterState
from tests.bad_drivers.computer import FOLDER, Computer
from tests.fake_platform import fresh_module

if TYPE_CHECKING:
    import types
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.kernel.stop import StopReport
    from tests.conformance.arguments import Variant

CALLING: Final = "tests.conformance.calling_driver"
CALLERS: Final = {"miniport": 1, "filter": 2, "protocol": 3, "library": 4}
"""Kinds of driver that call, and the numbers of their images; a library registers nothing."""
OPERATIONS: Final = (HandleKind.BIND_CONTEXT, HandleKind.UNBIND_CONTEXT)
SMALL: Final[dict[str, Any]] = {
    "pool_bytes": 1 << 18,
    "frame_slots": 32,
    "driver_locks": 16,
    "work_items": 16,
    "timers": 8,
}


class Outcome(NamedTuple):
    """What came of a call: a value, a stop, or an error that nobody made a stop of."""

    result: Any
    report: StopReport | None
    error: BaseException | None
    irql: int
    locks: list[int]


class _Services(Executive):
    def attach(self, context: Context) -> None:
        """Stacks are compiled when a call asks for them, which few do; globals are not looked at for one call."""
        data_path(context)


class _Computer(Computer):
    def __init__(self) -> None:
        super().__init__("base_miniport", "base_protocol", filters=["base_filter"], **SMALL)
        self.fake.services = self.fake.machine.services = _Services()
        self.names.append(CALLING)
        specification: Any = self.fake.machine.configuration["specification"]
        specification.drivers.append(DriverSpecification(kind="protocol", module=CALLING))

    def _module(self, name: str) -> types.ModuleType:
        if name != CALLING:
            return super()._module(name)
        return fresh_module(name, FOLDER.parent / "conformance" / "calling_driver.py")


class World:
    """The machine.  `call` leaves it as it is; `restore` puts it back."""

    def __init__(self) -> None:
        self.computer = _Computer()
        fake = self.fake = self.computer.fake
        self.computer.load()
        assert self.computer.control(pnp.start_adapter, 0) == 0
        self.computer.settle()
        assert fake.stop_report() is None
        self.modules = {kind: fake.machine.images.images[number - 1].module for kind, number in CALLERS.items()}
        self.library: Any = self.modules["library"]
        self._call = {number: _caller(fake.machine.images.images[number - 1]) for number in CALLERS.values()}
        self._structures: dict[tuple[Any, ...], Any] = {}
        for slot in fake.arena.slots:
            slot.state = SlotState.EXITED  # nobody waits for the contexts that are not made anew
        self.memory = bytes(fake.memory)
        self.time = fake.platform.time
        self.owners = dict(fake.platform.owners)

    def restore(self) -> None:
        """The machine as it was when it had started, with new contexts."""
        fake = self.fake
        fake.memory[:] = self.memory
        fake.contexts.clear()
        fake._asleep.clear()
        fake._idle_sleeps = False
        self.computer.idle_sleeps = 0
        platform = fake.platform
        platform.time = self.time
        platform.owners = dict(self.owners)
        platform.logs.clear()
        platform.rings.clear()
        fake.machine.refusals.clear()
        fake.machine.images.untyped.clear()

    def context(self, irql: int) -> Context:
        """Who runs at this level: a passive worker below DISPATCH_LEVEL, else a processor."""
        return self.fake.processor() if irql >= DISPATCH_LEVEL else self.fake.passive_worker()

    def handle(self, kind: HandleKind) -> int:
        """A live handle of the started stack."""
        table = self.fake.machine.objects[kind]
        return next(handle for handle, record in table.live() if record.head.kind == kind)

    def freed_handle(self, kind: HandleKind) -> int:
        """A handle of this kind whose object is gone."""
        if kind in OPERATIONS:
            return self.operation(kind, over=True)
        table = self.fake.machine.objects[kind]
        made = table.allocate(kind, driver=1, parent=0, site=0)
        assert made is not None, f"the table of {table.name} is full"
        table.free(made[0], site=0)
        return made[0]

    def invented_handle(self, kind: HandleKind) -> int:
        """A handle of this kind that nobody ever got."""
        table = self.fake.machine.objects.get(kind)
        return make_handle(kind, 77, table.capacity - 1 if table is not None else 0)

    def while_initializing(self, name: str, *arguments: Any) -> Any:
        """What a function gives that is for MiniportInitializeEx alone, called for a bus master."""
        adapter = self.handle(HandleKind.ADAPTER)
        record = self.fake.machine.objects[HandleKind.ADAPTER].find(adapter, HandleKind.ADAPTER)
        state, record.state = record.state, AdapterState.INITIALIZING
        record.attribute_flags |= NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER
        registered = self.ddi(name, adapter, *arguments)
        record.state = state
        return registered

    def poll(self, characteristics: Any) -> Any:
        """A Poll object of the adapter, as a later driver may have one."""
        handle = self.handle(HandleKind.MINIPORT_DRIVER)
        driver = self.fake.machine.objects[HandleKind.MINIPORT_DRIVER].find(handle, HandleKind.MINIPORT_DRIVER)
        version, driver.minor_version = driver.minor_version, FIRST_WITH_POLL_MODE
        registered = self.while_initializing("NdisRegisterPoll", None, characteristics)
        driver.minor_version = version
        return registered.PollHandle

    def operation(self, kind: HandleKind, *, over: bool = False) -> int:
        """The context handle of a bind or an unbind of the adapter that is under way, or over."""
        context, adapter = current.context, self.handle(HandleKind.ADAPTER)
        record = self.fake.machine.objects[HandleKind.ADAPTER].find(adapter, HandleKind.ADAPTER)
        handle = begin_operation(context, record, kind, adapter, self.handle(HandleKind.PROTOCOL_DRIVER))
        if over:
            end_operation(context, record)
        return handle

    def driver_object(self) -> Any:
        """The caller's DRIVER_OBJECT."""
        return self.fake.machine.driver_objects[current.context.driver or CALLERS["library"]]

    @staticmethod
    def registers(adapter: int) -> Any:
        """An adapter's register block, mapped."""
        del adapter
        return hardware_of(current.context, 0)

    def structure(self, **members: Any) -> Any:
        """A structure in nonpaged memory with these members."""
        key = tuple(members.items())
        kind = self._structures.get(key)
        if kind is None:
            body = {"__annotations__": members, "__module__": __name__}
            kind = self._structures[key] = NonpagedMeta("HOLDER", (NONPAGED,), body)
        return kind()

    @staticmethod
    def ddi(name: str, *arguments: Any) -> Any:
        """Call a function without its gate."""
        return declarations[name].function(*arguments)

    def attempt(self, level: int, driver: int, function: Any, values: list[Variant] | list[None]) -> Outcome:
        """Make the arguments at PASSIVE_LEVEL, go to the level, and call."""
        context = self.context(level)
        current.context = context
        context.driver = driver
        arguments = [value.make(self) if value is not None else None for value in values]
        if level:
            raise_irql(context, level)
        if level >= DISPATCH_LEVEL:
            for value, argument in zip(values, arguments, strict=True):
                if value is not None and value.at_level is not None:
                    value.at_level(self, argument)
        return self.call(context, driver, function, arguments)

    def forget_stop(self) -> None:
        """After a stop that changed nothing else: the machine runs on, with new contexts."""
        self.fake.arena.machine.stop_word = 0
        self.fake.arena.stop.sequence = 0
        self.fake.contexts.clear()
        self.fake.platform.owners = dict(self.owners)

    def call(self, context: Context, driver: int, function: Any, arguments: Any) -> Outcome:
        """Call as a driver does, in a context that is at its level."""
        context.driver = driver
        error: BaseException | None = None
        result: Any = None
        try:
            try:
                result = self._call[driver](function, arguments)
            except PASSED_ON:
                raise
            except Exception as raised:  # as emulator.kernel.calls.call does with what leaves a callback
                escaped(context, raised)
        except BugCheck:
            pass
        except BaseException as raised:
            error = raised
        held = set(context.held) | {context.processor_lock}
        locks = [lock for lock, slot in self.fake.platform.owners.items() if lock not in held and slot == context.slot]
        return Outcome(result, read_stop(self.fake.arena), error, context.irql, locks)


def _caller(image: Any) -> Callable[..., Any]:
    """A function whose code is the driver's, so that a stop finds the driver's line."""
    namespace: dict[str, Any] = {}
    source = "def Call(function, arguments):\n    return function(*arguments)\n"
    exec(compile(source, image.path, "exec", dont_inherit=True), namespace)
    made: Callable[..., Any] = namespace["Call"]
    return made
