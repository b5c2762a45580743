"""The trace of one execution: its last events, the DDI calls of each context, and one hash over everything.

Law: the hash is taken over every event in order, also over those that are no longer kept; the same events give the
same hash in every process and on every version of Python.
"""

from __future__ import annotations

from collections import deque
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from emulator.trace.events import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable

KEPT = 4096
_CHUNK = 1024
_DIGEST_BYTES = 16
_CALL = int(EventKind.CALL)


class Trace:
    """Events as they happen.  ``kept`` bounds how many of the last ones can be looked at; None keeps them all."""

    def __init__(self, kept: int | None = KEPT) -> None:
        self.length = 0
        self._kept: deque[tuple[int, int, int, str, int]] = deque(maxlen=kept)
        self._pending: list[tuple[int, int, int, str, int]] = []
        self._calls: dict[int, list[str]] = {}
        self._hash = blake2b(digest_size=_DIGEST_BYTES)
        self._encode = msgspec.msgpack.Encoder().encode
        self._closed = False

    def record(self, time: int, slot: int, kind: int, what: str, value: int = 0) -> None:
        """Add one event; nothing once the trace is closed."""
        if self._closed:
            return
        pending = self._pending
        pending.append((time, slot, kind, what, value))
        if kind == _CALL:
            calls = self._calls.get(slot)
            if calls is None:
                calls = self._calls[slot] = []
            calls.append(what)
        if len(pending) >= _CHUNK:
            self._digest()

    def _digest(self) -> None:
        pending = self._pending
        self.length += len(pending)
        for event in pending:
            self._hash.update(self._encode(event))
        self._kept.extend(pending)
        pending.clear()

    def close(self) -> None:
        """Hear nothing more: what follows is not part of the execution."""
        self._digest()
        self._closed = True

    @property
    def digest(self) -> str:
        """The hash over every event so far, in hexadecimal."""
        self._digest()
        return self._hash.hexdigest()

    def events(self, *kinds: EventKind, slot: int | None = None) -> list[Event]:
        """The last events, oldest first; of these kinds and this slot only, where given."""
        self._digest()
        return [
            Event(time, where, EventKind(kind), what, value)
            for time, where, kind, what, value in self._kept
            if (not kinds or kind in kinds) and (slot is None or slot == where)
        ]

    def ddi_calls(self, slot: int) -> list[str]:
        """Every DDI function that the context in this slot has called, in order."""
        return list(self._calls.get(slot, ()))

    def tail(self, count: int = 40) -> list[str]:
        """The last events as lines, for a report."""
        return [str(event) for event in self.events()[-count:]]


def first_difference(left: Iterable[Any], right: Iterable[Any]) -> str:
    """Where two sequences part, in words; empty when they are equal."""
    one, other = list(left), list(right)
    for place, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return f"at {place}: {mine} against {theirs} (after {', '.join(map(str, one[max(0, place - 3) : place]))})"
    if len(one) != len(other):
        longer = one if len(one) > len(other) else other
        place = min(len(one), len(other))
        return f"at {place}: {longer[place]} against the end ({len(one)} against {len(other)})"
    return ""
