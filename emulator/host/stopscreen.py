"""The stop screen: a stop report, the black boxes and the stacks, as text for people and as JSON for programs.

Law: the first line is Windows's own, or visibly ours for a limit of the emulator; nothing here reads an arena.
"""

from __future__ import annotations

import linecache
import re
from typing import TYPE_CHECKING, Final

import msgspec

from emulator.host.blackbox import BlackBox, short_path
from emulator.kernel.stop import Possession, StopReport
from emulator.rules.bugchecks import describe, stop_line
from emulator.rules.errors import EXIT_EMULATOR, EXIT_STOP
from emulator.rules.irql import irql_name

if TYPE_CHECKING:
    from emulator.host.messages import Names

WIDTH: Final = 100
DEEPEST_STACK: Final = 24
MOST_OWNERS: Final = 16
_FRAME: Final = re.compile(r'^\s*File "(?P<path>.*)", line (?P<line>\d+),? in (?P<name>.*)$')
_BEGINNING: Final = "emulator/host/worker.py"
"""Below the last frame of this file lie the processes from which a context was forked."""
_HEADER: Final = re.compile(r"most recent call (first|last)")


class MachineReport(msgspec.Struct, kw_only=True):
    """Everything that is known of a stopped machine: the JSON form of the stop screen."""

    machine: str
    stop: StopReport
    contexts: list[BlackBox] = []
    waiting_items: list[str] = []
    control: str = ""
    owner_deaths: int = 0
    lists: list[Possession] = []
    hand_offs: list[str] = []
    """The last ones of the context that stopped."""

    @property
    def exit_code(self) -> int:
        """How a command ends that shows this: whose fault was it?"""
        return EXIT_EMULATOR if self.stop.family == "broken" else EXIT_STOP


def render(report: MachineReport) -> str:
    """The stop screen."""
    stop = report.stop
    lines = [headline(stop), *described(stop).splitlines(), ""]
    lines += _facts(report)
    lines += ["", *_paragraph(stop.text)]
    if stop.remedy and not any(stop.remedy in line for line in lines[1:6]):
        lines += ["", *_paragraph(f"To mend it: {stop.remedy}")]
    lines += _section("The driver's stack, oldest call first:", stop.traceback)
    lines += _section(
        "Call sites:",
        [f"{site.what}: {site.where}" + (f" ({site.context})" if site.context else "") for site in stop.sites],
    )
    lines += _section("Who holds what:", stop.holders)
    lines += _section("NET_BUFFER_LISTs in use:", [_possession(row) for row in report.lists[:MOST_OWNERS]])
    lines += _section("What it had last handed on, oldest first:", report.hand_offs)
    others = [box for box in report.contexts if box.slot != stop.slot]
    lines += _section("What the others were doing:", [line for box in others for line in _doing(box)])
    lines += _section("Work items that were queued and not taken:", report.waiting_items)
    if report.control:
        lines += ["", f"The PnP thread was at: {report.control}"]
    return "\n".join(lines) + "\n"


def headline(stop: StopReport) -> str:
    """The first line."""
    if stop.family == "windows":
        return f"{stop_line(stop.code, stop.parameters)}"
    what = "a limit of the emulator" if stop.family == "emulator" else "the emulator is broken"
    return f"*** {stop.name} ({what})"


def described(stop: StopReport) -> str:
    """Name, meaning and parameters."""
    return describe(stop.code, stop.parameters) if stop.code else stop.name


def _facts(report: MachineReport) -> list[str]:
    stop = report.stop
    facts = [f"Machine {report.machine}, {stop.time / 1e9:.3f} s after it started"]
    where = f", processor {stop.processor}" if not stop.context.startswith("processor") else ""
    who = f"Context: {stop.context}, {irql_name(stop.irql)}{where}"
    facts.append(who + (f", in {stop.callback}" if stop.callback else ""))
    for name, value in (("Driver", stop.driver), ("DDI", stop.ddi), ("Rule", stop.rule)):
        if value:
            facts.append(f"{name}: {value}")
    if stop.cut:
        facts.append(f"Frames that NDIS had cut into several MDLs: {stop.cut}")
    if report.owner_deaths:
        facts.append(f"Locks whose owner died: {report.owner_deaths}")
    return facts


def _possession(row: Possession) -> str:
    return f"{row.count}: {row.owner}" + (f", last handed on at {row.where}" if row.where else "")


def _doing(box: BlackBox) -> list[str]:
    return [box.in_words(), *(f"    {line}" for line in box.stack)]


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", title, *(f"  {line}" for line in lines)] if lines else []


def _paragraph(text: str) -> list[str]:
    import textwrap

    return [line for part in text.splitlines() for line in (textwrap.wrap(part, WIDTH) or [""])]


def driver_frames(dump: str, names: Names) -> list[str]:
    """The driver's frames of a dumped stack, oldest call first."""
    frames = [frame for frame in _frames(dump) if frame[0] in names.paths]
    return [_in_words(names, *frame) for frame in frames[-DEEPEST_STACK:]]


def innermost(dump: str, names: Names) -> str:
    """Where a context was, in whoever's code; empty when its stack is not known."""
    frames = _frames(dump)
    return _in_words(names, *frames[-1]) if frames else ""


def all_frames(dump: str, names: Names) -> list[str]:
    """Every frame of a dumped stack, oldest call first, from where the context began."""
    frames = _frames(dump)
    begun = [number for number, (path, _, _) in enumerate(frames) if path.endswith(_BEGINNING)]
    return [_in_words(names, *frame) for frame in frames[begun[-1] + 1 if begun else 0 :][-DEEPEST_STACK:]]


def _frames(dump: str) -> list[tuple[str, int, str]]:
    """(path, line, function), oldest call first, of the last stack in a dump: who leaves says it last and best."""
    stacks: list[list[tuple[str, int, str]]] = [[]]
    newest_first = [False]
    for line in dump.splitlines():
        header = _HEADER.search(line)
        if header is not None:
            stacks.append([])
            newest_first.append(header[1] == "first")
        match = _FRAME.match(line)
        if match is not None:
            stacks[-1].append((match["path"], int(match["line"]), match["name"]))
    for stack, backwards in zip(reversed(stacks), reversed(newest_first), strict=True):
        if stack:
            return stack[::-1] if backwards else stack
    return []


def _in_words(names: Names, path: str, line: int, name: str) -> str:
    text = linecache.getline(path, line).strip() if path in names.paths else ""
    return f"{short_path(names, path)}:{line} in {name}" + (f": {text}" if text else "")
