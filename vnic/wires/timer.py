"""A timer as a descriptor: what must be done at a certain time becomes readable, and a loop need not know of time.

Law: a timer that has expired stays readable until it is set again or stopped; setting costs one system call.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

from vnic.wires.wire import WireError

_CLOCK_MONOTONIC: Final = 1
_TFD_TIMER_ABSTIME: Final = 1
_SECOND: Final = 1_000_000_000
_FLAGS: Final = os.O_NONBLOCK | os.O_CLOEXEC
NEVER: Final = 1 << 62


class _Setting(ctypes.Structure):
    """``struct itimerspec``."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


_system = ctypes.CDLL(None, use_errno=True)


class Timer:
    """One timer on the clock of ``time.monotonic_ns``."""

    def __init__(self) -> None:
        self.due = NEVER
        """When it becomes readable, or became so."""
        self._setting = _Setting()
        self._descriptor: int = _system.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
        if self._descriptor < 0:
            number = ctypes.get_errno()
            raise WireError("making a timer", "ulimit -n 4096", OSError(number, os.strerror(number)))

    def fileno(self) -> int:
        """Return the descriptor that becomes readable; -1 once it is closed."""
        return self._descriptor

    def arm(self, due: int) -> None:
        """Become readable at a time, at once when that has passed; not readable before."""
        self.due = due
        self._set(max(1, due))

    def hasten(self, due: int) -> None:
        """Become readable at a time, unless it will be so before."""
        if due < self.due:
            self.arm(due)

    def stop(self) -> None:
        """Be readable no more."""
        if self.due != NEVER:
            self.due = NEVER
            self._set(0)

    def close(self) -> None:
        """Give the descriptor back; closing twice is closing once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _set(self, due: int) -> None:
        if self._descriptor < 0:
            return
        setting = self._setting
        setting.seconds, setting.nanoseconds = divmod(due, _SECOND)
        if _system.timerfd_settime(self._descriptor, _TFD_TIMER_ABSTIME, ctypes.byref(setting), None) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
