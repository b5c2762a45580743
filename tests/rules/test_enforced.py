"""A rule that is said to be enforced is shown by a bad driver, or at every function of it by the gates' own tests."""

from __future__ import annotations

import pytest

from emulator.ndis.gates.ddi import declarations
from emulator.rules.rules import RULES, Enforced, Group, Rule
from tests.bad_drivers.rules import RULES as BAD

SHOWN_BY = {
    "Init_DeRegisterInterrupt": "interrupt_left_at_halt",
    "SpinLockBalanced": "spin_lock_released_twice",
    "SpinLockDprRelease": "spin_lock_dpr_recursive",
    "NdisMIndicateStatusEx": "status_after_halt",
    "NdisQueryBindInstanceName": "instance_name_left_at_unload",
    "DoubleCompleteWorkItem": "oid_completed_twice_by_work_item",
    "NdisAllocateMdl": "mdl_left_at_halt",
}
"""Bad drivers whose stop names a sister of the rule, or none."""


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.enforced is Enforced.YES], ids=lambda rule: rule.name)
def test_what_is_enforced_is_shown(rule: Rule) -> None:
    drivers = {row.driver for row in BAD if row.rule == rule.name}
    drivers |= {row.driver for row in BAD if row.driver == SHOWN_BY.get(rule.name)}
    # tests/conformance calls every function of these at every level.
    gated = rule.group is Group.IRQL and any(rule.name in declaration.rules for declaration in declarations.values())
    assert drivers or gated


def test_nothing_is_listed_for_nothing() -> None:
    enforced = {rule.name for rule in RULES if rule.enforced is Enforced.YES}
    assert SHOWN_BY.keys() <= enforced
