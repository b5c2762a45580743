"""What of the documented DDI is there: done, partial or absent, and why; docs/coverage.md is made of it.

Law: every documented name is accounted for exactly once, from what the package holds and not from a list of our own.
Run as ``python -m tools.ddi_coverage``, with ``--json`` for programs.
"""

from __future__ import annotations

import argparse
import json
from enum import StrEnum
from typing import Final, NamedTuple

import emulator.ndis as surface
from emulator.ndis.absent import ABSENT, PARTIAL, Absent, Why, absent_family
from emulator.ndis.gates.ddi import declarations
from emulator.ndis.headers.callback_role import ROLES
from emulator.rules.irql import mask_name
from tools.check_ddi_facts import Fact, caller_names, mismatches, read_facts, unexplained


class State(StrEnum):
    """How much of a documented name is there."""

    DONE = "done"
    PARTIAL = "partial"
    ABSENT = "absent"
    UNACCOUNTED = "unaccounted"


class Line(NamedTuple):
    """One documented name: its state, what is missing, and why it is absent."""

    name: str
    kind: str
    state: State
    remark: str
    why: Why | None
    fact: Fact


KINDS: Final = {"function": "functions", "callback": "callbacks"}


def line_of(fact: Fact) -> Line:
    """The state of one documented name."""
    value = getattr(surface, fact.name, None)
    if value is None or isinstance(value, Absent):
        family = absent_family(fact.name)
        if family is None:
            return Line(fact.name, fact.kind, State.UNACCOUNTED, "nobody has said why", None, fact)
        return Line(fact.name, fact.kind, State.ABSENT, family.title, family.why, fact)
    remark = PARTIAL.get(fact.name, "")
    return Line(fact.name, fact.kind, State.PARTIAL if remark else State.DONE, remark, None, fact)


def coverage(facts: dict[str, Fact]) -> list[Line]:
    """The state of every documented name, by kind and name."""
    return sorted((line_of(fact) for fact in facts.values()), key=lambda line: (line.kind, line.name.lower()))


def beyond(facts: dict[str, Fact]) -> list[str]:
    """What the emulator has beside the documented names of the table: functions and roles of the kernel."""
    return sorted(name for name in (*declarations, *ROLES) if name not in facts)


def count(lines: list[Line], kind: str, state: State) -> int:
    """How many names of a kind are in a state."""
    return sum(line.kind == kind and line.state is state for line in lines)


def summary(facts: dict[str, Fact]) -> dict[str, int]:
    """The numbers; partial names do not count as done."""
    lines = coverage(facts)
    numbers = {
        f"{word}_{state}": count(lines, kind, state)
        for kind, word in KINDS.items()
        for state in (State.DONE, State.PARTIAL, State.ABSENT)
    }
    numbers["left_out"] = sum(line.why in (Why.ON_PURPOSE, Why.NDIS_5) for line in lines)
    numbers["not_yet"] = sum(line.why is Why.NOT_YET for line in lines)
    numbers["unaccounted"] = sum(line.state is State.UNACCOUNTED for line in lines)
    numbers["documented"] = len(lines)
    numbers["mismatches"] = len(unexplained(facts))
    numbers["explained_differences"] = len(mismatches(facts)) - numbers["mismatches"]
    return numbers


def render(facts: dict[str, Fact]) -> str:
    """docs/coverage.md."""
    lines = coverage(facts)
    numbers = summary(facts)
    text = [
        "# Coverage of the DDI",
        "",
        f"Microsoft documents {numbers['documented']} functions and callbacks that an NDIS driver meets; each of them",
        "stands here once. A name that is absent exists all the same: a driver that calls it, or decorates with it, is",
        "stopped by `VNIC_NOT_IMPLEMENTED` with the name, the driver and the line (a call of NDIS 5 by 0x7C/0x15, as",
        "on Windows).",
        "",
        "| | done | partial | absent |",
        "|---|---|---|---|",
    ]
    for kind, word in KINDS.items():
        cells = [str(count(lines, kind, state)) for state in (State.DONE, State.PARTIAL, State.ABSENT)]
        text.append(f"| {word} | {' | '.join(cells)} |")
    text += ["", f"Of those absent {numbers['left_out']} are left out on purpose or belong to NDIS 5, and", ""]
    text[-2] += f" {numbers['not_yet']} are to come."
    text += ["## Partial", "", "| name | what is there, or is not |", "|---|---|"]
    text += [f"| {_link(line)} | {line.remark} |" for line in lines if line.state is State.PARTIAL]
    for kind, word in KINDS.items():
        text += [
            "",
            f"## Done: {word}",
            "",
            "| name | at | by |" if kind == "function" else "| name | at | in |",
            "|---|---|---|",
        ]
        text += [_done(line) for line in lines if line.kind == kind and line.state is State.DONE]
    more = beyond(facts)
    text += [
        "",
        "## Beside the table",
        "",
        "Functions and callbacks of the kernel that drivers use, and names of our own build:",
        "",
    ]
    text.append(", ".join(f"[{name}](reference.md#{name.lower()})" for name in more))
    text += ["", "## Absent", ""]
    for family in ABSENT:
        text += [f"### {family.title}: {family.why}", "", f"{family.reason[0].upper()}{family.reason[1:]}.", ""]
        text += [", ".join(f"`{name}`" for name in family.names), ""]
    missing = [line.name for line in lines if line.state is State.UNACCOUNTED]
    if missing:
        text += ["### Unaccounted", "", ", ".join(f"`{name}`" for name in missing), ""]
    return "\n".join(text).rstrip() + "\n"


def _done(line: Line) -> str:
    declaration, role = declarations.get(line.name), ROLES.get(line.name)
    if declaration is not None:
        return f"| {_link(line)} | {mask_name(declaration.irql)} | {caller_names(declaration.callers)} |"
    if role is not None:
        places = ", ".join(field.partition(".")[0] for field in role.fields)
        return f"| {_link(line)} | {mask_name(role.irql)} | {places or 'an argument'} |"
    return f"| {_link(line)} | any level | all |"


def _link(line: Line) -> str:
    known = line.name in declarations or line.name in ROLES
    return f"[{line.name}](reference.md#{line.name.lower()})" if known else f"`{line.name}`"


def main(arguments: list[str] | None = None) -> int:
    """Print the numbers."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.ddi_coverage", description="What of the documented DDI is there."
    )
    parser.add_argument("--json", action="store_true", help="one object for programs")
    options = parser.parse_args(arguments)
    numbers = summary(read_facts())
    if options.json:
        print(json.dumps(numbers))
    else:
        for name, number in numbers.items():
            print(f"{name.replace('_', ' '):24}{number:5}")
    return 1 if numbers["unaccounted"] or numbers["mismatches"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
