"""Names and words for every stop: the one place that turns a code and four parameters into text.

Law: looks up, formats and builds; raises nothing and stops nobody.
"""

from __future__ import annotations

from typing import Final

from emulator.rules.bugcheck_entries import GENERAL, BugCheckEntry, Subcode
from emulator.rules.bugcheck_ndis import BY_KIND, NDIS_AND_VERIFIER, WATCHDOG_KINDS, NdisBugCheck
from emulator.rules.errors import Parameters, first_line
from emulator.rules.limits import LIMITS, LimitEntry, VnicLimit, is_limit, limit_entry

__all__ = [
    "BUG_CHECKS",
    "LIMITS",
    "WATCHDOG_KINDS",
    "BugCheckEntry",
    "LimitEntry",
    "NdisBugCheck",
    "Subcode",
    "VnicLimit",
    "bug_check_entry",
    "bugcheck_name",
    "describe",
    "is_limit",
    "limit_entry",
    "stop_line",
]

BUG_CHECKS: Final[dict[int, BugCheckEntry]] = {
    entry.code: entry for entry in sorted((*GENERAL, *NDIS_AND_VERIFIER), key=lambda entry: entry.code)
}


def bug_check_entry(code: int) -> BugCheckEntry | None:
    """Return the table's line for a Windows code, or None where the table has none."""
    return BUG_CHECKS.get(code)


def bugcheck_name(code: int) -> str:
    """Return Microsoft's name of a code, our name of a limit, or the number where neither knows it."""
    entry = BUG_CHECKS.get(code)
    if entry is not None:
        return entry.name
    limit = limit_entry(code)
    return limit.limit.name if limit is not None else f"0x{code & 0xFFFFFFFF:08X}"


def stop_line(code: int, parameters: Parameters) -> str:
    """Return the first line of the stop screen: as on Windows, or visibly ours for a limit of the emulator."""
    if is_limit(code):
        return f"*** {bugcheck_name(code)} (a limit of the emulator)"
    return first_line(code, parameters)


def _parameter_lines(names: tuple[str, str, str, str], parameters: Parameters) -> list[str]:
    return [
        f"  parameter {number} = 0x{value & 0xFFFFFFFFFFFFFFFF:016X}  {name}"
        for number, (name, value) in enumerate(zip(names, parameters, strict=True), start=1)
        if name and (value or name not in ("0", BY_KIND))
    ]


def describe(code: int, parameters: Parameters) -> str:
    """Return name, meaning and the named parameters, one a line, without the first line of the stop screen."""
    limit = limit_entry(code)
    if limit is not None:
        head = [
            f"{limit.limit.name}: {limit.meaning}",
            f"  on Windows: {limit.on_windows}",
            f"  what to do: {limit.remedy}",
        ]
        return "\n".join(head + _parameter_lines((limit.p1, limit.p2, limit.p3, limit.p4), parameters))
    entry = BUG_CHECKS.get(code)
    if entry is None:
        return f"{bugcheck_name(code)}: a code that this emulator does not know"
    line = entry.subcode(parameters[0])
    if line is None:
        head = [f"{entry.name}: {entry.meaning}"]
        names = (entry.p1, entry.p2, entry.p3, entry.p4)
    else:
        title = f"{line.name}: {line.meaning}" if line.name else line.meaning
        head = [f"{entry.name}: {title}"]
        names = (entry.p1, line.p2 or entry.p2, line.p3 or entry.p3, line.p4 or entry.p4)
    if code == 0x7C and parameters[0] == NdisBugCheck.WATCHDOG:
        names = (names[0], f"kind: {WATCHDOG_KINDS.get(parameters[1], 'unknown')}", names[2], names[3])
    return "\n".join(head + _parameter_lines(names, parameters))
