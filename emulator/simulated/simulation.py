"""One simulated machine below NDIS: arena, kernel, contexts and the script that lets them run.

Law: a script acts only while no context runs; it sees what the host would see, and the machine's time stands still
meanwhile.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.context import Context
from emulator.kernel.loops import run_context
from emulator.kernel.machine import Machine
from emulator.kernel.platform import current
from emulator.kernel.pointers import NONPAGED
from emulator.kernel.stop import Possession, StopReport, exception_frames, read_stop, stop
from emulator.layout.arena import FIRST_PROCESSOR_SLOT, WORK_QUEUES, Arena, offsets_of
from emulator.layout.machine import WORK_QUEUE, ContextKind, SlotState
from emulator.rules.errors import BugCheck, EmulatorError, NotImplementedByEmulator
from emulator.rules.limits import VnicLimit
from emulator.simulated.images import SimulatedImages
from emulator.simulated.platform import STEP_LIMIT, SimulatedPlatform
from emulator.simulated.schedule import Schedule
from emulator.simulated.schedulers import ReplayScheduler, Scheduler, make_scheduler
from emulator.simulated.specification import small_geometry
from emulator.simulated.tasks import NEVER, Task, TaskState
from emulator.simulated.waiting import hung, stop_deadlock, stop_step_limit, wait_graph
from emulator.simulated.watched import WatchedView
from emulator.trace import Trace, UpdateWatch

if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Iterable, Sequence

    from emulator.kernel.workqueue import Taken
    from emulator.layout.arena import Geometry


ZYGOTE_SLOT: Final = 1


class NotReached(AssertionError):
    """What a script waits for did not come to be; says who did what."""


class NoServices:
    """Services of a machine without NDIS: nothing asks for anything."""

    def attach(self, context: Context) -> None:
        """A context has come to life."""

    def round(self, context: Context) -> None:
        """A round begins."""

    def interrupts(self, context: Context) -> bool:
        """There is no hardware."""
        del context
        return False

    interrupts_pending = requests = requests_pending = wishes = wishes_pending = interrupts

    def retire(self, context: Context) -> None:
        """Nothing is private."""

    def crashed(self, context: Context) -> None:
        """Nobody wants to hear of it."""

    def next_look(self, context: Context) -> int | None:
        """There is nothing to look at."""
        return None

    def deferred(self, context: Context, kind: int, target: int, argument: int) -> None:
        """Run routine ``kind``."""
        from emulator.kernel.calls import call

        call(context, kind, target, argument)

    def timer(self, context: Context, routine: int, value: int) -> None:
        """Run a timer's routine."""
        from emulator.kernel.calls import call
        from emulator.kernel.pointers import decode

        call(context, routine, decode(context, value))

    def runner(self, context: Context) -> Callable[[Taken], int]:
        """What runs a work item's routine."""
        from emulator.kernel.calls import call
        from emulator.kernel.pointers import decode

        def run(taken: Taken) -> int:
            entered = context.platform.now()
            call(context, taken[2], decode(context, taken[1]), taken[0])
            return entered - taken[4]

        return run

    def control(self, context: Context, operation: Any) -> int:
        """Nothing is known."""
        del context, operation
        return 0

    def device_request(self, context: Context, index: int) -> None:
        """No devices."""

    def cancel_device_request(self, context: Context, index: int) -> None:
        """No devices."""

    def possessions(self, context: Context, *, everything: bool) -> list[Possession]:
        """Nothing is in use."""
        del context, everything
        return []

    def leave(self, context: Context) -> None:
        """A callback has returned to the loop."""


class Simulation:
    """A machine whose contexts take turns.

    ``scheduler`` is a name (see ``make_scheduler``), a Scheduler or a Schedule to replay.  ``modules`` are driver
    images for a machine without NDIS; SimulatedMachine loads drivers as NDIS does.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        scheduler: str | Scheduler | Schedule = "random",
        geometry: Geometry | None = None,
        services: Any = None,
        modules: Sequence[types.ModuleType] = (),
        builtin_types: Iterable[type] = (),
        step_limit: int = STEP_LIMIT,
        kept: int | None = None,
        **numbers: Any,
    ) -> None:
        self.geometry = geometry if geometry is not None else small_geometry(**numbers)
        self.memory = mmap.mmap(-1, offsets_of(self.geometry)["size"], flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.trace = Trace(kept)
        self.platform = SimulatedPlatform(_scheduler(scheduler, seed), self.trace, step_limit)
        self.images = SimulatedImages(builtin_types, self.platform)
        self.arena = watched_arena(Arena(self.memory, self.geometry), self.platform)
        self.machine = Machine(self.arena, self.images, services or NoServices())
        self.platform.stop_word = self.arena.stop_word
        self.machine.format(self.platform.time)
        self.contexts: dict[int, Context] = {}
        self.main = self._context(ZYGOTE_SLOT, ContextKind.ZYGOTE, 0)
        current.context = self.main
        self._report: StopReport | None = None
        self._programs = 0
        if modules:
            for module in modules:
                self.images.add(module.__name__, module)
            self.images.seal(NONPAGED)
            self.main.routines = self.images.routines_for(self.main)

    # -- contexts ------------------------------------------------------------------------------------------------------

    def _context(self, slot: int, kind: ContextKind, index: int) -> Context:
        made = self.contexts[slot] = Context(self.machine, self.platform, slot, kind, index)
        return made

    def bear(self, kind: ContextKind, index: int = 0) -> Context:
        """Add a context that lives in the kernel's loop for its kind."""
        slot = self._slot(kind, index)
        context = self._context(slot, kind, index)
        context.enter_state(SlotState.STARTING)
        self.platform.add(slot, context.name, lambda: self._guarded(lambda: run_context(context)), context)
        return context

    def bear_all(self) -> None:
        """Add every context that a machine begins with."""
        self.bear(ContextKind.PNP)
        self.bear(ContextKind.REQUESTS)
        for index in range(self.geometry.processors):
            self.bear(ContextKind.PROCESSOR, index)
        for index in range(self.geometry.passive_workers):
            self.bear(ContextKind.PASSIVE_WORKER, index)

    def _slot(self, kind: ContextKind, index: int) -> int:
        if kind is ContextKind.PROCESSOR:
            return FIRST_PROCESSOR_SLOT + index
        if kind is ContextKind.PASSIVE_WORKER:
            return self.geometry.first_passive_slot + index
        if kind is ContextKind.ZYGOTE:
            return ZYGOTE_SLOT
        return self.geometry.lane_slots(kind)[index]

    def program(self, body: Callable[[], Any], name: str = "") -> Context:
        """Add a context that runs one function and leaves: a race in three lines, without a driver.

        It has a passive worker's slot; what it leaves undone is the script's to find.
        """
        index = self._programs
        self._programs += 1
        kind = ContextKind.PASSIVE_WORKER
        slot = self._slot(kind, index)
        context = self._context(slot, kind, index)
        context.enter_state(SlotState.RUNNING)

        def run() -> None:
            self._guarded(body)
            context.enter_state(SlotState.EXITED)

        self.platform.add(slot, name or f"program {index}", run, context, settles=False)
        return context

    def _guarded(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except NotImplementedByEmulator as error:
            context = current.context
            stop(
                VnicLimit.VNIC_NOT_IMPLEMENTED,
                text=str(error),
                ddi=error.ddi,
                frames=exception_frames(context, error.__traceback__),
                name=VnicLimit.VNIC_NOT_IMPLEMENTED.name,
                family="emulator",
                remedy="see the coverage table in the documentation",
            )

    # -- running -------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Virtual time, ns."""
        return self.platform.time

    @property
    def stopped(self) -> StopReport | None:
        """The stop report, once there is one."""
        if self._report is None and self.arena.machine.stop_word:
            self._report = read_stop(self.arena)
        return self._report

    def run(self, ready: Callable[[], bool] | None = None, horizon: int = NEVER, *, idle: bool = False) -> bool:
        """Let contexts run until ``ready()`` or until nothing moves.  BugCheck when the machine stops."""
        reached = self.platform.run(ready, horizon, idle=idle)
        if self.platform.cycle and not self.arena.machine.stop_word:
            self._report = stop_deadlock(self.machine, self.platform, self.platform.cycle)
        elif self.platform.exhausted and not self.arena.machine.stop_word:
            self._report = stop_step_limit(self.machine, self.platform)
        elif not reached and not self.arena.machine.stop_word:
            locked = [task for task in hung(self.machine, self.platform) if task.state is TaskState.LOCKED]
            if locked and horizon == NEVER:
                self._report = stop_deadlock(self.machine, self.platform, locked)
        self.raise_if_stopped()
        return reached

    def raise_if_stopped(self) -> None:
        """BugCheck with the report, if the machine has stopped."""
        report = self.stopped
        if report is not None:
            raise BugCheck(report.code, report.parameters, report.name, report)

    def run_until(self, ready: Callable[[], bool], timeout_ns: int = NEVER) -> None:
        """Let contexts run until ``ready()``; VNIC_DEADLOCK when some hang, NotReached when all is quiet without it."""
        horizon = NEVER if timeout_ns == NEVER else self.now + timeout_ns
        if self.run(ready, horizon) or ready():
            return
        if horizon == NEVER:
            self.deadlock_if_hung()
        graph = "\n  ".join(wait_graph(self.machine, self.platform))
        raise NotReached(f"nothing more happens, and what the script waits for has not come to be:\n  {graph}")

    def deadlock_if_hung(self) -> None:
        """VNIC_DEADLOCK when a context waits for what nobody is left to do."""
        waiting = hung(self.machine, self.platform)
        if waiting and self._report is None:
            self._report = stop_deadlock(self.machine, self.platform, waiting)
            self.raise_if_stopped()

    def run_until_idle(self) -> None:
        """Let contexts run until only the passing of time could wake one."""
        self.run(idle=True)

    def run_for(self, nanoseconds: int) -> None:
        """Let virtual time pass."""
        self.run(horizon=self.now + nanoseconds)

    def finish(self) -> None:
        """Let every program come to its end.  VNIC_DEADLOCK when one does not."""
        programs = [task for task in self.platform.tasks.values() if not task.settles]
        self.run(lambda: all(task.state is TaskState.DONE for task in programs))
        self.deadlock_if_hung()

    # -- what happened -------------------------------------------------------------------------------------------------

    @property
    def schedule(self) -> Schedule:
        """The choices made so far: replays to the same point."""
        return self.platform.schedule

    @property
    def trace_hash(self) -> str:
        """One word that is the same for the same execution, wherever it runs."""
        return self.trace.digest

    @property
    def updates(self) -> UpdateWatch:
        """The lost updates seen so far (``.lost``)."""
        return self.platform.updates

    def ddi_calls(self, name: str) -> list[str]:
        """The DDI functions that a context has called, in order; it is named as in ``processor 0``."""
        for slot, context in self.contexts.items():
            if context.name == name:
                return self.trace.ddi_calls(slot)
        raise EmulatorError(f"there is no context {name!r}")

    def make(self, structure: type[Any]) -> Any:
        """A zeroed structure in nonpaged pool, from outside of every context."""
        from emulator.kernel.pointers import make_in_pool

        images = self.images
        if structure not in images.type_numbers:
            images.type_numbers[structure] = len(images.types)
            images.types.append(structure)
        return make_in_pool(self.main, structure)

    def of(self, value: Any) -> Any:
        """The same structure as the current context sees it."""
        from emulator.kernel.pointers import decode

        return decode(current.context, value._pointer)

    def choose(self, count: int, what: str = "script") -> int:
        """A number below ``count`` for the script, by the seed: when a frame arrives, how many there are."""
        return self.platform.choose(count, what)

    def close(self) -> None:
        """End: contexts leave if they can within a few steps; the others are left where they are, without unwinding."""
        self.trace.close()
        if not self.arena.machine.stop_word and not self.platform.cycle and not self.platform.exhausted:
            self.arena.machine.shutting_down = 1
            for slot in list(self.platform.tasks):
                self.platform.ring(slot)
            self.platform.step_limit = self.platform.steps + 20_000
            try:
                self.platform.run(idle=True)
            except (Exception, BugCheck):
                pass  # the execution is over; what a half-done context says now concerns nobody
        abandoned = [task for task in self.platform.tasks.values() if task.abandon()]
        if abandoned:
            self.memory.madvise(mmap.MADV_DONTNEED)


def watched_arena(arena: Any, platform: SimulatedPlatform) -> Arena:
    """The arena, with the words by which contexts wake each other and pass work as switch points."""
    for name in ("sleeping", "earliest", "raising", "withheld", "summoned"):
        setattr(arena, name, WatchedView(getattr(arena, name), platform))
    first = arena.offsets["queues"] // 8
    arena.words = WatchedView(arena.words, platform, first, first + WORK_QUEUES * WORK_QUEUE.size() // 8)
    return arena  # type: ignore[no-any-return]


def _scheduler(scheduler: str | Scheduler | Schedule, seed: int) -> Scheduler:
    if isinstance(scheduler, Schedule):
        return ReplayScheduler(scheduler)
    return make_scheduler(scheduler, seed) if isinstance(scheduler, str) else scheduler


__all__ = ["NoServices", "NotReached", "Simulation", "Task"]
