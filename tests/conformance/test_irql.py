"""Every DDI at every IRQL: legal where its page says so, and everywhere else the documented stop."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.kernel.sites import SITE_MASK
from emulator.ndis.gates.ddi import GateKind, declarations
from emulator.rules.errors import BugCheck
from emulator.rules.irql import irql_name, is_legal, mask_name
from emulator.rules.rules import rule_named
from tests.conformance.ddi_gates import LEVELS, NAMES, OWN_STOP, arguments_for, legal_levels, stubbed
from tests.fake_platform import FakeMachine
from tools.check_ddi_facts import COVERED_PAGES


@pytest.fixture(scope="module")
def fresh() -> list[FakeMachine]:
    """The machine that has not stopped yet, if there is one: making one costs more than a gate."""
    return []


def machine(fresh: list[FakeMachine]) -> FakeMachine:
    """A machine that has not stopped."""
    if not fresh or fresh[-1].stop_report() is not None:
        fresh.append(FakeMachine(pool_bytes=1 << 14, frame_slots=8, driver_locks=8))
    return fresh[-1]


@pytest.mark.parametrize("irql", LEVELS, ids=irql_name)
@pytest.mark.parametrize("name", [name for name in NAMES if declarations[name].gate is not GateKind.EDGE])
def test_a_call(fresh: list[FakeMachine], name: str, irql: int) -> None:
    """What hands chains on is asked for at a wrong level by test_calls.py: a stub has no edge."""
    declaration = declarations[name]
    calls: list[tuple[Any, ...]] = []
    call, arguments = stubbed(declaration, calls), arguments_for(declaration)
    fake = machine(fresh)
    with fake.running(fake.processor(), irql) as context:
        if is_legal(irql, legal_levels(declaration)):
            assert call(*arguments) == name
            assert calls == [tuple(arguments)]
            assert context.irql == irql
            assert fake.stop_report() is None
            return
        if declaration.gate is GateKind.LOCK:
            return  # the function itself looks, and its stop is seen where all functions are really called
        with pytest.raises(BugCheck):
            call(*arguments)
    assert calls == []
    report = fake.stop_report()
    assert (report.code, report.parameters[0]) == OWN_STOP.get(name, (0xC4, 0xE5))
    assert report.parameters[1] == report.irql == irql
    assert report.ddi == name
    assert name in report.text
    assert irql_name(irql) in report.text
    assert mask_name(declaration.irql) in report.text
    assert report.rule == next((rule for rule in declaration.rules if rule.startswith("Irql_")), "")


@pytest.mark.parametrize("name", NAMES)
def test_the_rules_of_a_declaration_have_a_line_in_the_table(name: str) -> None:
    declaration = declarations[name]
    if not declaration.page.startswith(COVERED_PAGES):
        return  # the kernel's own functions name rules of other drivers too, and the table holds those of NDIS
    assert [rule for rule in declaration.rules if rule_named(rule) is None] == []


@pytest.mark.parametrize(
    "name", [name for name in NAMES if declarations[name].gate in (GateKind.FULL, GateKind.INLINE, GateKind.LOCK)]
)
def test_every_call_leaves_its_number_and_line_in_the_black_box(fresh: list[FakeMachine], name: str) -> None:
    declaration = declarations[name]
    fake = machine(fresh)
    irql = next(level for level in LEVELS if is_legal(level, declaration.irql))
    with fake.running(fake.processor(), irql) as context:
        stubbed(declaration, [])(*arguments_for(declaration))
        assert (context.box.ddi, context.box.site >> 16) == (declaration.number, context.slot)
        assert context.box.site & SITE_MASK
        assert context.site == context.box.site or declaration.gate is GateKind.LOCK


def test_every_rule_that_is_enforced_by_the_gates_stands_in_a_declaration() -> None:
    from emulator.rules.rules import RULES, Enforced, Group

    declared = {rule.lower() for declaration in declarations.values() for rule in declaration.rules}
    claimed = [rule.name for rule in RULES if rule.group is Group.IRQL and rule.enforced is Enforced.YES]
    assert [name for name in claimed if name.lower() not in declared] == []
