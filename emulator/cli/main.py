"""`ndisemu`: reads the command line, does what it says, and turns whatever goes wrong into one line and an exit code.

Law: a subcommand's module is imported when it is asked for and not before; no error leaves as a traceback unless the
emulator itself is broken.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

from emulator.cli import streams
from emulator.rules.errors import (
    EXIT_EMULATOR,
    EXIT_HOST,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    ConfigurationError,
    HostError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM: Final = "ndisemu"
SUBCOMMANDS: Final = {
    "run": "run a machine from a file or from options",
    "ctl": "ask something of a machine that runs: pause, halt, link, OIDs, status and more",
    "demo": "show the emulator's main job in a few seconds, and say whether it went well",
    "doctor": "say what this computer lacks for a TAP, and the command that mends it",
    "explain": "say what is declared about a function, callback or OID of NDIS, a rule or a stop",
}
_EPILOG: Final = """\
exit codes: 0 done, 1 a driver's fault (a stop, or frames lost), 2 a wrong option or file, 3 the computer lacks
something, 4 the emulator is broken, 130 interrupted"""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        """Complain and end."""
        raise ConfigurationError(f"{message}; see '{self.prog} --help'")

    def print_help(self, file: Any = None) -> None:
        """Print the help; argparse would say nothing of a disk that is full."""
        streams.standard_output().text(self.format_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code."""
    streams.occupy_standard_descriptors()
    code = _guarded(list(sys.argv[1:] if arguments is None else arguments))
    lost = streams.give_up_standard_output()
    if lost is not None and code == 0:
        complain(one_line(lost))
        return EXIT_HOST
    return code


def _guarded(given: list[str]) -> int:
    """Do it; every way to fail is an exit code."""
    try:
        return _run(given)
    except SystemExit as error:  # argparse has printed what was asked for
        return error.code if isinstance(error.code, int) else EXIT_USAGE
    except KeyboardInterrupt:
        complain("interrupted")
        return EXIT_INTERRUPTED
    except ConfigurationError as error:
        complain(one_line(error))
        return EXIT_USAGE
    except HostError as error:
        complain(one_line(error))
        return EXIT_HOST
    except OSError as error:
        complain(f"{type(error).__name__}: {one_line(error)}")
        return EXIT_HOST
    except Exception as error:
        _broken(error)
        return EXIT_EMULATOR


def _run(given: list[str]) -> int:
    for word in given:
        if any("\ud800" <= sign <= "\udfff" for sign in word):
            raise ConfigurationError(f"{word!a} is no text in this locale's encoding; LC_ALL=C.UTF-8 has all signs")
    parser = Parser(PROGRAM, description="An NDIS 6 machine on Linux, with drivers in Python.", epilog=_EPILOG)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--version", action="store_true", help="print the version and end")
    # Only the asked-for subcommand's options are read in: the others' modules stay where they are.
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    asked = next((word for word in given if not word.startswith("-")), "")
    for name, help_text in SUBCOMMANDS.items():
        made = commands.add_parser(name, help=help_text, description=help_text)
        if name == asked:
            module = importlib.import_module(f"emulator.cli.{name}")
            made.formatter_class = argparse.RawDescriptionHelpFormatter
            module.add_options(made)
            made.set_defaults(act=module.run)
    options, left = parser.parse_known_args(given)
    if len(left) == 1 and not left[0].startswith("-") and getattr(options, "machine", None) == "":
        # Before Python 3.13 a word that may be left out is not looked for behind an option.
        options.machine = left.pop()
    if left:
        shown = commands.choices[options.command].prog if options.command else PROGRAM
        raise ConfigurationError(f"unrecognized arguments: {' '.join(left)}; see '{shown} --help'")
    if options.version:
        streams.standard_output().line(f"{PROGRAM} {_version()}")
        return 0
    if options.command is None:
        parser.error(f"a command is missing: {', '.join(SUBCOMMANDS)}")
    code: int = options.act(options)
    return code


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("ndis-emulator")
    except metadata.PackageNotFoundError:
        return "(from a source tree that is not installed)"


def one_line(error: BaseException) -> str:
    """An error's words without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def complain(text: str) -> None:
    """Say what went wrong."""
    streams.standard_error().line(f"{PROGRAM}: {text}")


def _broken(error: Exception) -> None:
    import traceback

    from emulator.rules.errors import EmulatorError

    text = str(error).strip()
    if not isinstance(error, EmulatorError):
        text = "".join(traceback.format_exception(error)).strip()
    summary, *rest = reversed(text.splitlines() or [type(error).__name__])
    complain(f"the emulator is broken: {summary}")
    if rest:
        streams.standard_error().line(text)
