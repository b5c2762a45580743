"""Measure subjects that are no echo: each in turn in every round, compared within the round.

Law: the computer's speed drifts, so a ratio is taken between two subjects of one round and the figure is the median of
the rounds; no sample is discarded, and a round that would not end in time does not begin.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from emulator.rules.errors import EmulatorError, HostError
from tools.bench.figures import Spread, spread

if TYPE_CHECKING:
    from collections.abc import Sequence


class Turn(NamedTuple):
    """One measurement of one subject: at which place of the sweep, and how it is taken."""

    subject: str
    at: float
    measure: Callable[[], dict[str, float]]


class Sample(NamedTuple):
    """What one turn gave."""

    subject: str
    at: float
    round: int
    values: dict[str, float]


@dataclass
class Samples:
    """Every sample in order, and what could not be measured."""

    taken: list[Sample] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)

    def subjects(self) -> list[str]:
        """Who was measured, in order."""
        return list(dict.fromkeys(one.subject for one in self.taken))

    def places(self, subject: str) -> list[float]:
        """Where it was measured, in order."""
        return list(dict.fromkeys(one.at for one in self.taken if one.subject == subject))

    def raw(self, subject: str, at: float, name: str) -> list[float]:
        """One value of a subject, round by round."""
        return [
            one.values[name] for one in self.taken if one.subject == subject and one.at == at and name in one.values
        ]

    def total(self, part: str, name: str) -> float:
        """One value's sum over every subject in whose name that is."""
        return sum(one.values.get(name, 0.0) for one in self.taken if part in one.subject)

    def spread(self, subject: str, at: float, name: str) -> Spread | None:
        """One value of a subject over the rounds."""
        return spread(self.raw(subject, at, name))

    def ratio(self, subject: str, at: float, name: str, peer: str, peer_at: float | None = None) -> Spread | None:
        """The same as a multiple of a peer's in the same round."""
        beside = {
            one.round: one.values[name]
            for one in self.taken
            if one.subject == peer and one.at == (at if peer_at is None else peer_at) and name in one.values
        }
        own = [one for one in self.taken if one.subject == subject and one.at == at and name in one.values]
        return spread([one.values[name] / beside[one.round] for one in own if beside.get(one.round)])

    def as_runs(self) -> list[dict[str, float | str]]:
        """Every sample as it goes into the JSON object."""
        return [{"subject": one.subject, "at": one.at, "round": one.round, **one.values} for one in self.taken]


def take_turns(turns: Sequence[Turn], rounds: int, say: Callable[[str], None], until: float = math.inf) -> Samples:
    """Give every subject its turn in every round; what fails is left out from then on, and said."""
    samples = Samples()
    longest = 0.0
    for number in range(1, rounds + 1):
        began = time.monotonic()
        if began + longest > until:
            say(f"the time is over: {number - 1} of {rounds} rounds")
            break
        say(f"round {number} of {rounds}")
        for turn in turns:
            place = named(turn)
            if place in samples.absent:
                continue
            if time.monotonic() > until:
                samples.absent.setdefault(place, f"the time was over in round {number} of {rounds}")
                continue
            try:
                samples.taken.append(Sample(turn.subject, turn.at, number, turn.measure()))
            except (HostError, EmulatorError) as error:
                samples.absent[place] = str(error)
                say(f"{place}: {error}")
        longest = max(longest, time.monotonic() - began)
    return samples


def named(turn: Turn) -> str:
    """What a turn is called where it is missing."""
    return f"{turn.subject}, {turn.at:g}" if turn.at else turn.subject
