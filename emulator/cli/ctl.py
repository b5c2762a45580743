"""`ndisemu ctl`: what a machine that runs is asked for from another terminal, and what became of it.

Law: the commands are those of emulator.host.commands; the exit code is 0 when a command has done what it says.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from emulator.cli import streams
from emulator.host.commands import COMMANDS, command_of, in_words
from emulator.rules.errors import EXIT_STOP, ConfigurationError

if TYPE_CHECKING:
    from emulator.host.commands import Command
    from emulator.host.control_socket import Done
    from emulator.host.messages import AdapterStatus, MachineStatus

DEFAULT_TIMEOUT: Final = 30.0
_EPILOG: Final = """\
MACHINE is the name that `ndisemu run` has printed, or the path given to its --control; where one machine runs it may
be left out.

examples:
  ndisemu ctl status
  ndisemu ctl pause --timeout 5
  ndisemu ctl link down lab --adapter adapter1
  ndisemu ctl oid query OID_GEN_STATISTICS"""


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text}: 0 to 86400 seconds")
    return value


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this subcommand: one parser for each command of the table."""
    parser.epilog = _EPILOG
    kind: Any = type(parser)
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", parser_class=kind)
    groups: dict[str, Any] = {}
    for command in COMMANDS:
        first, _, second = command.name.partition(" ")
        if second:
            if first not in groups:
                words = ", ".join(each.name for each in COMMANDS if each.name.startswith(f"{first} "))
                group = verbs.add_parser(first, help=words)
                groups[first] = group.add_subparsers(dest="second", metavar="COMMAND", required=True, parser_class=kind)
            made = groups[first].add_parser(second, help=command.help, description=command.help)
        else:
            made = verbs.add_parser(first, help=command.help, description=command.help)
        _add_words(made, command)
        made.set_defaults(named=command.name)


def _add_words(parser: argparse.ArgumentParser, command: Command) -> None:
    for number, word in enumerate(command.words):
        if word.name.startswith("-"):
            parser.add_argument(word.name, dest=f"word{number}", default=word.default, metavar="N", help=word.help)
        else:
            parser.add_argument(f"word{number}", choices=word.choices or None, metavar=word.name, help=word.help)
    parser.add_argument("machine", nargs="?", default="", metavar="MACHINE", help="its name, or its socket's path")
    if command.of_adapter:
        parser.add_argument("--adapter", default="", metavar="A", help="its name or number; the only one")
    parser.add_argument(
        "--timeout", type=_seconds, default=DEFAULT_TIMEOUT, metavar="S", help=f"wait so long ({DEFAULT_TIMEOUT:g})"
    )
    parser.add_argument("--json", action="store_true", help="one object")


def run(options: argparse.Namespace) -> int:
    """Ask, and say what became of it; the exit code."""
    if not getattr(options, "named", ""):
        raise ConfigurationError(f"a command is missing: {', '.join(command.name for command in COMMANDS)}")
    command = command_of(options.named)
    given = command.given([getattr(options, f"word{number}") for number in range(len(command.words))])
    from emulator.host import control_socket

    path = control_socket.find(options.machine)
    adapter = getattr(options, "adapter", "")
    order = control_socket.Order(command.name, adapter, given.argument, given.data, options.timeout)
    done = control_socket.ask(path, order)
    output = streams.standard_output()
    if options.json:
        output.line(_json(command, done))
    elif command.operation is None and done.outcome.machine is not None:
        for line in status_lines(done.outcome.machine, control_socket.name_of(path)):
            output.line(line)
    elif done.outcome.done and done.outcome.data and command.name == "oid query":
        from emulator.cli.oid_values import oid_lines

        for line in oid_lines(given.argument & 0xFFFF_FFFF, done.outcome.data):
            output.line(line)
    elif done.outcome.done:
        output.line(_words(command, done))
    else:
        from emulator.cli.main import complain

        complain(_words(command, done))
    return 0 if done.outcome.done else EXIT_STOP


def _words(command: Command, done: Done) -> str:
    from emulator.cli.display import status_words

    return in_words(command, done.outcome, done.adapter, status_words)


def _json(command: Command, done: Done) -> str:
    import msgspec

    from emulator.cli.display import status_words

    outcome = done.outcome
    found: dict[str, Any] = {
        "command": command.name,
        "adapter": done.adapter,
        "done": outcome.done,
        "status": outcome.status,
        "status_name": status_words(outcome.status),
        "seconds": round(outcome.seconds, 6),
        "late": outcome.late,
        "ended": outcome.ended,
        "data": outcome.data.hex(),
        "needed": outcome.needed,
        "text": "" if command.operation is None else _words(command, done),
        "machine": msgspec.to_builtins(outcome.machine),
    }
    return msgspec.json.encode(found).decode()


def status_lines(machine: MachineStatus, name: str) -> list[str]:
    """A machine for people: a line for each adapter, and what is in its stack below it."""
    lines = [f"{name} is {machine.phase}; drivers: {', '.join(machine.drivers) or 'none'}"]
    for adapter in machine.adapters:
        lines += _adapter_lines(adapter)
    return lines


def _adapter_lines(adapter: AdapterStatus) -> list[str]:
    link = ("" if adapter.link else ", link down") + ("" if adapter.power == "d0" else f", in {adapter.power.upper()}")
    who = f" ({adapter.miniport})" if adapter.miniport else ""
    lines = [f"{adapter.name}{who}: {adapter.state}{link}{_lists(adapter.lists)}"]
    for word, layers in (("protocol", adapter.protocols), ("filter", adapter.filters)):
        lines += [f"  {word} {layer.driver}: {layer.state}{_lists(layer.lists)}" for layer in layers]
    if adapter.operation:
        since = f" for {adapter.seconds:.1f} s" if adapter.seconds else ", waits for its turn"
        lines.append(f"  {adapter.operation} under way{since}")
        lines += [f"    {line}" if line.startswith(" ") else f"    blocked: {line}" for line in adapter.blocked_by]
    return lines


def _lists(count: int) -> str:
    return f", {count} NET_BUFFER_LIST{'' if count == 1 else 's'} on the way" if count else ""
