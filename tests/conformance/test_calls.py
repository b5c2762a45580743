"""Every DDI function at every IRQL, by every kind of caller, with every kind of argument: legal, or a documented stop.

Law: generated from the declarations; a new one is covered the moment that it is declared. What a call does is other
tests' business: here nothing but a value or a stop may come of it, whatever a driver passes.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from emulator.kernel.stop import StopReport
from emulator.ndis.gates.ddi import Declaration, declarations, gate
from emulator.ndis.headers.status import NDIS_STATUS
from emulator.rules.bugchecks import BUG_CHECKS, describe, is_limit, limit_entry
from emulator.rules.irql import APC_LEVEL, DIRQL, DISPATCH_LEVEL, HIGH_LEVEL, PASSIVE_LEVEL, irql_name, is_legal
from emulator.rules.rules import rule_named
from tests.conformance.arguments import FREED, INVENTED, KINDS, NULL, OTHER_KIND, cases
from tests.conformance.ddi_gates import NAMES, OWN_STOP
from tests.conformance.world import CALLERS, Outcome, World
from tools.check_ddi_facts import COVERED_PAGES

LEVELS: Final = (PASSIVE_LEVEL, APC_LEVEL, DISPATCH_LEVEL, DIRQL, HIGH_LEVEL)
WRONG_HANDLE: Final = (OTHER_KIND, FREED, INVENTED, NULL)
INVALID_HEADER: Final = (0x7C, 0x21)
HANDLE_STOPS: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    "WorkItemHandle": ((0xE4, 0), (0xE4, 3)),
    "PIO_WORKITEM": ((0xE4, 0), (0xE4, 3)),
    "TimerHandle": ((0xC7, 0),),
    "BindContext": (INVALID_HEADER, (0x7C, 0x16)),
}
"""Stops for a wrong handle where they are not 0x7C/0x21: work_items.md sections 3 and 6, rules.md sections 3 and 4."""
ITEM_OWNER: Final = "DeviceHandle"
"""A parameter that takes this too is the owner of a work item: NdisAllocateIoWorkItem's page has 0xE4/3 for others."""
AN_EXCEPTION: Final = ((0x7E, 0xC0000005), (0xD1, 0))
"""What an exception in a function of ours becomes; a driver that catches it goes on."""
EMPTY_CHAIN: Final = ("NetBufferList", "NetBufferLists")
"""Where a chain of lists is expected NULL is an empty one."""


@pytest.fixture(scope="module")
def world() -> World:
    """The machine, put back before each call."""
    return World()


@pytest.mark.parametrize("name", NAMES)
def test_at_a_wrong_level_the_gate_is_first(world: World, name: str) -> None:
    declaration = declarations[name]
    function = gate(declaration)
    world.restore()
    for level in LEVELS:
        if is_legal(level, declaration.irql):
            continue
        for caller, number in CALLERS.items():
            outcome = world.attempt(level, number, function, [None] * len(declaration.parameters))
            report = outcome.report
            assert report is not None, f"{name} at {irql_name(level)} by a {caller}"
            assert (report.code, report.parameters[0]) == OWN_STOP.get(name, (0xC4, 0xE5))
            assert (report.irql, report.ddi) == (level, name)
            assert report.driver == world.modules[caller].__name__.rpartition(".")[2]
            world.forget_stop()


@pytest.mark.parametrize("name", NAMES)
def test_a_call_is_legal_or_a_documented_stop(world: World, name: str) -> None:
    declaration = declarations[name]
    function = gate(declaration)
    faults = []
    for level in LEVELS:
        if not is_legal(level, declaration.irql):
            continue
        for caller, number in CALLERS.items():
            right: Outcome | None = None
            for words, variants in cases(declaration):
                world.restore()
                outcome = world.attempt(level, number, function, variants)
                right = right or outcome
                fault = fault_of(declaration, outcome) or lenient(declaration, words, outcome, right)
                if fault is not None:
                    faults.append(f"{name} at {irql_name(level)} by a {caller}, {words}: {fault}")
    assert not faults, "\n".join(["", *faults])


def fault_of(declaration: Declaration, outcome: Outcome) -> str | None:
    """What is wrong with an outcome, whatever was passed; None for nothing."""
    if outcome.error is not None:
        return f"{type(outcome.error).__name__}: {outcome.error}"
    report = outcome.report
    if outcome.locks and (report is None or (report.code, report.parameters[0]) in AN_EXCEPTION):
        return f"locks {outcome.locks} are still held"
    if report is None:
        return None
    if report.family == "broken" or (report.code in (0x7E, 0x1E) and report.parameters[0] == 0xC0000144):
        return report.text
    entry = BUG_CHECKS.get(report.code)
    if not is_limit(report.code) and (
        entry is None or (entry.subcodes and entry.subcode(report.parameters[0]) is None)
    ):
        return f"0x{report.code:X}/0x{report.parameters[0]:X} is in no table"
    return fault_of_words(declaration, report)


def fault_of_words(declaration: Declaration, report: StopReport) -> str | None:
    """What is missing on the screen."""
    limit = limit_entry(report.code) if is_limit(report.code) else None
    if limit is not None and limit.limit.name != report.name:
        return f"{report.name} for {limit.limit.name}"
    if not describe(report.code, report.parameters).startswith(report.name):
        return f"{report.name} is described otherwise"
    if report.rule and rule_named(report.rule) is None and declaration.page.startswith(COVERED_PAGES):
        return f"there is no rule {report.rule}"
    if not report.text.endswith("."):
        return f"no sentence: {report.text!r}"
    if not report.traceback:
        return "no line of the driver"
    if report.ddi.partition(" with ")[0] != declaration.name:
        return f"the DDI is said to be {report.ddi!r}"
    return None


def lenient(declaration: Declaration, words: str, outcome: Outcome, right: Outcome) -> str | None:
    """Did a wrong handle, or a NULL that is not allowed, do as well as a right one?"""
    parameter, _, variant = words.partition(" ")
    if variant not in WRONG_HANDLE or same_stop(outcome, right):
        return None
    annotation = declaration.function.__annotations__[parameter]
    if variant == NULL and ("None" in annotation or annotation == "Any" or parameter in EMPTY_CHAIN):
        return None
    parts = annotation.removesuffix(" | None").split(" | ")
    is_handle = parts[0] in KINDS
    if variant in (OTHER_KIND, FREED, INVENTED) and not is_handle:
        return None
    report = outcome.report
    if report is None:
        return "it was accepted" if succeeded(declaration, outcome.result) else None
    if not is_handle:
        return None
    expected = {each for part in parts for each in HANDLE_STOPS.get(part, (INVALID_HEADER,))}
    if ITEM_OWNER in parts[1:]:
        expected = set(HANDLE_STOPS["WorkItemHandle"])
    if variant == NULL:
        expected.update(AN_EXCEPTION)
    if (report.code, report.parameters[0]) not in expected and not is_limit(report.code):
        return f"0x{report.code:X}/0x{report.parameters[0]:X} is no stop for a wrong handle: {report.text}"
    return None


def same_stop(one: Outcome, other: Outcome) -> bool:
    """Did both stop for the same?"""
    if one.report is None or other.report is None:
        return False
    return (one.report.code, one.report.parameters[0]) == (other.report.code, other.report.parameters[0])


def succeeded(declaration: Declaration, result: Any) -> bool:
    """Does the driver have to believe that its call was good?"""
    status = getattr(result, "Status", result)
    if isinstance(status, NDIS_STATUS):
        return status == 0
    return result is not None or declaration.function.__annotations__["return"] == "None"
