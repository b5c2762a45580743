"""What can be asked of a machine while it runs: one table, read by `ndisemu ctl`, by the documents and by the tests.

Law: a command is a row here; who asks, how it travels and how it is answered is the same for all of them.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from emulator.host.messages import AdapterStatus, MachineStatus
from emulator.host.sample_names import full_name
from emulator.layout.control import CONTROL_DATA_BYTES
from emulator.rules.control import (
    INTERFACE_INDEX_MASK,
    INTERFACE_INDEX_SHIFT,
    INTERFACE_LENGTH_SHIFT,
    WHOLE_MACHINE,
    ControlOperation,
)
from emulator.rules.errors import ConfigurationError


class Given(NamedTuple):
    """What the words behind a command come to: the operation's argument and its data."""

    argument: int = 0
    data: bytes = b""


class Word(NamedTuple):
    """A word that a command takes."""

    name: str
    help: str
    choices: tuple[str, ...] = ()
    default: str | None = None


def _nothing(words: Sequence[str]) -> Given:
    return Given()


def _up_or_down(words: Sequence[str]) -> Given:
    return Given(int(words[0] == "up"))


def _on_or_off(words: Sequence[str]) -> Given:
    return Given(int(words[0] == "on"))


def _power(words: Sequence[str]) -> Given:
    return Given(int(words[0][1:]) + 1)


def _battery_or_mains(words: Sequence[str]) -> Given:
    return Given(int(words[0] == "battery"))


def _name(words: Sequence[str]) -> Given:
    return Given(data=words[0].encode())


def _driver(words: Sequence[str]) -> Given:
    """A path as it is from anywhere, a module by its full name."""
    text = words[0]
    if text.endswith(".py") or os.sep in text:
        path = os.path.abspath(os.path.expanduser(text))
        if not os.path.isfile(path):
            raise ConfigurationError(f"driver {path}: there is no such file")
        return Given(data=path.encode())
    return Given(data=full_name(text).encode())


def _query(words: Sequence[str]) -> Given:
    return Given(oid_of(words[0]) | _room(words[1]) << 32)


def _room(text: str) -> int:
    room = number_of(text)
    if not 0 <= room <= CONTROL_DATA_BYTES:
        raise ConfigurationError(f"{text}: a buffer has 0 to {CONTROL_DATA_BYTES} bytes")
    return room


def _set(words: Sequence[str]) -> Given:
    return Given(oid_of(words[0]), data_of(words[1]))


def _interface_query(words: Sequence[str]) -> Given:
    return Given(_interface(words[0], words[1], _room(words[2])))


def _interface_set(words: Sequence[str]) -> Given:
    return Given(_interface(words[0], words[1], 0), data_of(words[2]))


def _interface(index: str, identifier: str, room: int) -> int:
    number = number_of(index)
    if not 0 < number <= INTERFACE_INDEX_MASK:
        raise ConfigurationError(f"{index}: an interface's index is 1 to {INTERFACE_INDEX_MASK}")
    return oid_of(identifier) | room << INTERFACE_LENGTH_SHIFT | number << INTERFACE_INDEX_SHIFT


class Command(NamedTuple):
    """One command."""

    name: str
    operation: ControlOperation | None
    """None: it only looks."""
    help: str
    words: tuple[Word, ...] = ()
    given: Callable[[Sequence[str]], Given] = _nothing
    leads_to: str = ""
    """The adapter's state when it has been done."""
    method: str = ""
    """What it is called in a test; empty: as here."""
    explains: bool = False
    """Does the answer say, in words, why it failed?"""

    @property
    def of_adapter(self) -> bool:
        """Does it concern one adapter?"""
        return self.operation is not None and self.operation not in WHOLE_MACHINE


_OID: Final = Word("OID", "its name, or its number as 0x00010106")
_LENGTH: Final = Word("--length", "bytes of the buffer", default=str(CONTROL_DATA_BYTES))
_VALUE: Final = Word("VALUE", "a number (4 bytes, lowest first), or bytes: 01:00:5e:00:00:01, hex:2a")
_INTERFACE: Final = Word("INTERFACE", "its index, as NdisIfRegisterInterface gave it")
_FILTER: Final = Word("FILTER", "the driver's name: ndislwf")
_LOADED: Final = Word("DRIVER", "its name: hello")
COMMANDS: Final = (
    Command("status", None, "say how every adapter is, and who keeps an operation from its end"),
    Command("pause", ControlOperation.PAUSE, "pause the stack: protocols, filters, miniport", leads_to="paused"),
    Command("restart", ControlOperation.RESTART, "restart a paused stack", leads_to="running"),
    Command("halt", ControlOperation.STOP_ADAPTER, "pause, unbind, detach, halt the miniport", leads_to="halted"),
    Command("start", ControlOperation.START_ADAPTER, "start a halted adapter again", leads_to="running"),
    Command(
        "surprise-remove",
        ControlOperation.SURPRISE_REMOVE,
        "tear the adapter out: its wire is gone",
        leads_to="removed",
    ),
    Command(
        "link",
        ControlOperation.LINK,
        "plug the cable in or out",
        (Word("up|down", "what becomes of the link", ("up", "down")),),
        _up_or_down,
    ),
    Command(
        "interrupts",
        ControlOperation.SWITCH_INTERRUPTS,
        "let the miniport enable or disable its interrupt, as NDIS may do to find a fault",
        (Word("on|off", "what becomes of the interrupt", ("on", "off")),),
        _on_or_off,
    ),
    Command("reset", ControlOperation.RESET, "reset the adapter's hardware"),
    Command(
        "power",
        ControlOperation.POWER,
        "bring the adapter into a device power state",
        (Word("d0|d1|d2|d3", "d0: it works; d3: it sleeps most deeply", ("d0", "d1", "d2", "d3")),),
        _power,
    ),
    Command(
        "power-source",
        ControlOperation.POWER_PROFILE,
        "tell the adapter's drivers that the computer runs on its battery, or on the mains",
        (Word("battery|mains", "what the computer runs on", ("battery", "mains")),),
        _battery_or_mains,
    ),
    Command(
        "idle",
        ControlOperation.IDLE,
        "let the miniport suspend the adapter now (selective suspend, ForceIdle), as connected standby does",
    ),
    Command("wake", ControlOperation.WAKE, "let a suspended adapter signal a wake-up event"),
    Command(
        "shutdown",
        ControlOperation.SHUTDOWN,
        "switch the computer off: MiniportShutdownEx, and the end",
        method="switch_off",
    ),
    Command(
        "oid query",
        ControlOperation.OID_QUERY,
        "ask the stack, as NDIS itself would, and tell the answer member by member",
        (_OID, _LENGTH),
        _query,
    ),
    Command(
        "oid set",
        ControlOperation.OID_SET,
        "give the stack a value, as NDIS itself would",
        (_OID, _VALUE),
        _set,
    ),
    Command("log", ControlOperation.LOG, "take what the miniport has logged with NdisMWriteLogData"),
    Command(
        "filter attach",
        ControlOperation.ATTACH_FILTER,
        "attach a filter of those that are loaded; the stack is paused meanwhile",
        (_FILTER,),
        _name,
        method="attach",
        explains=True,
    ),
    Command(
        "filter detach",
        ControlOperation.DETACH_FILTER,
        "detach a filter, until it is attached again; the stack is paused meanwhile",
        (_FILTER,),
        _name,
        method="detach",
        explains=True,
    ),
    Command(
        "driver load",
        ControlOperation.LOAD_DRIVER,
        "load a driver; the stacks are paused while every context makes way for one that knows it",
        (Word("DRIVER", "a module that can be imported, or a .py file"),),
        _driver,
        method="load",
        explains=True,
    ),
    Command(
        "driver unload",
        ControlOperation.UNLOAD_DRIVER,
        "unbind or detach a driver everywhere, and unload it",
        (_LOADED,),
        _name,
        method="unload",
        explains=True,
    ),
    Command(
        "driver uninstall",
        ControlOperation.UNINSTALL,
        "unbind a protocol driver everywhere and call ProtocolUninstall; it stays loaded, and is bound no more",
        (_LOADED,),
        _name,
        method="uninstall",
        explains=True,
    ),
    Command(
        "interface query",
        ControlOperation.INTERFACE_QUERY,
        "ask the driver that provides a network interface, through its ProviderQueryObject",
        (_INTERFACE, _OID, _LENGTH),
        _interface_query,
        explains=True,
    ),
    Command(
        "interface set",
        ControlOperation.INTERFACE_SET,
        "give the driver that provides a network interface a value, through its ProviderSetObject",
        (_INTERFACE, _OID, _VALUE),
        _interface_set,
        explains=True,
    ),
)
BY_NAME: Final = {command.name: command for command in COMMANDS}


class Outcome(msgspec.Struct):
    """How a command ended."""

    status: int = 0
    data: bytes = b""
    needed: int = 0
    late: bool = False
    """Its time was up; it goes on."""
    ended: str = ""
    """The machine ended meanwhile: how."""
    seconds: float = 0.0
    machine: MachineStatus | None = None
    """How the machine is now."""

    @property
    def done(self) -> bool:
        """Did it do what it was asked to?"""
        return not self.status and not self.late and not self.ended


def command_of(name: str) -> Command:
    """The command of a name; ConfigurationError says which there are."""
    found = BY_NAME.get(name)
    if found is None:
        close = difflib.get_close_matches(name, BY_NAME, 1)
        raise ConfigurationError(
            f"there is no command {name}; "
            + (f"did you mean {close[0]}?" if close else f"there are {', '.join(BY_NAME)}")
        )
    return found


def adapter_number(names: Sequence[str], wanted: str) -> int:
    """The number of the adapter that is meant; ConfigurationError, in one line, when none is or several may be."""
    if wanted in names:
        return names.index(wanted)
    if wanted.isdigit() and int(wanted) < len(names):
        return int(wanted)
    if wanted:
        raise ConfigurationError(f"there is no adapter {wanted}; there are {', '.join(names) or 'none'}")
    if len(names) != 1:
        several = f"name one with --adapter: {', '.join(names)}" if names else "this machine has none"
        raise ConfigurationError(f"which adapter? {several}")
    return 0


def in_words(command: Command, outcome: Outcome, adapter: str, status_name: Callable[[int], str]) -> str:
    """How a command ended, in one line."""
    if outcome.ended:
        return f"{command.name}: {outcome.ended}"
    now = next((each for each in outcome.machine.adapters if each.name == adapter), None) if outcome.machine else None
    if not command.of_adapter:
        if outcome.late:
            return f"{command.name}: has not ended within {outcome.seconds:g} s"
        if outcome.status:
            told = outcome.data.decode(errors="replace") if command.explains else ""
            return f"{command.name} failed: {told}" if told else f"{command.name}: {_failed(outcome, status_name)}"
        return outcome.data.hex(" ") or f"{command.name}: done"
    if outcome.late:
        return f"{command.name} of {adapter} has not ended within {outcome.seconds:g} s and goes on{_blocked(now)}"
    if outcome.status:
        state = f": {adapter} is {now.state}" if now is not None and command.operation is not None else ""
        if command.explains and outcome.data:
            return f"{command.name} of {adapter} failed: {outcome.data.decode(errors='replace')}"
        return f"{command.name} of {adapter} failed with {_failed(outcome, status_name)}{state}{_mend(command, now)}"
    if outcome.data and not command.explains:
        return outcome.data.hex(" ")
    return f"{adapter}: {command.name} done in {outcome.seconds * 1000:.1f} ms" + (
        f", it is {now.state}" if now else ""
    )


def _failed(outcome: Outcome, status_name: Callable[[int], str]) -> str:
    needs = f" ({outcome.needed} bytes are needed)" if outcome.needed else ""
    return f"{status_name(outcome.status)}{needs}"


def _blocked(adapter: AdapterStatus | None) -> str:
    if adapter is None or not adapter.blocked_by:
        return ""
    return "; blocked: " + "; ".join(line.strip() for line in adapter.blocked_by)


def _mend(command: Command, adapter: AdapterStatus | None) -> str:
    """The command that leads from the state in which an adapter is to one in which this one can be done."""
    if adapter is None or not command.leads_to:
        return ""
    if adapter.state == command.leads_to:
        return " already"
    if adapter.state == "removed":
        return "; what was torn out comes back with a new `ndisemu run` only"
    first = _FIRST.get((command.name, adapter.state))
    return f"; first: ndisemu ctl {first}" if first else ""


_FIRST: Final = {
    ("pause", "halted"): "start",
    ("restart", "running"): "pause",
    ("restart", "halted"): "start",
    ("start", "paused"): "restart",
}
"""What to do first: by command and the adapter's state."""


def number_of(text: str) -> int:
    """A number as people write it; ConfigurationError for anything else."""
    try:
        return int(text, 0)
    except ValueError:
        raise ConfigurationError(f"{text} is no number") from None


def oid_of(text: str) -> int:
    """An OID by name or number; NDIS, which knows the names, is imported for a name only."""
    if text[:1].isdigit():
        number = number_of(text)
        if number >> 32:
            raise ConfigurationError(f"{text}: an OID has 32 bits")
        return number
    from emulator.ndis.headers import oids

    known = {name: value for name, value in vars(oids).items() if name.startswith("OID_")}
    found = known.get(text.upper())
    if found is None:
        close = difflib.get_close_matches(text.upper(), known, 1)
        raise ConfigurationError(f"{text} is no OID's name" + (f"; did you mean {close[0]}?" if close else ""))
    return int(found)


def data_of(text: str) -> bytes:
    """The bytes of a value: a number is four of them, lowest first; hex digits in pairs are as many as there are.

    What begins with ``hex:`` is hex, even where it looks like a number.
    """
    if text.isdigit() or text[:2].lower() == "0x":
        number = number_of(text)
        if number >> 32:
            raise ConfigurationError(f"{text} has more than 32 bits: write its bytes as hex")
        return number.to_bytes(4, "little")
    try:
        found = bytes.fromhex(text.removeprefix("hex:").replace(":", " ").replace("-", " "))
    except ValueError:
        raise ConfigurationError(f"{text} is neither a number nor bytes as hex") from None
    if len(found) > CONTROL_DATA_BYTES:
        raise ConfigurationError(f"{len(found)} bytes are too many: at most {CONTROL_DATA_BYTES}")
    return found
