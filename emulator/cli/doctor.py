"""`ndisemu doctor`: what this computer lacks for a TAP, and the command that mends each.

Law: it changes nothing; the exit code says whether a TAP can be had.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from emulator.cli import streams
from emulator.rules.errors import EXIT_HOST

if TYPE_CHECKING:
    import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this subcommand."""
    parser.add_argument("--json", action="store_true", help="one object a line: each check, then the verdict")


def run(options: argparse.Namespace) -> int:
    """Look at the computer; 0 when a TAP can be had."""
    from emulator.host import privileges
    from emulator.host.privileges import Need, Outcome

    output = streams.standard_output()
    checks = privileges.check_all()
    missing = [check for check in checks if check.outcome is Outcome.MISSING]
    blocking = next((check for check in missing if check.need in (Need.MACHINE, Need.TAP)), None)
    if options.json:
        for check in checks:
            output.line(
                json.dumps(
                    {
                        "event": "check",
                        "name": check.name,
                        "needed_for": check.need,
                        "outcome": check.outcome,
                        "detail": check.detail,
                        "mend": check.mend,
                    }
                )
            )
        output.line(
            json.dumps({"event": "verdict", "tap": blocking is None, "mend": blocking.mend if blocking else ""})
        )
    else:
        for check in checks:
            output.line(str(check))
        output.line(_verdict(blocking.need if blocking else None, blocking.name if blocking else ""))
    return EXIT_HOST if blocking is not None else 0


def _verdict(need: str | None, name: str) -> str:
    if need is None:
        return "A TAP can be had: ndisemu run --wire tap:ndis0 and ndisemu demo use it."
    if need == "a TAP":
        return f"No TAP can be had ({name}); machines run on the cable: ndisemu run --wire cable, ndisemu demo."
    return f"No machine can run on this computer ({name})."
