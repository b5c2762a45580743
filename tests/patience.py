"""Waiting for what nothing tells of: with a deadline that a busy computer does not miss, or for a second of its time.

Law: a test that waits for something to come to be waits long, which costs nothing when it comes; a test whose claim is
a second counts a moment for a tenth while more processes want to run than there are processors.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE: Final = 30.0
"""Seconds; a quarter of what pytest gives a test."""
CROWDED: Final = 10
_LOAD: Final = Path("/proc/loadavg")


def crowded() -> bool:
    """Do more processes want to run now, this one among them, than there are processors?"""
    running = _LOAD.read_text(encoding="ascii").split()[3].partition("/")[0]
    return int(running) > len(os.sched_getaffinity(0))


def eventually(ready: Callable[[], object], seconds: float = DEADLINE) -> bool:
    """Look until it is so, at most so long."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)  # to leave the processor to those who are looked at
    return True


def within(seconds: float, ready: Callable[[], object]) -> bool:
    """Look until it is so, at most so long on a computer with a processor to spare, and at most ten times as long."""
    spent, before = 0.0, time.monotonic()
    while not ready():
        if spent > seconds:
            return False
        time.sleep(0.002)
        now = time.monotonic()
        spent += (now - before) / (CROWDED if crowded() else 1)
        before = now
    return True
