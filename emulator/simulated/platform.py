"""The simulated platform: what the kernel asks for, done by taking turns in one process and in virtual time.

Law: every DDI call, watched field, clock read, lock, ring and interlocked operation costs fixed virtual time and is a
point where the scheduler may let another context go on.  Nothing else ever switches, and nothing here looks at the
real clock.
"""

from __future__ import annotations

import ctypes
from bisect import insort
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from greenlet import getcurrent

from emulator.kernel.platform import current
from emulator.rules.errors import BugCheck, EmulatorError, MachineStopped
from emulator.simulated.schedule import RANDOM, Schedule
from emulator.simulated.tasks import NEVER, Task, TaskState
from emulator.trace import EventKind, Place, Trace, UpdateWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.simulated.schedulers import Scheduler

DDI_NS: Final = 100
FIELD_NS: Final = 10
CLOCK_NS: Final = 20
LOCK_NS: Final = 50
INTERLOCKED_NS: Final = 20
DOORBELL_NS: Final = 100
START_OF_TIME: Final = 1_000_000_000
DATE_AT_START: Final = 134_117_856_000_000_000
"""2026-01-01 in 100 ns units since 1601: the date is the same in every execution."""
STEP_LIMIT: Final = 1_000_000
OUTSIDE: Final = -1
"""Owner of a lock that was taken by the script, while nobody runs."""

_VALUE: Any = ctypes._SimpleCData.__dict__["value"]
_READ, _WRITE = int(EventKind.READ), int(EventKind.WRITE)
_CALL = int(EventKind.CALL)


class SimulatedPlatform:
    """One Platform for all contexts of one machine, with the scheduler behind it."""

    sees_locks: bool = True

    def __init__(self, scheduler: Scheduler, trace: Trace, step_limit: int = STEP_LIMIT) -> None:
        self.scheduler = scheduler
        self.trace = trace
        self.updates = UpdateWatch()
        self.step_limit = step_limit
        self.time = START_OF_TIME
        self.steps = 0
        self.choices: list[int] = []
        self.marked = 0
        self.tasks: dict[int, Task] = {}
        self.owners: dict[int, int] = {}
        self.logs: list[tuple[int, str, str]] = []
        self.stop_word: Any = [0]
        self.exhausted = False
        self.cycle: list[Task] = []
        self.on_idle: Callable[[int], bool] | None = None
        self.on_log: Callable[[int, str, str], None] | None = None
        self._error: BaseException | None = None
        self._running: Task | None = None
        self._last = 0
        self._locked = 0
        self._runnable: list[int] = []
        self._next_deadline = NEVER
        self._hub: Any = getcurrent()
        self._begun = scheduler.new_execution() or Schedule(scheduler.seed, scheduler.name)

    # -- the scheduler -------------------------------------------------------------------------------------------------

    @property
    def schedule(self) -> Schedule:
        """The choices made so far."""
        return Schedule(self._begun.seed, self._begun.scheduler, tuple(self.choices))

    def mark(self) -> None:
        """What is worth exploring begins here."""
        self.marked = len(self.choices)
        self.scheduler.mark()

    @property
    def running(self) -> Task | None:
        """The task whose code runs now; None outside of all of them."""
        return self._running

    def add(
        self, number: int, name: str, body: Callable[[], Any], context: Context | None = None, *, settles: bool = True
    ) -> Task:
        """Enter a task; it may be chosen from the next step on."""
        if number in self.tasks and self.tasks[number].state is not TaskState.DONE:
            raise EmulatorError(f"slot {number} runs already")
        task = self.tasks[number] = Task(number, name, body, context, settles=settles)
        task.begin(self._life, self._hub)
        insort(self._runnable, number)
        return task

    def run(self, ready: Callable[[], bool] | None = None, horizon: int = NEVER, *, idle: bool = False) -> bool:
        """Let tasks run until ``ready()``, looked at whenever one of them blocks; False when it did not come to be.

        Time moves on when nobody can run, but not beyond ``horizon``, and with ``idle`` not at all.  Ends early when
        the machine has stopped, when a task raised (raised here again), when locks wait for each other (``cycle``) or
        at the step limit (``exhausted``).
        """
        if self._running is not None:
            raise EmulatorError("the script runs inside a task")
        outer, self._hub = getattr(current, "context", None), getcurrent()
        for task in self.tasks.values():
            if task.state is not TaskState.DONE:
                task.greenlet.parent = self._hub
        try:
            return self._turns(ready, horizon, idle)
        finally:
            if outer is not None:
                current.context = outer

    def _turns(self, ready: Callable[[], bool] | None, horizon: int, idle: bool) -> bool:
        runnable = self._runnable
        while True:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self.stop_word[0] or self.cycle or self.exhausted:
                return False
            if ready is not None and ready():
                return True
            if self.time >= horizon:
                return False
            if self.time >= self._next_deadline:
                self._wake_due()
            if not runnable:
                limit = min(horizon, self._next_deadline)
                if not idle and self.on_idle is not None and self.on_idle(limit):
                    continue
                if idle or self._next_deadline > horizon or not self._awaited(horizon):
                    if horizon != NEVER:
                        self.time = horizon
                    return False
                self.time = self._next_deadline
                self._wake_due()
                continue
            self._resume(runnable[0] if len(runnable) == 1 else self._choose_task(self._last, yielding=False))
            self._running = None

    def _awaited(self, horizon: int) -> bool:
        """Is there a moment to wait for?  Without a horizon one at which somebody only looks around is none."""
        sleepers = (task for task in self.tasks.values() if task.state is TaskState.SLEEPING and task.deadline < NEVER)
        return any(horizon != NEVER or task.context is None or not task.context.idle for task in sleepers)

    def _choose_task(self, number: int, *, yielding: bool) -> int:
        chosen = self.scheduler.next_task(self._runnable, number, yielding)
        self.choices.append(chosen)
        return chosen

    def _resume(self, number: int) -> None:
        task = self.tasks[number]
        self._running = task
        self._last = number
        if task.context is not None:
            current.context = task.context
        task.greenlet.switch()

    def _life(self, task: Task) -> None:
        """Everything that a task does; ends in the hub."""
        try:
            task.body()
        except (BugCheck, MachineStopped):
            pass
        except BaseException as error:  # carried to the script
            self._error = error
        task.state = TaskState.DONE
        self._runnable.remove(task.number)
        self.trace.record(self.time, task.number, EventKind.END, task.name)

    def _to_hub(self) -> None:
        self._hub.switch()

    def _block(self, task: Task, state: TaskState) -> None:
        task.state = state
        self._runnable.remove(task.number)
        self._to_hub()

    def _unblock(self, task: Task) -> None:
        task.state = TaskState.RUNNABLE
        insort(self._runnable, task.number)

    def _wake_due(self) -> None:
        earliest = NEVER
        for task in self.tasks.values():
            if task.state is TaskState.SLEEPING:
                if task.deadline <= self.time:
                    self._unblock(task)
                elif task.deadline < earliest:
                    earliest = task.deadline
        self._next_deadline = earliest

    def _point(self, task: Task, *, yielding: bool = False) -> None:
        """A switch point: anybody may go on from here."""
        self.steps += 1
        if self.steps > self.step_limit:
            self.exhausted = True
            self._to_hub()
        if self.stop_word[0]:
            return  # the one that stops the machine writes its report; nobody else runs any more
        if self.time >= self._next_deadline:
            self._wake_due()
        if len(self._runnable) > 1:
            try:
                chosen = self._choose_task(task.number, yielding=yielding)
            except BaseException as error:
                # Never raised into driver code, which could catch it.
                self._error = error
                self._to_hub()
                raise
            if chosen != task.number:
                self._resume(chosen)

    # -- Platform ------------------------------------------------------------------------------------------------------

    def now(self) -> int:
        """Virtual time."""
        task = self._running
        if task is not None:
            self.time += CLOCK_NS
            self._point(task)
        return self.time

    def system_time(self) -> int:
        """The date at the start and the virtual time since."""
        return DATE_AT_START + (self.now() - START_OF_TIME) // 100

    def acquire(self, lock: int) -> None:
        """Take a lock when it is free; ends the execution when that can never be."""
        task = self._running
        if task is None:
            self._acquire_outside(lock)
            return
        self.time += LOCK_NS
        self._point(task)
        owners = self.owners
        while lock in owners:
            if owners[lock] == task.number:
                raise EmulatorError(f"{task.name} acquires lock {lock} again")
            self.trace.record(self.time, task.number, EventKind.WAIT, "", lock)
            task.wanted = lock
            self.cycle = self._waits_for_itself(task)
            self._locked += 1
            self._block(task, TaskState.LOCKED)
        task.wanted = -1
        owners[lock] = task.number
        self.trace.record(self.time, task.number, EventKind.ACQUIRE, "", lock)

    def _acquire_outside(self, lock: int) -> None:
        if lock in self.owners:
            raise EmulatorError(f"the script wants lock {lock}, which slot {self.owners[lock]} holds")
        self.owners[lock] = OUTSIDE

    def _waits_for_itself(self, task: Task) -> list[Task]:
        chain = [task]
        while chain[-1].wanted >= 0:
            owner = self.tasks.get(self.owners.get(chain[-1].wanted, OUTSIDE))
            if owner is None:
                break
            if owner in chain:
                return chain[chain.index(owner) :]
            chain.append(owner)
        return []

    def try_acquire(self, lock: int) -> bool:
        """Take a lock if it is free."""
        task = self._running
        if task is None:
            self._acquire_outside(lock)
            return True
        self.time += LOCK_NS
        self._point(task)
        if lock in self.owners:
            return False
        self.owners[lock] = task.number
        self.trace.record(self.time, task.number, EventKind.ACQUIRE, "", lock)
        return True

    def release(self, lock: int) -> None:
        """Give a lock back; whoever waits for it runs for it."""
        task = self._running
        number = task.number if task is not None else OUTSIDE
        owner = self.owners.pop(lock, None)
        if owner != number:
            raise EmulatorError(f"slot {number} releases lock {lock}, which slot {owner} holds")
        if self._locked:
            for waiting in self.tasks.values():
                if waiting.state is TaskState.LOCKED and waiting.wanted == lock:
                    self._locked -= 1
                    self._unblock(waiting)
        if task is not None:
            self.time += LOCK_NS
            self.trace.record(self.time, number, EventKind.RELEASE, "", lock)
            self._point(task)

    def _interlocked(self, cell: Any, operation: str) -> None:
        task = self._running
        if task is not None:
            self.time += INTERLOCKED_NS
            self._point(task)
            self.trace.record(
                self.time, task.number, EventKind.INTERLOCKED, operation, getattr(cell, "watched_place", 0)
            )

    def bound(self, lock: int) -> tuple[Callable[[], None], Callable[[], None]]:
        """The same two calls."""
        return partial(self.acquire, lock), partial(self.release, lock)

    def lock_failed(self, lock: int, number: int) -> NoReturn:
        """Never: what fails here raises by itself."""
        raise EmulatorError(f"lock {lock} failed with {number}")

    def fetch_add(self, cell: Any, value: int) -> int:
        """Add; the old value."""
        self._interlocked(cell, "add")
        old: int = _VALUE.__get__(cell)
        _VALUE.__set__(cell, old + value)
        return old

    def exchange(self, cell: Any, value: int) -> int:
        """Store; the old value."""
        self._interlocked(cell, "exchange")
        old: int = _VALUE.__get__(cell)
        _VALUE.__set__(cell, value)
        return old

    def compare_exchange(self, cell: Any, expected: int, desired: int) -> int:
        """Store if as expected; the old value."""
        self._interlocked(cell, "compare")
        old: int = _VALUE.__get__(cell)
        if old == expected:
            _VALUE.__set__(cell, desired)
        return old

    def fence(self) -> None:
        """Stores are in order here; another context may run."""
        task = self._running
        if task is not None:
            self._point(task)

    def sleep(self, deadline: int | None) -> None:
        """Block until rung or until the virtual ``deadline``."""
        task = self._running
        if task is None:
            raise EmulatorError("the script sleeps: let the machine run instead")
        self._point(task, yielding=True)
        if not task.rung and not self.stop_word[0]:
            self.trace.record(self.time, task.number, EventKind.SLEEP, "", deadline or 0)
            task.deadline = deadline if deadline is not None else NEVER
            self._next_deadline = min(self._next_deadline, task.deadline)
            self._block(task, TaskState.SLEEPING)
        task.rung = False

    def ring(self, slot: int) -> None:
        """Ring the doorbell of a slot; remembered when it does not sleep."""
        task = self._running
        if task is not None:
            self.time += DOORBELL_NS
            self._point(task)
        self.trace.record(self.time, task.number if task is not None else 0, EventKind.RING, "", slot)
        rung = self.tasks.get(slot)
        if rung is not None and rung.state is not TaskState.DONE:
            rung.rung = True
            if rung.state is TaskState.SLEEPING:
                self._unblock(rung)

    def choose(self, count: int, site: str) -> int:
        """One of ``count`` legal ways, by the scheduler's numbers."""
        if count <= 1:
            return 0
        value = self.scheduler.next_u64() % count
        self.choices.append(RANDOM)
        self.trace.record(self.time, self._running.number if self._running else 0, EventKind.CHOICE, site, value)
        return value

    def linger(self, ready: Callable[[], bool]) -> bool:
        """To be woken costs nothing here: no look, no time, no choice of the scheduler's."""
        del ready
        return False

    def switch(self, site: str) -> None:
        """A DDI call."""
        task = self._running
        if task is not None:
            self.time += DDI_NS
            self._point(task)
            self.trace.record(self.time, task.number, _CALL, site)

    def point(self) -> None:
        """Another context may run between two steps of one call."""
        task = self._running
        if task is not None:
            self._point(task)

    def field(self, name: str, address: int, *, write: bool, frame: Any) -> None:
        """A watched field is about to be read or written by ``frame``."""
        task = self._running
        if task is None or task.context is None:
            return
        self.time += FIELD_NS
        self._point(task)
        slot = task.number
        activity = task.context.box.callbacks if task.settles else 0
        place = Place(frame.f_code, frame.f_lasti)
        if write:
            self.trace.record(self.time, slot, _WRITE, name, address)
            if self.updates.write(address, slot, activity, place, name, self.time) is not None:
                self.trace.record(self.time, slot, EventKind.RACE, name, address)
        else:
            self.trace.record(self.time, slot, _READ, name, address)
            self.updates.read(address, slot, activity, place)

    def grow(self) -> None:
        """A worker is added when all of them wait and work is queued; nobody needs to ask."""

    def read_file(self, path: str) -> bytes:
        """The whole of a file."""
        return Path(path).read_bytes()

    def log(self, level: int, logger: str, text: str) -> None:
        """Keep the record."""
        self.trace.record(self.time, self._running.number if self._running else 0, EventKind.LOG, text, level)
        self.logs.append((level, logger, text))
        if self.on_log is not None:
            self.on_log(level, logger, text)
