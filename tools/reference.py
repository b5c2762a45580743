"""Generate the pages of docs/ that are made of tables: reference.md, coverage.md, control.md, rules.md, states.md.

Law: nothing is written here that a declaration, a role or a table of the rules does not say.  ``python -m
tools.reference`` writes the pages, ``--check`` says which of them are stale and how to mend it.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Final

import emulator.ndis.buffers.macros
from emulator.kernel.workqueue import SERVICE_ORDER
from emulator.ndis.absent import PARTIAL
from emulator.ndis.gates.ddi import declarations
from emulator.ndis.headers.callback_role import ROLES
from emulator.rules.irql import mask_name
from emulator.rules.rules import RULES, Enforced, Group, Rule, rule_named
from emulator.rules.states import ADAPTER, BINDING, FILTER, IDLE, Machine, legal_operations, mermaid
from emulator.rules.work_items import QUEUE_NAMES, WORKER_PRIORITY
from emulator.rules.worker_checks import WORKER_CHECKS
from tools import control_page, ddi_coverage
from tools.check_ddi_facts import Fact, caller_names, read_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from emulator.ndis.gates.ddi import Declaration
    from emulator.ndis.headers.callback_role import Role

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
MEND: Final = "python -m tools.reference"
MARK: Final = f"<!-- Made by `{MEND}` from the declarations and tables; changes belong there. -->"
_SITE: Final = "https://learn.microsoft.com/windows-hardware/drivers"


def page_link(page: str) -> str:
    """A page of Microsoft's reference as a link; what is no page stays a word."""
    match = re.match(r"n[cfs]-([a-z]+)-", page)
    if match is not None:
        return f"[{page}]({_SITE}/ddi/{match[1]}/{page})"
    return f"[{page}]({_SITE}/{page.removesuffix('.md')})" if page.endswith(".md") else page


def reference(facts: dict[str, Fact]) -> str:
    """docs/reference.md: every function, callback and macro that a driver can name."""
    text = [
        "# Reference",
        "",
        "The driver-facing surface as it is declared: `from emulator.ndis import *`. Parameters are positional. A",
        "function with out-parameters returns a tuple with Microsoft's names for its fields. What Microsoft documents",
        "and is not here stands in [coverage.md](coverage.md); the rules that the functions name stand in",
        "[rules.md](rules.md).",
        "",
        "## Functions",
        "",
    ]
    for name in sorted(declarations, key=str.lower):
        text += _function(declarations[name], facts.get(name))
    text += ["## Callbacks", "", "A driver declares a callback with its role as a decorator.", ""]
    for name in sorted(ROLES, key=str.lower):
        text += _role(ROLES[name])
    text += ["## Macros", "", "At any IRQL; each reads or writes a member and does nothing else.", ""]
    text += ["| macro | what it gives |", "|---|---|"]
    for name in sorted(emulator.ndis.buffers.macros.__all__, key=str.lower):
        macro = getattr(emulator.ndis.buffers.macros, name)
        if isinstance(macro, FunctionType):
            text.append(f"| `{name}{_signature(macro)}` | {_first_line(macro)} |")
    return _page(text)


def _function(declaration: Declaration, fact: Fact | None) -> list[str]:
    function = declaration.function
    text = [f"### {declaration.name}", "", "```python", f"{declaration.name}{_signature(function)}", "```", ""]
    text += [*_paragraphs(inspect.getdoc(function) or ""), ""]
    facts = [("IRQL", mask_name(declaration.irql)), ("callers", caller_names(declaration.callers))]
    fields = _fields(function)
    if fields:
        facts.append(("returns", ", ".join(f"`.{field}`" for field in fields)))
    facts += [
        ("rules", ", ".join(map(_rule_link, declaration.rules))),
        ("takes", declaration.acquires),
        ("gives back", declaration.releases),
        ("in part", PARTIAL.get(declaration.name, "")),
        ("since NDIS", fact.since if fact is not None and fact.since[:1].isdigit() else ""),
        ("page", page_link(declaration.page)),
        ("note", declaration.note),
    ]
    return [*text, *_facts(facts), ""]


def _rule_link(name: str) -> str:
    rule = rule_named(name)
    return f"[{name}](rules.md#{rule.name.lower()})" if rule is not None else name


def _role(role: Role) -> list[str]:
    taken = [parameter.name for parameter in role.parameters if parameter.direction != "out"]
    function = f"def {_example(role.name)}({', '.join(taken)}): ..."
    text = [f"### {role.name}", "", "```python", f"@{role.name}", function, "```", ""]
    facts = [
        ("IRQL", mask_name(role.irql)),
        ("returns", ", ".join(f"`{value}`" for value in role.returned)),
        ("may be NULL", ", ".join(f"`{parameter.name}`" for parameter in role.parameters if parameter.optional)),
        ("may pend", "yes" if role.may_pend else ""),
        ("statuses", ", ".join(str(status) for status in role.statuses)),
        ("given to NDIS in", ", ".join(f"`{field}`" for field in role.fields)),
        ("in part", PARTIAL.get(role.name, "")),
        ("page", page_link(role.page)),
        ("note", role.note),
    ]
    return [*text, *_facts(facts), ""]


def _example(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _facts(facts: Iterable[tuple[str, str]]) -> list[str]:
    return [f"- {word}: {value}" for word, value in facts if value]


def _paragraphs(text: str) -> list[str]:
    return [line.replace("``", "`") for line in text.splitlines()]


def _first_line(function: Callable[..., object]) -> str:
    return (inspect.getdoc(function) or "").replace("``", "`").replace("\n", " ")


def _signature(function: Callable[..., object]) -> str:
    signature = inspect.signature(function)
    shown = str(signature).replace("'", "")
    return (
        shown
        if len(shown) < 100
        else shown.replace("(", "(\n    ", 1).replace(", ", ",\n    ").replace(",\n    /)", ",\n    /,\n)")
    )


def _fields(function: Callable[..., object]) -> tuple[str, ...]:
    annotation = function.__annotations__.get("return", "")
    result = vars(sys.modules[function.__module__]).get(annotation) if isinstance(annotation, str) else None
    return tuple(getattr(result, "_fields", ()))


def rules() -> str:
    """docs/rules.md: Microsoft's named rules, and whether a run of this emulator shows a violation."""
    counts = {kind: sum(rule.enforced is kind for rule in RULES) for kind in Enforced}
    told = ", ".join(f"{counts[kind]} {word}" for kind, word in _HOW.items())
    text = [
        "# Rules",
        "",
        "The rules that Microsoft has named for NDIS drivers: those of Static Driver Verifier (DDI compliance), which",
        "Windows checks in source code, and those of Driver Verifier's NDIS/WIFI verification, which have a number",
        "(the first parameter of bug check 0xC4) and here and there a time.",
        f"Of the {len(RULES)} rules {told}.",
        "",
    ]
    users: dict[str, list[str]] = {}
    for name in sorted(declarations, key=str.lower):
        for named in declarations[name].rules:
            users.setdefault(named.lower(), []).append(name)
    for group in Group:
        members = [rule for rule in RULES if rule.group is group]
        text += [f"## {group.value[0].upper()}{group.value[1:]}", ""]
        for rule in members:
            text += _rule(rule, users.get(rule.name.lower(), []))
    return _page(text)


_HOW: Final = {Enforced.YES: "are enforced", Enforced.PARTLY: "are enforced in part", Enforced.NO: "are not enforced"}


def _rule(rule: Rule, functions: list[str]) -> list[str]:
    facts = [
        ("says", rule.checks),
        ("enforced", f"{rule.enforced.value}: {rule.where}"),
        ("number", f"0x{rule.identity:X}" if rule.identity is not None else ""),
        ("limit", _duration(rule.limit) if rule.limit is not None else ""),
        ("functions", ", ".join(f"[{name}](reference.md#{name.lower()})" for name in functions)),
        ("page", page_link(rule.source)),
    ]
    return [f"### {rule.name}", "", *_facts(facts), ""]


def _duration(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1e6:g} microseconds"


def states() -> str:
    """docs/states.md: the state machines, drawn from the table that the emulator runs on."""
    text = [
        "# States",
        "",
        "A pair of state and event without an arrow is illegal: the blank cells of Microsoft's tables are blank here.",
        "",
    ]
    for machine in (ADAPTER, FILTER, BINDING, IDLE):
        text += _machine(machine)
    return _page([*text, *_work_items()])


def _work_items() -> list[str]:
    """The worker queues in the order in which they are served, and every stop that work items know."""
    text = ["## Work items", "", "A free worker takes the head of the first queue in this list that is not empty.", ""]
    text += ["| queue | WORK_QUEUE_TYPE | priority of its threads on Windows |", "|---|---|---|"]
    text += [f"| {QUEUE_NAMES[number]} | {number} | {WORKER_PRIORITY[number]} |" for number in SERVICE_ORDER]
    text += ["", "| stop | when | here |", "|---|---|---|"]
    for check in WORKER_CHECKS:
        kind = "" if check.kind is None else f"/0x{check.kind:X}"
        here = f"cannot happen: {check.impossible}" if check.impossible else "stops"
        text.append(f"| 0x{check.code:X}{kind} | {check.text} | {here} |")
    return [*text, ""]


def _machine(machine: Machine) -> list[str]:  # type: ignore[type-arg]
    text = [f"## {machine.name[0].upper()}{machine.name[1:]}", "", "```mermaid", mermaid(machine).rstrip(), "```", ""]
    text += ["| state | event | next state | remark |", "|---|---|---|---|"]
    text += [
        f"| {_words(row.state.name)} | {_words(row.event.name)} | {_words(row.next.name)} | {row.note} |"
        for row in machine.transitions
    ]
    if machine.operations:
        text += ["", "| state | a driver may |", "|---|---|"]
        for state in machine.states:
            legal = ", ".join(_words(operation.name).lower() for operation in legal_operations(machine, state))
            text.append(f"| {_words(state.name)} | {legal or 'nothing of the following'} |")
        text += ["", "| operation | remark | source |", "|---|---|---|"]
        text += [
            f"| {_words(operation.name).lower()} | {legality.note} | {_sources(legality.source)} |"
            for operation, legality in machine.operations.items()
        ]
    if machine.offences:
        text += ["", "| event without a row | stop |", "|---|---|"]
        text += [
            f"| {_words(event.name)} | 0x{offence.code:X}/0x{offence.subcode:02X} |"
            for event, offence in machine.offences.items()
        ]
    return [*text, "", f"Source: {_sources(machine.source)}", ""]


def _sources(text: str) -> str:
    return "; ".join(page_link(part) for part in text.split("; "))


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _page(lines: list[str]) -> str:
    head, *rest = lines
    return "\n".join([head, "", MARK, *rest]).rstrip() + "\n"


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    facts = read_facts()
    coverage = ddi_coverage.render(facts).splitlines()
    return {
        "control.md": _page(control_page.lines()),
        "coverage.md": _page(coverage),
        "reference.md": reference(facts),
        "rules.md": rules(),
        "states.md": states(),
    }


def stale(folder: Path = DOCS) -> list[str]:
    """Names of the pages that are not what the tables say."""
    made = pages()
    return [
        name
        for name, text in made.items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str] | None = None, folder: Path = DOCS) -> int:
    """Write the pages, or look whether they are stale."""
    parser = argparse.ArgumentParser(prog="python -m tools.reference", description="The generated pages of docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when a page is stale")
    options = parser.parse_args(arguments)
    if options.check:
        old = stale(folder)
        for name in old:
            print(f"docs/{name} is stale; to mend it: {MEND}")
        return 1 if old else 0
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
