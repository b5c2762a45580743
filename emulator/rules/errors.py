"""The kinds of fault, and whose each one is.

Law: every error that leaves a module of this project is one of these kinds, because the kind decides what the
user is told and with which exit code the program ends. `BugCheck` and `MachineStopped` derive from
`BaseException`, so that a driver's `except Exception` cannot keep a stopped machine alive.
"""

from __future__ import annotations

from typing import ClassVar, Final

EXIT_STOP: Final = 1
EXIT_USAGE: Final = 2
EXIT_HOST: Final = 3
EXIT_EMULATOR: Final = 4
EXIT_INTERRUPTED: Final = 130

Parameters = tuple[int, int, int, int]
NO_PARAMETERS: Final[Parameters] = (0, 0, 0, 0)


def first_line(code: int, parameters: Parameters) -> str:
    """Return the first line of a stop screen exactly as Windows prints it."""
    inside = ",".join(f"0x{value & 0xFFFFFFFFFFFFFFFF:016X}" for value in parameters)
    return f"*** STOP: 0x{code & 0xFFFFFFFF:08X} ({inside})"


class BugCheck(BaseException):
    """The machine stops: the driver broke a rule of NDIS (or met a limit of ours, when the name begins with VNIC_).

    The stop record has been written and the stop word set before this is raised; swallowing it changes nothing.
    `report` is whatever the platform wants to show beside the four parameters; this floor does not look into it.
    """

    exit_code: ClassVar[int] = EXIT_STOP

    def __init__(
        self,
        code: int,
        parameters: Parameters = NO_PARAMETERS,
        name: str = "",
        report: object | None = None,
    ) -> None:
        super().__init__(code, parameters, name)
        self.code = code
        self.parameters = parameters
        self.name = name
        self.report = report

    def __str__(self) -> str:
        if self.name.startswith("VNIC_"):
            return f"*** {self.name} (a limit of the emulator)"
        line = first_line(self.code, self.parameters)
        return f"{line} {self.name}" if self.name else line


class MachineStopped(BaseException):
    """Another context has stopped the machine; whoever meets this leaves without doing anything more."""

    exit_code: ClassVar[int] = EXIT_STOP


class EmulatorError(Exception):
    """The emulator itself is broken: an invariant of ours does not hold."""

    exit_code: ClassVar[int] = EXIT_EMULATOR


class HostError(OSError):
    """The computer lacks something: names the step that failed and the command that mends it."""

    exit_code: ClassVar[int] = EXIT_HOST

    def __init__(self, step: str, mend: str, reason: OSError | str | None = None) -> None:
        if isinstance(reason, OSError):
            text = reason.strerror or str(reason)
            super().__init__(reason.errno, text)
            self.errno = reason.errno
        else:
            text = reason or ""
            super().__init__(text)
        self.step = step
        self.mend = mend
        self.reason = text

    def __str__(self) -> str:
        because = f" ({self.reason})" if self.reason else ""
        return " ".join(f"{self.step} failed{because}; to mend it: {self.mend}".split())


class ConfigurationError(Exception):
    """The user asked for something that makes no sense: an option, a file or a value, named in one line."""

    exit_code: ClassVar[int] = EXIT_USAGE


class NotImplementedByEmulator(Exception):
    """A driver called a DDI that exists on Windows and not (yet) here."""

    exit_code: ClassVar[int] = EXIT_STOP

    def __init__(self, ddi: str, where: str = "") -> None:
        super().__init__(ddi, where)
        self.ddi = ddi
        self.where = where

    def __str__(self) -> str:
        called = f", called from {self.where}" if self.where else ""
        return f"{self.ddi} is not implemented by this emulator{called}"
