"""Python's own sleep in driver code: at DISPATCH_LEVEL it holds up a processor, and all frames with it.

Law: what NDIS would stop for in NdisMSleep is stopped for here, in the checked build; below DISPATCH_LEVEL it sleeps.
"""

from __future__ import annotations

import time

from emulator.kernel.platform import current
from emulator.kernel.stop import stop
from emulator.rules.bugcheck_entries import DRIVER_VERIFIER_DETECTED_VIOLATION
from emulator.rules.irql import DISPATCH_LEVEL, irql_name

_WRONG_IRQL = 0xE5
_sleep = time.sleep


def watch() -> None:
    """Look at who sleeps, in this process and those that it forks; before a plug-in is imported."""
    time.sleep = sleep  # type: ignore[assignment]


def sleep(seconds: float, /) -> None:
    """Suspend execution for a given number of seconds; 0xC4/0xE5 at DISPATCH_LEVEL and above."""
    irql = current.context.irql
    if irql >= DISPATCH_LEVEL:
        stop(
            DRIVER_VERIFIER_DETECTED_VIOLATION,
            _WRONG_IRQL,
            irql,
            text=f"time.sleep was called at {irql_name(irql)}: it would hold up the processor for {seconds:g} s.",
            remedy="Leave what must wait to a work item, or set a timer.",
            ddi="time.sleep",
        )
    _sleep(seconds)
