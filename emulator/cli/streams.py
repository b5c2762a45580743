"""Where the command's words go: standard output, standard error and log files.

Law: a stream that takes no more (a reader that has gone, a full disk) is one error of one line, told once; nothing
that is written later fails again, so that a machine can still be ended in order.
"""

from __future__ import annotations

import errno
import io
import os
import sys
import threading
from typing import TYPE_CHECKING, Final, TextIO

from emulator.rules.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable

_MEND: Final = {
    errno.ENOSPC: "room on the disk: df -h",
    errno.EDQUOT: "room in the quota: quota",
    errno.EPIPE: "a reader that stays until the end",
    errno.EBADF: "an open standard output",
}


class StreamError(HostError):
    """A stream that takes no more."""

    def __init__(self, name: str, error: OSError) -> None:
        super().__init__(f"writing to {name}", _MEND.get(error.errno or 0, "another place to write to"), error)


class Stream:
    """A text stream that several threads may write lines to; after the first failure it swallows what it is given."""

    def __init__(self, target: TextIO | None, name: str) -> None:
        self.target = target
        self.name = name
        self.failure: StreamError | None = None
        self.on_failure: Callable[[StreamError], None] | None = None
        """Called with the failure instead of raising it."""
        self._lock = threading.Lock()

    def line(self, text: str = "") -> None:
        """Write a line so that it is out when this returns."""
        self.attempt(lambda: self._write(text + "\n"))

    def text(self, text: str) -> None:
        """Write text as it is."""
        self.attempt(lambda: self._write(text))

    def attempt(self, act: Callable[[], None]) -> None:
        """Do what writes to the stream; its OSError is the stream's failure."""
        with self._lock:
            if self.failure is not None:
                return
            try:
                act()
                return
            except OSError as error:
                self.failure = failure = StreamError(self.name, error)
        if self.on_failure is None:
            raise failure
        self.on_failure(failure)

    def _write(self, text: str) -> None:
        if self.target is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        self.target.write(text)
        self.target.flush()

    @property
    def terminal(self) -> bool:
        """Whether a person reads it."""
        return self.target is not None and self.target.isatty()


def standard_output() -> Stream:
    """Standard output; what its encoding has no sign for is written as its number."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    return Stream(sys.stdout, "standard output")


def standard_error() -> Stream:
    """Standard error: where it takes nothing there is nobody left to tell, so nothing fails."""
    made = Stream(sys.stderr, "standard error")
    made.on_failure = lambda failure: None
    return made


def log_file(path: str) -> Stream:
    """Open a log file to be appended to; HostError when it cannot be."""
    try:
        return Stream(open(path, "a", encoding="utf-8"), path)
    except OSError as error:
        raise HostError(f"opening the log file {path}", "--log-file with another place", error) from None


def occupy_standard_descriptors() -> None:
    """Put /dev/null where a standard descriptor is closed, before a socket takes the number and is written to."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one


def give_up_standard_output() -> StreamError | None:
    """Write what is still buffered; what fails is returned, and the interpreter's own last flush fails no more."""
    failure = None
    for stream, name in ((sys.stderr, "standard error"), (sys.stdout, "standard output")):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            failure = StreamError(name, error)
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
    return failure
