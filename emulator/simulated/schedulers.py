"""Who runs next: at random, by priorities with few changes (PCT), in turn, or as a schedule says.

Law: a scheduler decides from its own numbers and from what it is asked alone, so that seed and program determine the
execution.  The interface is shuttle's: ``new_execution``, ``next_task``, ``next_u64``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from emulator.simulated.numbers import Numbers, derived
from emulator.simulated.schedule import RANDOM, Schedule, ScheduleError

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_DEPTH: Final = 3
DEFAULT_LENGTH: Final = 2000
STARVATION: Final = 20_000
"""Steps in a row after which PCT lets the others on: what waits in a loop for another would wait for ever."""


class Scheduler(Protocol):
    """Decides; ``name`` with the seed makes the same scheduler again (see ``make_scheduler``)."""

    name: str
    seed: int

    def new_execution(self) -> Schedule | None:
        """An execution begins: an empty schedule with its seed; None when there is nothing more to explore."""

    def next_task(self, runnable: Sequence[int], current: int, is_yielding: bool) -> int:
        """Which of the runnable slots (ascending, at least two) goes on; ``current`` need not be one of them."""

    def next_u64(self) -> int:
        """A number for a choice of the program."""

    def mark(self) -> None:
        """What is worth exploring begins here: the machine runs."""


class RandomScheduler:
    """Every runnable context is as likely as every other, at every step."""

    name = "random"

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._tasks = self._data = Numbers(0)

    def new_execution(self) -> Schedule | None:
        """Begin the seed's streams anew."""
        self._tasks, self._data = derived(self.seed, "tasks"), derived(self.seed, "data")
        return Schedule(self.seed, self.name)

    def next_task(self, runnable: Sequence[int], current: int, is_yielding: bool) -> int:
        """Any."""
        del current, is_yielding
        return runnable[self._tasks.below(len(runnable))]

    def next_u64(self) -> int:
        """From a stream of its own."""
        return self._data.next_u64()

    def mark(self) -> None:
        """Every step is like every other."""


class PctScheduler:
    """Probabilistic concurrency testing (Burckhardt et al., 2010): random priorities, ``depth - 1`` random changes.

    Finds a bug of depth d in an execution of n contexts and k steps with probability at least 1 / (n * k^(d - 1)).
    ``length`` is the number of steps among which the changes are spread, from the mark on where there is one.
    """

    def __init__(self, seed: int, depth: int = DEFAULT_DEPTH, length: int = DEFAULT_LENGTH) -> None:
        if depth < 1 or length < 1:
            raise ValueError(f"depth {depth} and length {length} are at least 1")
        self.seed = seed
        self.depth = depth
        self.length = length
        self.name = f"pct:{depth}:{length}"
        self._begin()

    def _begin(self) -> None:
        self._numbers, self._data = derived(self.seed, "tasks"), derived(self.seed, "data")
        self._priorities: dict[int, int] = {}
        self._changes = {1 + self._numbers.next_u64() % self.length for _ in range(self.depth - 1)}
        self._step = 0
        self._lowest = 0
        self._run = 0

    def new_execution(self) -> Schedule | None:
        """Draw the places where priorities change; the priorities themselves are drawn as contexts appear."""
        self._begin()
        return Schedule(self.seed, self.name)

    def next_task(self, runnable: Sequence[int], current: int, is_yielding: bool) -> int:
        """The one with the highest priority; at a change point, or when it yields, the current one becomes the last."""
        priorities = self._priorities
        for slot in runnable:
            if slot not in priorities:
                priorities[slot] = 1 + self._numbers.next_u64()
        self._step += 1
        self._run += 1
        if self._step in self._changes or is_yielding or self._run > STARVATION:
            self._lowest -= 1
            priorities[current] = self._lowest
        chosen = max(runnable, key=priorities.__getitem__)
        if chosen != current:
            self._run = 0
        return chosen

    def next_u64(self) -> int:
        """From a stream of its own."""
        return self._data.next_u64()

    def mark(self) -> None:
        """Spread the changes over the steps that follow, with new priorities."""
        self._priorities.clear()
        self._changes = {1 + self._numbers.next_u64() % self.length for _ in range(self.depth - 1)}
        self._step = self._lowest = 0


class RoundRobinScheduler:
    """Everybody in turn, one step each: one fair execution, with nothing left to chance."""

    name = "round_robin"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._data = derived(seed, "data")

    def new_execution(self) -> Schedule | None:
        """Begin again."""
        self._data = derived(self.seed, "data")
        return Schedule(self.seed, self.name)

    def next_task(self, runnable: Sequence[int], current: int, is_yielding: bool) -> int:
        """The next slot above the current one, or the first."""
        del is_yielding
        for slot in runnable:
            if slot > current:
                return slot
        return runnable[0]

    def next_u64(self) -> int:
        """From the seed."""
        return self._data.next_u64()

    def mark(self) -> None:
        """Turns are turns."""


class ReplayScheduler:
    """Follows a schedule; ScheduleError where the program does not come by the same way."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.seed = schedule.seed
        self.name = schedule.scheduler
        self._place = 0
        self._data = derived(self.seed, "data")

    def new_execution(self) -> Schedule | None:
        """From the first step."""
        self._place = 0
        self._data = derived(self.seed, "data")
        return Schedule(self.seed, self.name)

    def next_task(self, runnable: Sequence[int], current: int, is_yielding: bool) -> int:
        """The schedule's next step; behind its end, the first that can run."""
        del current, is_yielding
        step = self._next()
        if step is None:
            return runnable[0]
        if step not in runnable:
            known = "a number was drawn" if step == RANDOM else f"slot {step} went on"
            raise ScheduleError(
                f"the schedule does not fit this program: at step {self._place} {known}, but now "
                f"slots {', '.join(map(str, runnable))} could"
            )
        return step

    def next_u64(self) -> int:
        """From the schedule's seed."""
        step = self._next()
        if step is not None and step != RANDOM:
            raise ScheduleError(
                f"the schedule does not fit this program: at step {self._place} slot {step} went on, but now a number "
                "is drawn"
            )
        return self._data.next_u64()

    def mark(self) -> None:
        """The schedule knows."""

    def _next(self) -> int | None:
        steps = self.schedule.steps
        if self._place >= len(steps):
            return None
        self._place += 1
        return steps[self._place - 1]


def make_scheduler(name: str, seed: int) -> Scheduler:
    """A scheduler by name: ``random``, ``pct``, ``pct:3``, ``pct:3:2000``, ``round_robin``."""
    kind, *numbers = name.split(":")
    try:
        arguments = [int(number) for number in numbers]
        if kind == "random" and not arguments:
            return RandomScheduler(seed)
        if kind == "round_robin" and not arguments:
            return RoundRobinScheduler(seed)
        if kind == "pct" and len(arguments) <= 2:
            return PctScheduler(seed, *arguments)
    except ValueError as error:
        raise ValueError(f"scheduler {name!r}: {error}") from None
    raise ValueError(f"there is no scheduler {name!r}; there are random, pct:DEPTH:LENGTH and round_robin")
