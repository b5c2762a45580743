"""Which cores the processes of a benchmark stay on, so that the scheduler's choices are no part of a figure.

Law: it is the same for every subject: who reads the interface has the first core, who works behind it the second, and
the generator the last one.  On two cores the generator shares with whoever works behind the reader, if anybody does;
a reader that does all by itself, as the C reflector, has a core of its own there too.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from emulator.rules.errors import EmulatorError

if TYPE_CHECKING:
    from collections.abc import Mapping

BEHIND: Final = "worker"
"""The role of whoever works behind a reader; of a subject without another role it is the reader's own."""


class Placement(NamedTuple):
    """Cores of this computer, by number."""

    reader: int
    behind: int
    generator: int

    @classmethod
    def here(cls) -> Self | None:
        """Where processes are held on this computer; None where there is one core, and nothing to choose."""
        cores = sorted(os.sched_getaffinity(0))
        return cls(cores[0], cores[1], cores[-1]) if len(cores) > 1 else None

    def hold(self, roles: Mapping[str, tuple[int, ...]]) -> None:
        """Keep a started subject's processes where they belong; EmulatorError when one is gone."""
        for role, pids in roles.items():
            core = self.behind if role == BEHIND and len(roles) > 1 else self.reader
            for pid in pids:
                try:
                    os.sched_setaffinity(pid, {core})
                except OSError as error:
                    raise EmulatorError(f"a process of the subject cannot be held: {error.strerror}") from error


def told(placement: Placement | None) -> str:
    """How a report says it."""
    if placement is None:
        return "placed by the scheduler"
    return (
        f"held: reader on core {placement.reader}, workers on core {placement.behind}, "
        f"generator on core {placement.generator}"
    )
