"""`ndisemu explain NAME`: what is declared about a function, callback or structure of NDIS, an OID, a rule or a stop.

Law: nothing is said here that the run-time gate and the stop screen do not read from the same declaration or table.
"""

from __future__ import annotations

import difflib
import inspect
import re
from typing import TYPE_CHECKING, Final

from emulator.cli import explain_names, streams
from emulator.rules.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse

    from emulator.ndis.gates.ddi import Declaration
    from emulator.ndis.headers.callback_role import Role
    from emulator.rules.rules import Rule

DRIVERS: Final = "https://learn.microsoft.com/windows-hardware/drivers/"
_HEADERS: Final = ("ndis", "wdm", "ntddk", "ntifs", "nblaccessors", "ndischimney", "nbl", "nblapi", "mdlapi", "poll")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this subcommand."""
    parser.add_argument(
        "name",
        metavar="NAME",
        help="a function, callback, handler, structure, OID, status, rule or stop: NdisQueueIoWorkItem, MINIPORT_HALT, "
        "NDIS_OPEN_PARAMETERS, OID_GEN_RCV_OK, SpinLock, 0xC4/0x62; or what the adapter has: VnicReceive",
    )


def run(options: argparse.Namespace) -> int:
    """Print what is declared; ConfigurationError for a name that the emulator does not have."""
    import emulator.ndis.loader  # noqa: F401 (imports every module that declares)
    from emulator.ndis.absent import ABSENT
    from emulator.ndis.gates.ddi import declarations
    from emulator.ndis.headers.callback_role import ROLES
    from emulator.rules.rules import rule_named

    asked: str = options.name.lower()
    known = {name.lower(): name for name in (*declarations, *ROLES)}
    others = explain_names.names()
    name, rule = known.get(asked, ""), rule_named(asked)
    if name in declarations:
        lines = of_function(declarations[name])
    elif name:
        lines = of_callback(ROLES[name])
    else:
        lines = of_rule(rule) if rule is not None else of_handler(asked) or of_oid(asked) or of_stop(asked)
        lines = lines or explain_names.of_name(asked)
    if not lines:
        for family in ABSENT:
            if asked in map(str.lower, family.names):
                raise ConfigurationError(f"{options.name} is absent ({family.title}), {family.why}: {family.reason}")
        known |= others
        close = difflib.get_close_matches(asked, known, 3)
        hint = f"; did you mean {' or '.join(known[key] for key in close)}?" if close else ""
        raise ConfigurationError(
            f"{options.name}: the emulator has no such function, callback, structure, OID, status, rule or stop{hint}"
        )
    # One write: whoever reads the first line alone, as head does, has taken it all before going away.
    streams.standard_output().text("".join(f"{line}\n" for line in lines))
    return 0


def of_function(declaration: Declaration) -> list[str]:
    """A function's declaration in lines."""
    from emulator.ndis.gates.ddi import Caller
    from emulator.rules.irql import mask_name
    from emulator.rules.rules import rule_named

    function = declaration.function
    callers = [str(caller.name).lower() for caller in Caller if caller in declaration.callers]
    signature = str(inspect.signature(function)).replace("'", "")
    lines = [f"{declaration.name}{signature}", ""]
    lines += [f"  {line}".rstrip() for line in (inspect.getdoc(function) or "").splitlines()]
    lines += ["", f"  IRQL      {mask_name(declaration.irql)}", f"  callers   {', '.join(callers)}"]
    for what, value in (("acquires", declaration.acquires), ("releases", declaration.releases)):
        if value:
            lines.append(f"  {what}  {value}")
    for name in declaration.rules:
        rule = rule_named(name)
        lines.append(f"  rule      {name}" + (f": {rule.checks} (enforced: {rule.enforced})" if rule else ""))
    if declaration.note:
        lines.append(f"  note      {declaration.note}")
    return [*lines, f"  page      {page_of(declaration.page)}"]


def of_callback(role: Role) -> list[str]:
    """A callback's role in lines."""
    from emulator.rules.irql import mask_name

    lines = [role.signature(), "", f"  IRQL      {mask_name(role.irql)}"]
    if role.fields:
        lines.append(f"  set in    {', '.join(role.fields)}")
    if role.may_pend:
        lines.append("  returns   may return NDIS_STATUS_PENDING")
    if role.statuses:
        lines.append(f"  returns   {', '.join(str(status) for status in role.statuses)}")
    if role.note:
        lines.append(f"  note      {role.note}")
    return [*lines, f"  page      {page_of(role.page)}"]


def of_handler(field: str) -> list[str]:
    """What may be set in a member of characteristics, in lines; nothing for what is no such member."""
    from emulator.ndis.headers.callback_role import ROLES

    found = [role for role in ROLES.values() if any(place.lower().endswith(f".{field}") for place in role.fields)]
    return [line for role in found for line in (*of_callback(role), "")][:-1]


def of_rule(rule: Rule) -> list[str]:
    """A rule of Microsoft's in lines."""
    lines = [rule.name, "", f"  {rule.checks}", "", f"  enforced  {rule.enforced}: {rule.where}"]
    if rule.identity is not None:
        lines.append(f"  stop      0xC4/0x{rule.identity:X}")
    if rule.limit is not None:
        lines.append(f"  limit     {rule.limit:g} s")
    return [*lines, f"  page      {page_of(rule.source)}"]


def of_oid(name: str) -> list[str]:
    """An OID in lines; nothing for what is none."""
    from emulator.ndis.control_path.oid_table import DIRECT, MUST_SUCCEED, OIDS, By

    entry = next((entry for entry in OIDS if entry.name.lower() == name), None)
    if entry is None:
        return []
    lines = [f"{entry.name} 0x{entry.oid:08X}: {entry.buffer or 'a buffer that is not described here'}", ""]
    for kind, by in (("query", entry.query), ("set", entry.set), ("method", entry.method)):
        if by is not By.NOBODY:
            lines.append(f"  {kind:<8}  {'NDIS answers' if by is By.NDIS else 'the miniport answers'}")
    lines += [f"  needed    {entry.need}"] if entry.need != "NDIS" else []
    lines += [f"  bytes     {entry.size}"] if entry.size else []
    lines += [f"  note      {entry.note}"] if entry.note else []
    for oids, told in ((MUST_SUCCEED, "the miniport may not fail it"), (DIRECT, "direct requests may ask it")):
        lines += [f"  also      {told}"] if entry.oid in oids else []
    return [*lines, f"  page      {page_of(entry.source)}"]


def of_stop(text: str) -> list[str]:
    """A stop, by code or name, in lines, or one kind of it, as in `0xC4/0x62`; nothing for what is none."""
    from emulator.rules.bugchecks import BUG_CHECKS, LIMITS

    for limit in LIMITS:
        if limit.limit.name == text.upper():
            told = f"  on Windows: {limit.on_windows}", f"  what to do: {limit.remedy}"
            return [
                f"{limit.limit.name}: {limit.meaning}",
                "",
                *told,
                *_parameters(limit.p1, limit.p2, limit.p3, limit.p4),
            ]
    number = re.fullmatch(r"(?:0x)?([0-9a-f]+)(?:/(?:0x)?([0-9a-f]+))?", text, re.IGNORECASE)
    code = int(number[1], 16) if number is not None else -1
    entry = next((entry for entry in BUG_CHECKS.values() if entry.code == code or entry.name == text.upper()), None)
    if entry is None:
        return []
    lines = [f"0x{entry.code:X} {entry.name}: {entry.meaning}", ""]
    kind = int(number[2], 16) if number is not None and number[2] else None
    kinds = [line for line in entry.subcodes if kind is None or line.covers(kind)]
    if kind is None:
        lines += [
            *_parameters(entry.p1, entry.p2, entry.p3, entry.p4),
            *(f"  {entry.choice}" for _ in entry.choice[:1]),
        ]
    for line in kinds:
        last = f"..0x{line.last:X}" if line.last is not None else ""
        lines.append(f"  0x{line.value:X}{last}  {f'{line.name}: ' if line.name else ''}{line.meaning}")
        if kind is not None:
            lines += _parameters("", line.p2 or entry.p2, line.p3 or entry.p3, line.p4 or entry.p4)
    return [*lines, f"  page  {page_of(entry.source)}"]


def _parameters(*names: str) -> list[str]:
    return [f"  parameter {number}: {name}" for number, name in enumerate(names, 1) if name]


def page_of(page: str) -> str:
    """The address of Microsoft's page where its folder is said, or can be told from the name."""
    if "/" in page:
        return f"{DRIVERS}{page.removesuffix('.md')}"
    header = page.split("-")[1] if page.count("-") > 1 else ""
    return f"{DRIVERS}ddi/{header}/{page}" if header in _HEADERS else page
