"""What the scheduler chooses between: one greenlet for each context, for the host and for each program of a test.

Law: a task that is left in the middle stays as it is for ever.  Dropping its greenlet would throw GreenletExit into
driver code and run its ``finally`` blocks, which no processor that stands still does.
"""

from __future__ import annotations

import ctypes
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from greenlet import greenlet

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context

NEVER: Final = 1 << 63


class TaskState(Enum):
    """What a task is doing."""

    RUNNABLE = "runs"
    LOCKED = "waits for a lock"
    SLEEPING = "sleeps"
    DONE = "has left"


class Task:
    """One thing that runs by turns.  ``settles``: asleep in its own loop it has nothing to do, and waits for nobody."""

    __slots__ = ("body", "context", "deadline", "greenlet", "name", "number", "rung", "settles", "state", "wanted")

    def __init__(
        self, number: int, name: str, body: Callable[[], Any], context: Context | None, *, settles: bool
    ) -> None:
        self.number = number
        self.name = name
        self.body = body
        self.context = context
        self.settles = settles
        self.state = TaskState.RUNNABLE
        self.deadline = NEVER
        self.rung = False
        self.wanted = -1
        self.greenlet: Any = None

    def begin(self, life: Callable[[Task], None], hub: Any) -> None:
        """Make its greenlet; it starts when it is first chosen."""
        self.greenlet = greenlet(lambda: life(self), parent=hub)

    @property
    def begun(self) -> bool:
        """Has it run at all?"""
        return bool(self.greenlet)

    def frame(self) -> Any:
        """The innermost frame of a task that does not run now; None before it began and after its end."""
        return self.greenlet.gr_frame if self.greenlet is not None else None

    def abandon(self) -> bool:
        """Leave it where it is, never to be collected; False when there is nothing to leave."""
        if not self.begun:
            return False
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.greenlet))
        return True
