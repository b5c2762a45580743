"""Compare what the emulator declares about each function and callback with what Microsoft documents.

Law: the facts are a table (ddi_facts.tsv, from the reference pages and the headers); a declaration that differs from it
says in its `note` why, and a difference without one is a fault.  Run as ``python -m tools.check_ddi_facts``.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import emulator.ndis  # noqa: F401  (declares everything)
from emulator.ndis.gates.ddi import Caller, Declaration, declarations
from emulator.ndis.headers.callback_role import ROLES, Role
from emulator.rules.irql import documented_mask, mask_name
from emulator.rules.rules import rule_named

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE: Final = Path(__file__).with_name("ddi_facts.tsv")
UNDOCUMENTED_DIRECTION: Final = "?"
COVERED_PAGES: Final = ("nf-ndis-", "nf-nblapi-", "nf-mdlapi-")
"""The pages that the table covers whole; of the kernel's own functions it holds those that NDIS drivers meet most."""
_CALLERS: Final = {
    "all": Caller.ALL,
    "miniport": Caller.MINIPORT,
    "filter": Caller.FILTER,
    "protocol": Caller.PROTOCOL,
    "IM": Caller.INTERMEDIATE,
}


class FactParameter(NamedTuple):
    """A documented parameter; direction is "in", "out", "in, out", or "?" where the page has none."""

    name: str
    direction: str
    optional: bool


class Fact(NamedTuple):
    """What is documented about one function or callback."""

    name: str
    kind: str
    header: str
    irql: str
    header_irql: str
    callers: str
    rules: tuple[str, ...]
    since: str
    parameters: tuple[FactParameter, ...]
    page: str


class Mismatch(NamedTuple):
    """One difference between a declaration and the facts."""

    name: str
    what: str
    declared: str
    documented: str
    note: str

    def __str__(self) -> str:
        why = f" (note: {self.note})" if self.note else ""
        return f"{self.name}: {self.what}: declared {self.declared}, documented {self.documented}{why}"


def read_facts(path: Path = TABLE) -> dict[str, Fact]:
    """The table of facts, by name."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    facts = {}
    for row in rows:
        facts[row["name"]] = Fact(
            row["name"],
            row["kind"],
            row["header"],
            row["irql"],
            row["header_irql"],
            row["callers"],
            tuple(rule for rule in row["rules"].split(", ") if rule),
            row["since"],
            tuple(_parameter(text) for text in row["parameters"].split(";") if text),
            row["page"],
        )
    if len(facts) != len(rows):
        raise ValueError(f"{path}: a name stands there twice")
    return facts


def _parameter(text: str) -> FactParameter:
    name, _, direction = text.partition(" [")
    parts = [part.strip() for part in direction.rstrip("]").split(",")]
    return FactParameter(name, ", ".join(part for part in parts if part != "optional"), "optional" in parts)


def mismatches(facts: dict[str, Fact]) -> list[Mismatch]:
    """Every difference, those that a note explains included."""
    found: list[Mismatch] = []
    for declaration in declarations.values():
        found += _of_function(declaration, facts.get(declaration.name))
    for role in ROLES.values():
        found += _of_role(role, facts.get(role.name))
    return sorted(found)


def unexplained(facts: dict[str, Fact]) -> list[Mismatch]:
    """The differences that nothing explains."""
    return [found for found in mismatches(facts) if not found.note]


def _of_function(declaration: Declaration, fact: Fact | None) -> Iterator[Mismatch]:
    name, note = declaration.name, declaration.note
    if fact is None and not declaration.page.startswith(COVERED_PAGES):
        return
    if fact is None or fact.kind != "function":
        yield Mismatch(name, "facts", "yes", "nowhere in the table", note)
        return
    yield from _irql(name, declaration.irql, fact, note)
    callers = documented_callers(fact.callers)
    if callers is not None and _without_intermediate(declaration.callers) != _without_intermediate(callers):
        yield Mismatch(name, "callers", caller_names(declaration.callers), fact.callers, note)
    declared, documented = set(map(str.lower, declaration.rules)), set(map(str.lower, known_rules(fact)))
    if declared != documented:
        yield Mismatch(name, "rules", ", ".join(declaration.rules) or "none", ", ".join(known_rules(fact)), note)
    if fact.page and declaration.page != fact.page:
        yield Mismatch(name, "page", declaration.page, fact.page, note)
    yield from _parameters(declaration, fact)


def _irql(name: str, declared: int, fact: Fact, note: str) -> Iterator[Mismatch]:
    page, header = documented_mask(fact.irql), documented_mask(fact.header_irql)
    if page is None and header is None:
        if fact.irql:
            yield Mismatch(name, "IRQL", mask_name(declared), fact.irql, note)
    elif declared not in (page, header) or (page is not None and header is not None and page != header):
        documented = " / header: ".join(text for text in (fact.irql, fact.header_irql) if text)
        yield Mismatch(name, "IRQL", mask_name(declared), documented, note)


def _parameters(declaration: Declaration, fact: Fact) -> Iterator[Mismatch]:
    """An [out] parameter is returned, or stays where the driver gives the object that is written; all others stay."""
    stays = [parameter.name for parameter in fact.parameters if parameter.name in declaration.parameters]
    shown, told = ", ".join(declaration.parameters) or "none", fact_signature(fact)
    if list(declaration.parameters) != stays:
        yield Mismatch(declaration.name, "parameters", shown, told, declaration.note)
        return
    left_out = [parameter for parameter in fact.parameters if parameter.name not in stays]
    if any(
        "out" not in parameter.direction and parameter.direction != UNDOCUMENTED_DIRECTION for parameter in left_out
    ):
        yield Mismatch(declaration.name, "parameters", shown, told, declaration.note)
        return
    returned = _returned_names(declaration)
    missing = [parameter.name for parameter in left_out if parameter.name not in returned]
    if missing and (returned or len(left_out) > 1 or declaration.function.__annotations__["return"] == "None"):
        fields = ", ".join(returned) or "one value"
        yield Mismatch(declaration.name, "returned", fields, ", ".join(missing), declaration.note)


def _returned_names(declaration: Declaration) -> tuple[str, ...]:
    """Fields of the NamedTuple that a function returns; () for a single value."""
    annotation = declaration.function.__annotations__.get("return", "")
    result = vars(sys.modules[declaration.function.__module__]).get(annotation) if isinstance(annotation, str) else None
    return tuple(getattr(result, "_fields", ()))


def _of_role(role: Role, fact: Fact | None) -> Iterator[Mismatch]:
    name, note = role.name, role.note
    if fact is None or fact.kind != "callback":
        yield Mismatch(name, "facts", "yes", "nowhere in the table", note)
        return
    yield from _irql(name, role.irql, fact, note)
    declared = [(parameter.name, parameter.direction) for parameter in role.parameters]
    documented = [(parameter.name, parameter.direction) for parameter in fact.parameters]
    alike = len(declared) == len(documented) and all(
        one[0] == other[0] and other[1] in (one[1], UNDOCUMENTED_DIRECTION)
        for one, other in zip(declared, documented, strict=True)
    )
    if not alike:
        yield Mismatch(name, "parameters", _shown(declared), _shown(documented), note)
    if fact.page and role.page != fact.page:
        yield Mismatch(name, "page", role.page, fact.page, note)


def _shown(parameters: list[tuple[str, str]]) -> str:
    return ", ".join(f"{name} [{direction}]" for name, direction in parameters) or "none"


def fact_signature(fact: Fact) -> str:
    """The documented parameters in one line."""
    return _shown([(parameter.name, parameter.direction) for parameter in fact.parameters])


def known_rules(fact: Fact) -> tuple[str, ...]:
    """The rules of a page that the emulator has in its table; pages also list rules of other kinds of driver."""
    return tuple(rule for rule in fact.rules if rule_named(rule) is not None)


def documented_callers(text: str) -> Caller | None:
    """``miniport, IM`` as flags; None where the table is silent or speaks of something else than drivers."""
    callers = Caller(0)
    for word in text.split(", "):
        if word not in _CALLERS:
            return None
        callers |= _CALLERS[word]
    return callers


def _without_intermediate(callers: Caller) -> Caller:
    """An intermediate driver is a miniport and a protocol in one: it may call whatever either may."""
    either = callers & (Caller.MINIPORT | Caller.PROTOCOL)
    return callers & ~Caller.INTERMEDIATE if either else callers


def caller_names(callers: Caller) -> str:
    """Flags as the table writes them."""
    if callers == Caller.ALL:
        return "all"
    return ", ".join(word for word, caller in _CALLERS.items() if callers & caller and word != "all")


def main() -> int:
    """Print every unexplained difference; 1 if there is one."""
    facts = read_facts()
    wrong = unexplained(facts)
    for found in wrong:
        print(found)
    print(f"{len(declarations)} functions and {len(ROLES)} callbacks compared, {len(wrong)} differences unexplained")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
