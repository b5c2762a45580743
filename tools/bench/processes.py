"""Forked helpers of the benchmark and the processor time that a process has used.

Law: every process started here dies with its parent, is bounded in time, and is ended by its own pid.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emulator.rules.errors import EmulatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PR_SET_PDEATHSIG: Final = 1
READY_SECONDS: Final = 10.0
END_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.002
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def end(process: subprocess.Popen[bytes], seconds: float = END_SECONDS) -> None:
    """End a program by SIGTERM; by SIGKILL when it has not ended after so long."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when `parent` ends; leave now if it has already ended."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


class Forked:
    """A function running in a forked process; it says when it is ready and is ended by `end`."""

    def __init__(self, function: Callable[[Callable[[], None]], None], what: str = "a helper process") -> None:
        self._what = what
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        self._ready_end, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                die_with_parent(parent)
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                os.close(self._ready_end)
                function(lambda: os.close(writing) if os.write(writing, b"r") else None)
                code = 0
            except BaseException:  # the child must never return into its parent's code
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(code)
        os.close(writing)
        self._status: int | None = None

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until the function called its `ready`; an end before that is an error."""
        ready, _, _ = select.select([self._ready_end], [], [], seconds)
        said = os.read(self._ready_end, 1) if ready else b""
        os.close(self._ready_end)
        if said != b"r":
            self.end()
            fault = "ended before it was ready" if ready else f"was not ready within {seconds:.0f} s"
            raise EmulatorError(f"{self._what} {fault}")

    def wait(self, seconds: float) -> bool:
        """Wait for the process to end by itself; True when it ended with code 0."""
        deadline = time.monotonic() + seconds
        while self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = status
            elif time.monotonic() > deadline:
                return False
            else:
                time.sleep(_POLL_SECONDS)
        return self._status == 0

    def end(self) -> None:
        """End the process if it still runs, and reap it."""
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            _, self._status = os.waitpid(self.pid, 0)


def cpu_ns(pids: Iterable[int]) -> int:
    """Return the processor time used so far by whole processes, threads that ended included, user and kernel.

    This is the kernel's per-process CPU clock (`clock_getcpuclockid`), exact to the nanosecond. Work that the kernel
    does in interrupt context for a process may be charged to whoever it interrupted.
    """
    return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in pids)


def machine_busy_seconds() -> float:
    """Return the processor seconds that this whole computer has used so far, to one clock tick."""
    user, nice, system, _idle, _wait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
