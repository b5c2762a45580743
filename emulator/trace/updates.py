"""Lost updates: a context reads a field, another writes it, and the first one overwrites that with what it made.

Law: reports what has happened in this execution, never what might; a report names both contexts and both places.
"""

from __future__ import annotations

from types import CodeType
from typing import NamedTuple


class Place(NamedTuple):
    """Where a field was touched: a code object and an instruction in it."""

    code: CodeType
    instruction: int

    @property
    def line(self) -> int:
        """The line of the instruction."""
        found = self.code.co_firstlineno
        for start, end, line in self.code.co_lines():
            if start <= self.instruction < end and line is not None:
                found = line
        return found

    def __str__(self) -> str:
        name = self.code.co_filename.rpartition("/")[2]
        return f"{name}:{self.line} in {self.code.co_qualname}"


class LostUpdate(NamedTuple):
    """One update that another context overwrote."""

    field: str
    time: int
    reader: int
    writer: int
    read_at: Place
    written_at: Place
    overwritten_at: Place

    def __str__(self) -> str:
        return (
            f"{self.field}: slot {self.reader} read it at {self.read_at}, slot {self.writer} wrote it at "
            f"{self.written_at}, and slot {self.reader} overwrote that at {self.overwritten_at}"
        )


class _Field:
    __slots__ = ("reads", "write_place", "write_step", "writer")

    def __init__(self) -> None:
        self.reads: dict[int, tuple[int, int, Place]] = {}
        self.writer = -1
        self.write_step = -1
        self.write_place: Place | None = None


class UpdateWatch:
    """Looks at every read and write of watched fields.

    A read counts for the callback that made it (``activity``): what a later callback writes does not come from it.
    """

    def __init__(self, limit: int = 100) -> None:
        self.lost: list[LostUpdate] = []
        self._limit = limit
        self._fields: dict[int, _Field] = {}
        self._step = 0

    def read(self, address: int, slot: int, activity: int, place: Place) -> None:
        """A field was read."""
        self._step += 1
        field = self._fields.get(address)
        if field is None:
            field = self._fields[address] = _Field()
        field.reads[slot] = self._step, activity, place

    def write(self, address: int, slot: int, activity: int, place: Place, name: str, time: int) -> LostUpdate | None:
        """A field was written; the update that this one overwrote, if there is one."""
        self._step += 1
        field = self._fields.get(address)
        if field is None:
            field = self._fields[address] = _Field()
        lost = None
        read = field.reads.pop(slot, None)
        if (
            read is not None
            and read[1] == activity
            and field.writer not in (-1, slot)
            and field.write_step > read[0]
            and field.write_place is not None
            and len(self.lost) < self._limit
        ):
            lost = LostUpdate(name, time, slot, field.writer, read[2], field.write_place, place)
            self.lost.append(lost)
        field.writer, field.write_step, field.write_place = slot, self._step, place
        return lost

    def forget(self, start: int, end: int) -> None:
        """Memory was given out anew: what was seen of it before is another's."""
        for address in [address for address in self._fields if start <= address < end]:
            del self._fields[address]
