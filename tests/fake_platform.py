"""A machine in one process for unit tests of the kernel and of NDIS: no process, no descriptor, no clock of its own.

Law: nothing here waits or runs by itself. A context runs when a test says so; what would block raises WouldBlock,
unless the test put something in `on_sleep` or made the machine `cooperative`, and time moves only when it is moved.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import linecache
import sys
import textwrap
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from emulator.kernel.context import Context
from emulator.kernel.images import Images
from emulator.kernel.irql import lower_irql, raise_irql
from emulator.kernel.loops import processor_round
from emulator.kernel.machine import Machine
from emulator.kernel.passive import serve_work_item
from emulator.kernel.platform import current
from emulator.kernel.pointers import NONPAGED
from emulator.layout.arena import FIRST_PROCESSOR_SLOT, Arena, Geometry, offsets_of
from emulator.layout.machine import ContextKind, SlotState
from emulator.rules.errors import EmulatorError, MachineStopped
from emulator.rules.irql import DISPATCH_LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emulator.kernel.stop import Possession
    from emulator.kernel.workqueue import Taken
    from emulator.layout.control import CONTROL

SMALL: dict[str, Any] = {
    "processors": 1,
    "passive_workers": 1,
    "adapters": 2,
    "driver_locks": 64,
    "work_items": 64,
    "timers": 32,
    "bindings": 16,
    "pools": 16,
    "filters": 8,
    "frame_slots": 256,
    "pool_bytes": 1 << 20,
    "split_frames": "off",
}
"""Numbers of a machine that a unit test can make in a few milliseconds; any of them may be given to FakeMachine."""

_FIXED_SLOTS = {ContextKind.HOST: 0, ContextKind.ZYGOTE: 1, ContextKind.PNP: 2, ContextKind.REQUESTS: 3}


class WouldBlock(EmulatorError):
    """A context would block for ever here: nobody else runs in a unit test."""


class FakePlatform:
    """Platform of all contexts of one fake machine.  Locks are a dictionary of owners, interlocked is plain."""

    sees_locks: bool = False

    def __init__(self) -> None:
        self.time = 1_000_000_000
        self.tick = 0
        self.owners: dict[int, int] = {}
        self.lock_takes = 0
        self.rings: list[int] = []
        self.grown = 0
        self.logs: list[tuple[int, str, str]] = []
        self.switches: list[str] = []
        self.choices: list[int] = []
        self.on_sleep: Callable[[Context, int | None], None] | None = None
        self.on_contention: Callable[[Context, int], None] | None = None
        self.dead_owners: set[int] = set()

    def now(self) -> int:
        """Machine time; `tick` is added at every look."""
        self.time += self.tick
        return self.time

    def system_time(self) -> int:
        """2026-01-01 plus the machine's time."""
        return 134_117_856_000_000_000 + self.time // 100

    def advance(self, nanoseconds: int) -> None:
        """Let time pass."""
        self.time += nanoseconds

    def acquire(self, lock: int) -> None:
        """Take a lock, or call `on_contention`, or raise WouldBlock."""
        if self.try_acquire(lock):
            return
        context = current.context
        if self.owners[lock] == context.slot:
            raise EmulatorError(f"{context.name} acquires lock {lock} again")
        if self.on_contention is not None:
            self.on_contention(context, lock)
            if self.try_acquire(lock):
                return
        raise WouldBlock(f"{context.name} wants lock {lock}, which slot {self.owners[lock]} holds")

    def try_acquire(self, lock: int) -> bool:
        """Take a lock if it is free; MachineStopped when its owner was declared dead."""
        if lock in self.dead_owners:
            raise MachineStopped
        if lock in self.owners:
            return False
        self.owners[lock] = current.context.slot
        self.lock_takes += 1
        return True

    def release(self, lock: int) -> None:
        """Give back a lock of the current context."""
        owner = self.owners.pop(lock, None)
        if owner != current.context.slot:
            raise EmulatorError(f"{current.context.name} releases lock {lock}, which slot {owner} holds")

    def bound(self, lock: int) -> tuple[Callable[[], None], Callable[[], None]]:
        """The same two calls."""
        return functools.partial(self.acquire, lock), functools.partial(self.release, lock)

    def lock_failed(self, lock: int, number: int) -> NoReturn:
        """Never: what fails here raises by itself."""
        raise EmulatorError(f"lock {lock} failed with {number}")

    def fetch_add(self, cell: Any, value: int) -> int:
        """Add; the old value."""
        old: int = cell.value
        cell.value = old + value
        return old

    def exchange(self, cell: Any, value: int) -> int:
        """Store; the old value."""
        old: int = cell.value
        cell.value = value
        return old

    def compare_exchange(self, cell: Any, expected: int, desired: int) -> int:
        """Store if as expected; the old value."""
        old: int = cell.value
        if old == expected:
            cell.value = desired
        return old

    def fence(self) -> None:
        """One thread of execution needs none."""

    def sleep(self, deadline: int | None) -> None:
        """Call `on_sleep`, or let time pass up to the deadline, or raise WouldBlock."""
        if self.on_sleep is not None:
            self.on_sleep(current.context, deadline)
        elif deadline is not None:
            self.time = max(self.time, deadline)
        else:
            raise WouldBlock(f"{current.context.name} sleeps with no deadline and nobody else runs")

    def ring(self, slot: int) -> None:
        """Note whose doorbell was rung."""
        self.rings.append(slot)

    def choose(self, count: int, site: str) -> int:
        """The next of `choices`, else the first."""
        del site
        return self.choices.pop(0) % count if self.choices else 0

    def linger(self, ready: Callable[[], bool]) -> bool:
        """Look once."""
        return ready()

    def switch(self, site: str) -> None:
        """Note the switch point."""
        self.switches.append(site)

    def point(self) -> None:
        """Nothing happens between two steps."""

    def grow(self) -> None:
        """Count the wish for one more passive worker."""
        self.grown += 1

    def read_file(self, path: str) -> bytes:
        """The whole of a file."""
        return Path(path).read_bytes()

    def log(self, level: int, logger: str, text: str) -> None:
        """Keep the record."""
        self.logs.append((level, logger, text))


class FakeServices:
    """Services that note what the kernel's loops asked for; assign a function to one to have it done."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.on_interrupts: Callable[[Context], bool] | None = None
        self.on_interrupts_pending: Callable[[Context], bool] | None = None
        self.on_deferred: Callable[[Context, int, int, int], None] | None = None
        self.on_attach: Callable[[Context], object] | None = None
        self.on_round: Callable[[Context], None] | None = None
        self.on_leave: Callable[[Context], None] | None = None
        self.on_control: Callable[[Context, CONTROL], int] | None = None

    def attach(self, context: Context) -> None:
        """A context has come to life."""
        self.calls.append(("attach", context.slot))
        if self.on_attach is not None:
            self.on_attach(context)

    def round(self, context: Context) -> None:
        """A round begins."""
        if self.on_round is not None:
            self.on_round(context)

    def interrupts(self, context: Context) -> bool:
        """Interrupts are the test's."""
        return self.on_interrupts(context) if self.on_interrupts is not None else False

    def interrupts_pending(self, context: Context) -> bool:
        """None by default."""
        return self.on_interrupts_pending(context) if self.on_interrupts_pending is not None else False

    def deferred(self, context: Context, kind: int, target: int, argument: int) -> None:
        """Deferred calls are the test's."""
        self.calls.append(("deferred", kind))
        if self.on_deferred is not None:
            self.on_deferred(context, kind, target, argument)

    def timer(self, context: Context, routine: int, value: int) -> None:
        """Call the routine as NDIS does."""
        from emulator.kernel.calls import call
        from emulator.kernel.pointers import decode

        call(context, routine, None, decode(context, value), None, None)

    def runner(self, context: Context) -> Callable[[Taken], int]:
        """Run items as NDIS does."""
        from emulator.ndis.deferred_work.work_items import runner

        return runner(context)

    def control(self, context: Context, operation: CONTROL) -> int:
        """Control operations are the test's."""
        return self.on_control(context, operation) if self.on_control is not None else 0

    def requests(self, context: Context) -> bool:
        """No requests."""
        del context
        return False

    def device_request(self, context: Context, index: int) -> None:
        """No devices."""

    def cancel_device_request(self, context: Context, index: int) -> None:
        """No devices."""

    def requests_pending(self, context: Context) -> bool:
        """No requests."""
        del context
        return False

    def wishes(self, context: Context) -> bool:
        """None."""
        return False

    wishes_pending = wishes

    def retire(self, context: Context) -> None:
        pass

    def next_look(self, context: Context) -> int | None:
        """Never."""
        return None

    def possessions(self, context: Context, *, everything: bool) -> list[Possession]:
        """Nothing is in use."""
        del context, everything
        return []

    def crashed(self, context: Context) -> None:
        """Nothing is done after a bug check."""

    def leave(self, context: Context) -> None:
        """A callback has returned to the loop."""
        self.calls.append(("leave", context.slot))
        if self.on_leave is not None:
            self.on_leave(context)


class FakeMachine:
    """A machine over ordinary memory, with as many contexts as a test asks for.

    `drivers` are modules (see `driver_module`, `driver_of`).  The first context made is the current one::

        fake = FakeMachine(drivers=[driver_module("echo", source)], processors=2)
        processor, worker = fake.processor(0), fake.passive_worker(0)
        with fake.running(worker):
            ...
    """

    def __init__(
        self,
        drivers: list[types.ModuleType] | None = None,
        *,
        services: Any = None,
        builtin_types: tuple[type, ...] = (),
        checked: bool = True,
        cooperative: bool = False,
        **geometry: int,
    ) -> None:
        self.geometry = Geometry(**{**SMALL, **geometry}, checked=checked)
        self.memory = bytearray(offsets_of(self.geometry)["size"])
        self.platform = FakePlatform()
        self.services: Any = services if services is not None else FakeServices()
        self.images = Images(builtin_types)
        for module in drivers or []:
            self.images.add(module.__name__, module)
        self.images.seal(NONPAGED)
        self.machine = Machine(Arena(self.memory, self.geometry), self.images, self.services)
        self.machine.format(self.platform.time)
        self.contexts: dict[int, Context] = {}
        self._asleep: set[int] = set()
        self._idle_sleeps = False
        if cooperative:
            self.platform.on_sleep = self._let_others_run

    @property
    def arena(self) -> Arena:
        """The machine's shared memory."""
        return self.machine.arena

    def context(self, kind: ContextKind, index: int = 0) -> Context:
        """The context of a kind, made at the first call; the machine's first context becomes the current one."""
        first = _FIXED_SLOTS.get(kind)
        if kind is ContextKind.IO:
            first = self.geometry.first_io_slot
        if first is None:
            first = FIRST_PROCESSOR_SLOT if kind is ContextKind.PROCESSOR else self.geometry.first_passive_slot
        slot = first + index
        made = self.contexts.get(slot)
        if made is None:
            made = self.contexts[slot] = Context(self.machine, self.platform, slot, kind, index)
            made.enter_state(SlotState.RUNNING)
            if len(self.contexts) == 1:
                current.context = made
            with self.running(made):
                self.services.attach(made)
        return made

    def processor(self, index: int = 0) -> Context:
        """A processor's context."""
        return self.context(ContextKind.PROCESSOR, index)

    def passive_worker(self, index: int = 0) -> Context:
        """A passive worker's context."""
        return self.context(ContextKind.PASSIVE_WORKER, index)

    def pnp(self) -> Context:
        """The PnP thread's context."""
        return self.context(ContextKind.PNP)

    @contextlib.contextmanager
    def running(self, context: Context, irql: int | None = None, driver: int = 0) -> Iterator[Context]:
        """Let a context be the current one, at an IRQL (its processor's lock held from DISPATCH_LEVEL on)."""
        before = getattr(current, "context", None)
        current.context = context
        outer_driver = context.driver
        if driver:
            context.driver = driver
        old = context.irql
        if irql is not None and irql != old:
            raise_irql(context, irql)
        try:
            yield context
        finally:
            if irql is not None and context.irql > old and not self.machine.stopped:
                current.context = context
                lower_irql(context, old)
            context.driver = outer_driver
            if before is not None:
                current.context = before

    def dispatch(self, index: int = 0, driver: int = 0) -> contextlib.AbstractContextManager[Context]:
        """Run on a processor at DISPATCH_LEVEL."""
        return self.running(self.processor(index), DISPATCH_LEVEL, driver)

    def round(self, index: int = 0) -> bool:
        """One dispatch round of a processor; True if it had anything to do."""
        with self.running(self.processor(index)) as context:
            return processor_round(context)

    def work(self, index: int = 0) -> bool:
        """One work item in a passive worker; False when no queue has one."""
        with self.running(self.passive_worker(index)) as context:
            return serve_work_item(context)

    def run_until_idle(self, limit: int = 1000) -> None:
        """Rounds and work items of every context made so far, until none has anything to do."""
        for _ in range(limit):
            if not any([self._step(context) for context in list(self.contexts.values())]):
                return
        raise EmulatorError(f"contexts were still busy after {limit} steps each")

    def stop_report(self) -> Any:
        """The stop record, once a context has written it."""
        from emulator.kernel.stop import read_stop

        return read_stop(self.arena)

    def _step(self, context: Context) -> bool:
        if context.slot in self._asleep or (context is current.context and context.irql):
            return False
        with self.running(context):
            if context.kind is ContextKind.PROCESSOR and not context.irql:
                return processor_round(context)
            if context.kind is ContextKind.PASSIVE_WORKER:
                return serve_work_item(context)
        return False

    def _let_others_run(self, context: Context, deadline: int | None) -> None:
        # Who is asked at DISPATCH_LEVEL answers, and does nothing else: whoever asks may hold what he would wait for.
        called = [other for other in self.contexts.values() if other.calls[1] != other.calls[3] and not other.irql]
        for other in called:
            with self.running(other):
                self.services.leave(other)
        if called:
            return
        self._asleep.add(context.slot)
        try:
            busy = any([self._step(other) for other in list(self.contexts.values()) if other is not context])
        finally:
            self._asleep.discard(context.slot)
            current.context = context
        if not busy:
            if deadline is not None:
                self.platform.time = max(self.platform.time, deadline)
            elif self._idle_sleeps:
                raise WouldBlock(f"{context.name} sleeps with no deadline and no other context has anything to do")
        self._idle_sleeps = not busy


def driver_module(name: str, source: str, **names: Any) -> Any:
    """A driver from source text: a module that is nowhere in sys.modules, whose lines a stop screen can show.

    `names` are put into its globals first.  A DriverEntry that returns 0 is added where the source has none.
    """
    text = textwrap.dedent(source)
    path = f"<driver {name}>"
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    module = types.ModuleType(name)
    module.__file__ = path
    vars(module).update(names, callback=callback)
    if "def DriverEntry" not in text:
        text += "\n\ndef DriverEntry(driver_object, registry_path):\n    return 0\n"
    exec(compile(text, path, "exec"), vars(module))
    return module


def fresh_module(name: str, path: Path) -> types.ModuleType:
    """A driver from a file: a module that no other machine of this process shares, in sys.modules while it runs."""
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    finally:
        if before is not None:
            sys.modules[name] = before
        else:
            del sys.modules[name]
    return module


def driver_of(module: types.ModuleType) -> types.ModuleType:
    """A test module as a driver: what it decorates with `callback` are the driver's routines."""
    if not hasattr(module, "DriverEntry"):
        module.DriverEntry = lambda driver_object, registry_path: 0  # type: ignore[attr-defined]
    return module


def callback(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function a role, where a test does not care which."""
    function.__ndis_role__ = "test"  # type: ignore[attr-defined]
    return function


def surface(*, checked: bool) -> dict[str, Any]:
    """What ``from emulator.ndis import *`` gives a driver in one build, for `driver_module(..., **surface(...))`.

    The package itself is left as it is, so that tests of both builds can stand side by side.
    """
    import emulator.ndis
    from emulator.ndis.gates.ddi import declarations, gate

    exported: list[str] = vars(emulator.ndis)["__all__"]
    names = {name: getattr(emulator.ndis, name) for name in exported}
    for name, declaration in declarations.items():
        names[name] = gate(declaration, switches=False) if checked else declaration.function
    return names
