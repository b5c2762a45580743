"""What a bad wire does to frames: lose, corrupt, duplicate, reorder and delay them, each decided by a seed.

Law: no clock, no system call and no choice but the seed's; the n-th frame of a direction meets the same fate on every
computer, and one kind of fault does not shift another's.
"""

from __future__ import annotations

import re
from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta

from emulator.rules.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

Probability = Annotated[float, Meta(ge=0, le=1)]
Nanoseconds = Annotated[int, Meta(ge=0, le=60_000_000_000)]

HOLD_NS: Final = 10_000_000
"""How long a reordered frame waits for one behind which it can go."""
ROOM: Final = 10_000
"""Frames of one direction that may be under way; one more is dropped."""
NEVER: Final = 1 << 62
CHANCES: Final = ("loss", "corrupt", "duplicate", "reorder")
_UNITS: Final = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_TIME: Final = re.compile(r"(\d+(?:\.\d*)?)(ns|us|ms|s)")
_EXAMPLE: Final = "write for example 'loss=0.01,delay=2ms~1ms,seed=7'"


class DirectionFaults(msgspec.Struct, frozen=True):
    """What happens to the frames of one direction."""

    loss: Probability = 0.0
    corrupt: Probability = 0.0
    """One bit is turned over."""
    duplicate: Probability = 0.0
    reorder: Probability = 0.0
    """The frame goes behind the next one, or after 10 ms when none comes."""
    delay: Nanoseconds = 0
    jitter: Nanoseconds = 0
    """The delay is so much longer or shorter, by chance; so frames may overtake each other."""

    @property
    def any(self) -> bool:
        """Whether anything can happen at all."""
        return self != DirectionFaults()


class FaultSpecification(msgspec.Struct, frozen=True):
    """What happens to the frames of an adapter; ``incoming`` are those that it receives."""

    incoming: DirectionFaults = DirectionFaults()
    outgoing: DirectionFaults = DirectionFaults()
    seed: int = 0

    @property
    def any(self) -> bool:
        """Whether anything can happen at all."""
        return self.incoming.any or self.outgoing.any

    @property
    def longest(self) -> int:
        """How many nanoseconds a received frame and its answer can be late at most."""
        return sum(way.delay + way.jitter + HOLD_NS for way in (self.incoming, self.outgoing) if way.any)


class Fate(NamedTuple):
    """What happens to one frame."""

    lost: bool
    corrupt: float
    """Where in the frame a bit is turned over, 0 to 1; below 0 nowhere."""
    duplicate: bool
    reorder: bool
    delay: int


class Fates:
    """The fates of one direction's frames, one after the other."""

    def __init__(self, faults: DirectionFaults, seed: int, direction: str) -> None:
        self._faults = faults

        def chances(kind: str) -> Callable[[], float]:
            # Text is hashed with SHA-512 here, so PYTHONHASHSEED is of no concern; each kind has numbers of its own.
            return Random(f"{seed}/{direction}/{kind}").random

        self._loss, self._corrupt, self._duplicate, self._reorder = map(chances, CHANCES)
        self._place, self._jitter = chances("place"), chances("jitter")

    def __iter__(self) -> Fates:
        return self

    def __next__(self) -> Fate:
        """The fate of the next frame."""
        faults = self._faults
        corrupt = self._place() if faults.corrupt and self._corrupt() < faults.corrupt else -1.0
        delay = faults.delay
        if faults.jitter:
            delay += int((2 * self._jitter() - 1) * faults.jitter)
        return Fate(
            faults.loss > 0 and self._loss() < faults.loss,
            corrupt,
            faults.duplicate > 0 and self._duplicate() < faults.duplicate,
            faults.reorder > 0 and self._reorder() < faults.reorder,
            delay,
        )


class FaultyLine:
    """One direction of a bad wire: frames are put in, and taken when they are due."""

    def __init__(self, faults: DirectionFaults, seed: int, direction: str) -> None:
        self.counts = dict.fromkeys(("lost", "corrupted", "duplicated", "reordered", "delayed", "dropped"), 0)
        """How often each fault came to pass; dropped are frames that found no room, or the link down."""
        self._fates = Fates(faults, seed, direction)
        self._shown = [
            name
            for name, on in (
                ("lost", faults.loss),
                ("corrupted", faults.corrupt),
                ("duplicated", faults.duplicate),
                ("reordered", faults.reorder),
                ("delayed", faults.delay),
                ("dropped", faults.delay or faults.reorder),
            )
            if on
        ]
        self._direction = direction
        self._under_way: list[tuple[int, int, bytes]] = []
        self._held: list[tuple[int, bytes]] = []
        self._number = 0

    def counters(self) -> dict[str, int]:
        """What came to pass, by names like ``in_lost``; only what was asked for."""
        return {f"{self._direction}_{name}": self.counts[name] for name in self._shown}

    def __len__(self) -> int:
        return len(self._under_way) + len(self._held)

    def due_by(self, now: int) -> int:
        """How many frames can be taken then."""
        return sum(due <= now for due, _, _ in self._under_way) + sum(due <= now for due, _ in self._held)

    @property
    def due(self) -> int:
        """When the next frame can be taken."""
        due = self._under_way[0][0] if self._under_way else NEVER
        return min(due, self._held[0][0]) if self._held else due

    def put(self, frame: bytes, now: int) -> None:
        """Decide what happens to a frame."""
        counts = self.counts
        fate = next(self._fates)
        if fate.lost:
            counts["lost"] += 1
            return
        if len(self) >= ROOM:
            counts["dropped"] += 1
            return
        if fate.corrupt >= 0:
            counts["corrupted"] += 1
            frame = with_bit_turned(frame, fate.corrupt)
        copies = [frame]
        if fate.duplicate:
            counts["duplicated"] += 1
            copies.append(frame)
        due = now + fate.delay
        counts["delayed"] += bool(fate.delay)
        if fate.reorder:
            counts["reordered"] += 1
            self._held += [(due + HOLD_NS, copy) for copy in copies]
            return
        held, self._held = self._held, []
        for copy in (*copies, *(frame for _, frame in held)):
            self._send(due, copy)

    def take(self, now: int) -> bytes | None:
        """The next frame that is due; None when there is none."""
        while self._held and self._held[0][0] <= now:
            self._send(*self._held.pop(0))
        if self._under_way and self._under_way[0][0] <= now:
            return heappop(self._under_way)[2]
        return None

    def put_back(self, frame: bytes) -> None:
        """The outside does not take this frame now: it is the next one again."""
        heappush(self._under_way, (0, -self._number, frame))

    def clear(self) -> None:
        """The link is down: what is under way does not arrive."""
        self.counts["dropped"] += len(self)
        self._under_way.clear()
        self._held.clear()

    def _send(self, due: int, frame: bytes) -> None:
        self._number += 1
        heappush(self._under_way, (due, self._number, frame))


def with_bit_turned(frame: bytes, place: float) -> bytes:
    """A frame with one bit turned over."""
    octet, bit = divmod(int(place * len(frame) * 8), 8)
    changed = bytearray(frame)
    changed[octet] ^= 1 << bit
    return bytes(changed)


# -- what the user writes ----------------------------------------------------------------------------------------------


def parse_faults(text: str) -> FaultSpecification:
    """Read ``loss=0.01,in.delay=2ms~1ms,seed=7``; what makes no sense is a ConfigurationError of one line."""
    pairs = []
    for part in text.split(",") if text.strip() else []:
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ConfigurationError(f"faults {text!r}: {part!r} is not KEY=VALUE; {_EXAMPLE}")
        pairs.append((key.strip(), value.strip()))
    return _faults_of(f"faults {text!r}", pairs)


def faults_of(table: dict[str, Any]) -> FaultSpecification:
    """Read a table ``{"loss": 0.01, "in": {"delay": "2ms"}, "seed": 7}`` as a TOML file has it."""
    pairs = []
    for key, value in table.items():
        if isinstance(value, dict) and key in ("in", "out"):
            pairs += [(f"{key}.{name}", str(inner)) for name, inner in value.items()]
        else:
            pairs.append((key, str(value)))
    return _faults_of("faults", pairs)


def _faults_of(what: str, pairs: list[tuple[str, str]]) -> FaultSpecification:
    found: dict[str, dict[str, Any]] = {"": {}, "in": {}, "out": {}}
    seed = 0
    seen: set[str] = set()
    for key, value in pairs:
        if key in seen:
            raise ConfigurationError(f"{what}: {key} is given twice")
        seen.add(key)
        direction, dot, name = key.rpartition(".")
        if key == "seed":
            seed = _seed(what, value)
        elif direction not in found or (dot and not direction) or name not in (*CHANCES, "delay"):
            known = ", ".join((*CHANCES, "delay"))
            raise ConfigurationError(
                f"{what}: unknown fault {key!r}; there are {known}, each also with 'in.' or 'out.' before it, and seed"
            )
        elif name == "delay":
            found[direction]["delay"], found[direction]["jitter"] = _delay(what, key, value)
        else:
            found[direction][name] = _probability(what, key, value)
    incoming, outgoing = (DirectionFaults(**{**found[""], **found[direction]}) for direction in ("in", "out"))
    return FaultSpecification(incoming, outgoing, seed)


def _seed(what: str, value: str) -> int:
    if not re.fullmatch(r"-?\d{1,18}", value):
        raise ConfigurationError(f"{what}: the seed {value!r} is no whole number of at most 18 digits")
    return int(value)


def _probability(what: str, key: str, value: str) -> float:
    number = value.removesuffix("%")
    try:
        chance = float(number) / (100 if value.endswith("%") else 1)
    except ValueError:
        chance = -1.0
    if not 0 <= chance <= 1:
        raise ConfigurationError(f"{what}: {key}={value}: expected a part of all frames, 0 to 1 (or 0% to 100%)")
    return chance


def _delay(what: str, key: str, value: str) -> tuple[int, int]:
    times = []
    for part in value.split("~"):
        match = _TIME.fullmatch(part.strip())
        if match is None:
            raise ConfigurationError(f"{what}: {key}={value}: expected a time like 500us or 2ms~1ms")
        times.append(round(float(match[1]) * _UNITS[match[2]]))
    delay, jitter = times[0], times[1] if len(times) > 1 else 0
    if len(times) > 2 or jitter > delay:
        raise ConfigurationError(f"{what}: {key}={value}: expected a time and at most as much to either side of it")
    if delay > 60 * _UNITS["s"]:
        raise ConfigurationError(f"{what}: {key}={value}: a minute is the longest delay")
    return delay, jitter
