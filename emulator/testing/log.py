"""What drivers have logged: DbgPrint, ``logging`` and ``print`` of every context, and NDIS's own remarks.

Law: a record is here when the console has received it; whoever needs one waits for it with a deadline.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from emulator.testing.machine import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ROOT: Final = "driver"


class DriverRecord(NamedTuple):
    """One record: which driver (``ndis`` for NDIS itself), what it said, and where it ran."""

    driver: str
    text: str
    context: str
    machine: str
    level: int


class DriverLog(logging.Handler):
    """Every record of the drivers of a laboratory, in the order of arrival."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.records: list[DriverRecord] = []
        self._arrived = threading.Condition()
        self._logger = logging.getLogger(_ROOT)
        self._level = self._logger.level

    def open(self) -> None:
        """Begin to listen, to everything down to DbgPrint."""
        self._level = self._logger.level
        self._logger.setLevel(logging.DEBUG)
        self._logger.addHandler(self)

    def close(self) -> None:
        """Listen no more; what was heard stays."""
        if self in self._logger.handlers:
            self._logger.removeHandler(self)
            self._logger.setLevel(self._level)
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, and wake whoever waits for it."""
        kept = DriverRecord(
            record.name.removeprefix(f"{_ROOT}."),
            record.getMessage(),
            str(record.__dict__.get("context", "")),
            str(record.__dict__.get("machine", "")),
            record.levelno,
        )
        with self._arrived:
            self.records.append(kept)
            self._arrived.notify_all()

    def emit_note(self, machine: str, text: str) -> None:
        """Keep a remark of the laboratory itself."""
        self._logger.warning("%s", text, extra={"machine": machine, "context": "lab"})

    def __iter__(self) -> Iterator[DriverRecord]:
        return iter(list(self.records))

    def __len__(self) -> int:
        return len(self.records)

    def __contains__(self, text: object) -> bool:
        """Has a driver said something that holds this text?"""
        return any(str(text) in record.text for record in self)

    def texts(self, driver: str = "") -> list[str]:
        """What was said, by one driver or by all."""
        return [record.text for record in self if driver in ("", record.driver)]

    def wait_for(
        self, wanted: str | Callable[[DriverRecord], bool], timeout: float = DEADLINE, count: int = 1
    ) -> DriverRecord:
        """The record that holds this text (or for which the function is true), the ``count``-th one; waits for it."""
        matches = wanted if callable(wanted) else lambda record: wanted in record.text
        deadline = time.monotonic() + timeout
        with self._arrived:
            while True:
                found = [record for record in self.records if matches(record)]
                if len(found) >= count:
                    return found[count - 1]
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    break
                self._arrived.wait(remaining)
        said = "\n".join(f"  {record.driver}: {record.text}" for record in self.records[-20:]) or "  (nothing)"
        what = "the record" if callable(wanted) else repr(wanted)
        raise AssertionError(
            f"{what} did not come {f'{count} times ' if count > 1 else ''}within {timeout:g} s; said was:\n{said}"
        )
