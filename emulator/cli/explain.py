"""`ndisemu explain DDI`: what is declared about a function or a callback of NDIS, from the declarations themselves.

Law: nothing is said here that the run-time gate does not read from the same declaration.
"""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING, Final

from emulator.cli import streams
from emulator.rules.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse

    from emulator.ndis.gates.ddi import Declaration
    from emulator.ndis.headers.callback_role import Role

MICROSOFT: Final = "https://learn.microsoft.com/windows-hardware/drivers/ddi/"
_HEADERS: Final = ("ndis", "wdm", "ntddk", "ntifs", "nblaccessors", "ndischimney", "nbl", "nblapi")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this subcommand."""
    parser.add_argument("name", metavar="DDI", help="a function or callback: NdisQueueIoWorkItem, MINIPORT_HALT")


def run(options: argparse.Namespace) -> int:
    """Print what is declared; ConfigurationError for a name that the emulator does not have."""
    import emulator.ndis.loader  # noqa: F401 (imports every module that declares)
    from emulator.ndis.absent import ABSENT
    from emulator.ndis.gates.ddi import declarations
    from emulator.ndis.headers.callback_role import ROLES

    known = {name.lower(): name for name in (*declarations, *ROLES)}
    name = known.get(options.name.lower())
    if name is None:
        for family in ABSENT:
            if options.name.lower() in map(str.lower, family.names):
                raise ConfigurationError(f"{options.name} is absent ({family.title}), {family.why}: {family.reason}")
        close = difflib.get_close_matches(options.name.lower(), known, 3)
        hint = f"; did you mean {' or '.join(known[key] for key in close)}?" if close else ""
        raise ConfigurationError(f"{options.name}: the emulator has no such function or callback{hint}")
    lines = of_function(declarations[name]) if name in declarations else of_callback(ROLES[name])
    output = streams.standard_output()
    for line in lines:
        output.line(line)
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


def page_of(page: str) -> str:
    """The address of Microsoft's page where its folder can be told from the name."""
    header = page.split("-")[1] if page.count("-") > 1 else ""
    return f"{MICROSOFT}{header}/{page}" if header in _HEADERS else page
