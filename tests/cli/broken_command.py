"""`ndisemu` whose host fails as soon as it is asked for counters: the emulator is broken, and no driver is to blame."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from emulator.cli.main import main
from emulator.host import statistics

if TYPE_CHECKING:
    from emulator.host.supervisor import Supervisor


def fail(machine: Supervisor) -> dict[str, int]:
    """The planted fault."""
    raise RuntimeError(f"planted for {machine.specification.name}")


if __name__ == "__main__":
    vars(statistics)["counters"] = fail
    sys.exit(main())
