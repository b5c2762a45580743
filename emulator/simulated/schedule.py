"""A schedule: the seed and the steps of one execution, as a value that can be printed, saved and replayed.

Law: a structured artefact; nobody parses it out of printed prose.  A step is the slot that ran on, or RANDOM.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Final

import msgspec

RANDOM: Final = -1
"""The step at which a number was drawn for a choice; the seed says which one."""
_PREFIX: Final = "ndis1:"


class ScheduleError(ValueError):
    """A text is no schedule, or a schedule does not fit the program that is to follow it."""


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    scheduler: str
    seed: int
    steps: bytes


class Schedule(msgspec.Struct, frozen=True):
    """One execution's choices.  Only points where more than one context could go on are steps."""

    seed: int
    scheduler: str = "random"
    steps: tuple[int, ...] = ()

    def to_text(self) -> str:
        """One word, for a command line or a bug report: ``ndis1:...``."""
        packed = msgspec.msgpack.encode(_Packed(self.scheduler, self.seed, _pack(self.steps)))
        return _PREFIX + base64.urlsafe_b64encode(zlib.compress(packed, 9)).decode().rstrip("=")

    @classmethod
    def from_text(cls, text: str) -> Schedule:
        """Read what ``to_text`` wrote.  ScheduleError for anything else."""
        word = text.strip()
        if not word.startswith(_PREFIX):
            raise ScheduleError(f"a schedule begins with {_PREFIX!r}, not {word[:12]!r}")
        body = word.removeprefix(_PREFIX)
        try:
            raw = zlib.decompress(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
            packed = msgspec.msgpack.decode(raw, type=_Packed)
            return cls(packed.seed, packed.scheduler, _unpack(packed.steps))
        except (binascii.Error, zlib.error, msgspec.MsgspecError, IndexError) as error:
            raise ScheduleError(f"a damaged schedule: {error}") from None

    def __str__(self) -> str:
        return f"seed {self.seed}, {self.scheduler}, {len(self.steps)} steps"


def _pack(steps: tuple[int, ...]) -> bytes:
    """Runs of equal steps: the step plus one in a byte, then the length of the run in seven-bit groups."""
    packed = bytearray()
    place = 0
    while place < len(steps):
        step = steps[place]
        end = place + 1
        while end < len(steps) and steps[end] == step:
            end += 1
        if not RANDOM <= step < 255:
            raise ScheduleError(f"{step} is no slot")
        packed.append(step + 1)
        run = end - place
        while run > 0x7F:
            packed.append(run & 0x7F | 0x80)
            run >>= 7
        packed.append(run)
        place = end
    return bytes(packed)


def _unpack(packed: bytes) -> tuple[int, ...]:
    steps: list[int] = []
    place = 0
    while place < len(packed):
        step = packed[place] - 1
        run = shift = 0
        while True:
            place += 1
            run |= (packed[place] & 0x7F) << shift
            shift += 7
            if not packed[place] & 0x80:
                break
        steps.extend([step] * run)
        place += 1
    return tuple(steps)
