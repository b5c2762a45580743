"""The named rules: each one once, with its number and limit, and a reason beside every answer."""

from __future__ import annotations

from collections import Counter

from emulator.rules.bugchecks import bug_check_entry
from emulator.rules.rules import BY_IDENTITY, RULES, Enforced, Group, rule_named

NUMBERED = {
    "NdisOidComplete": 0x91001,
    "NdisOidDoubleComplete": 0x91002,
    "NdisOidDoubleRequest": 0x9100E,
    "NdisTimedOidComplete": 0x92003,
    "NdisTimedDataSend": 0x9200D,
    "NdisTimedDataHang": 0x9200F,
    "NdisFilterTimedPauseComplete": 0x92010,
    "NdisFilterTimedDataSend": 0x92011,
    "NdisFilterTimedDataReceive": 0x92012,
    "WlanAssociation": 0x93004,
    "WlanConnectionRoaming": 0x93005,
    "WlanDisassociation": 0x93006,
    "WlanAssert": 0x93101,
    "WlanTimedAssociation": 0x94007,
    "WlanTimedConnectionRoaming": 0x94008,
    "WlanTimedConnectRequest": 0x94009,
    "WlanTimedLinkQuality": 0x9400B,
    "WlanTimedScan": 0x9400C,
}
LIMITS = {
    "NdisStallExecution_Delay": 50e-6,
    "NdisTimedOidComplete": 12,
    "NdisTimedDataSend": 30,
    "NdisTimedDataHang": 22,
    "NdisFilterTimedPauseComplete": 10,
    "WlanTimedAssociation": 10,
    "WlanTimedConnectionRoaming": 10,
    "WlanTimedConnectRequest": 10,
    "WlanTimedLinkQuality": 15,
    "WlanTimedScan": 15,
}


def test_every_rule_is_named_once() -> None:
    names = [rule.name.lower() for rule in RULES]
    assert len(set(names)) == len(names)


def test_microsofts_groups_are_complete() -> None:
    assert Counter(rule.group for rule in RULES) == {
        Group.DDI_USAGE: 6,
        Group.LOCKING: 5,
        Group.MEMORY: 8,
        Group.MISCELLANEOUS: 7,
        Group.OID: 4,
        Group.IRQL: 20,
        Group.VERIFIER: 18,
    }


def test_numbers_and_limits() -> None:
    assert {rule.name: rule.identity for rule in RULES if rule.identity is not None} == NUMBERED
    assert {rule.name: rule.limit for rule in RULES if rule.limit is not None} == LIMITS
    assert BY_IDENTITY[0x92003].name == "NdisTimedOidComplete"


def test_a_numbered_rule_is_a_subcode_of_the_verifier_under_the_same_name() -> None:
    verifier = bug_check_entry(0xC4)
    assert verifier is not None
    for rule in BY_IDENTITY.values():
        line = verifier.subcode(rule.identity or 0)
        assert line is not None
        assert line.name == rule.name


def test_every_answer_has_a_reason_and_a_source() -> None:
    for rule in RULES:
        assert rule.where, rule.name
        assert rule.checks, rule.name
        assert rule.source.startswith("devtest/"), rule.name


def test_the_locking_rules_are_enforced() -> None:
    assert {rule.enforced for rule in RULES if rule.group is Group.LOCKING} == {Enforced.YES}


def test_function_pages_write_a_name_in_other_case() -> None:
    rule = rule_named("SpinlockRelease")
    assert rule is not None
    assert rule.name == "SpinLockRelease"
    assert rule_named("NoSuchRule") is None
