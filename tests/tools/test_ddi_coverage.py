"""Every documented name is accounted for, and the generated pages of docs/ say what the declarations say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import emulator.ndis as surface
from emulator.ndis.absent import ABSENT, PARTIAL, Why
from emulator.ndis.gates.ddi import declarations
from emulator.ndis.headers.callback_role import ROLES
from emulator.rules.rules import RULES
from emulator.rules.states import ADAPTER, AdapterState
from tools import ddi_coverage, reference
from tools.check_ddi_facts import read_facts
from tools.ddi_coverage import State

if TYPE_CHECKING:
    from pathlib import Path

FACTS = read_facts()
IN_HEADERS_ALONE = [
    "NDIS_CLEAR_SEND_FLAG",
    "NDIS_SET_RECEIVE_FLAG",
    "NDIS_SET_RETURN_FLAG",
    "NDIS_SET_SEND_COMPLETE_FLAG",
    "NDIS_SET_SEND_FLAG",
]
"""Macros of nblsend.h and nblreceive.h without a page."""


def test_every_documented_name_is_accounted_for() -> None:
    lines = ddi_coverage.coverage(FACTS)
    assert [line.name for line in lines if line.state is State.UNACCOUNTED] == []
    assert len(lines) == len(FACTS)


def test_nothing_undocumented_is_called_absent() -> None:
    assert [name for family in ABSENT for name in family.names if name not in FACTS] == IN_HEADERS_ALONE


def test_what_is_in_part_is_there() -> None:
    assert [name for name in PARTIAL if name not in declarations and name not in ROLES] == []


def test_the_command_prints_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert ddi_coverage.main(["--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert {"functions_done", "callbacks_done", "left_out", "mismatches"} <= set(numbers)
    assert numbers["mismatches"] == numbers["unaccounted"] == 0
    of_functions = [numbers[f"functions_{state}"] for state in ("done", "partial", "absent")]
    of_callbacks = [numbers[f"callbacks_{state}"] for state in ("done", "partial", "absent")]
    assert sum(of_functions) + sum(of_callbacks) == numbers["documented"] == len(FACTS)
    assert numbers["left_out"] + numbers["not_yet"] == of_functions[2] + of_callbacks[2]


def test_a_name_that_nobody_accounts_for_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(surface, "NdisCmActivateVc")
    monkeypatch.setattr(ddi_coverage, "absent_family", lambda name: None)
    line = ddi_coverage.line_of(FACTS["NdisCmActivateVc"])
    assert line.state is State.UNACCOUNTED
    assert ddi_coverage.main([]) == 1
    assert "unaccounted" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "state", "why"),
    [
        ("NdisQueueIoWorkItem", State.DONE, None),
        ("NdisFreeMemory", State.PARTIAL, None),
        ("PROTOCOL_CM_ADD_PARTY", State.ABSENT, Why.ON_PURPOSE),
        ("NdisScheduleWorkItem", State.ABSENT, Why.NDIS_5),
    ],
)
def test_a_name_is_in_its_state(name: str, state: State, why: Why | None) -> None:
    line = ddi_coverage.line_of(FACTS[name])
    assert (line.state, line.why) == (state, why)


def test_the_generated_pages_are_not_stale() -> None:
    assert reference.stale() == [], f"docs/ is stale; to mend it: {reference.MEND}"


def test_a_stale_page_is_named_with_what_mends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main([], tmp_path) == 0
    assert reference.main(["--check"], tmp_path) == 0
    (tmp_path / "rules.md").write_text("something else", encoding="utf-8")
    (tmp_path / "states.md").unlink()
    assert reference.main(["--check"], tmp_path) == 1
    told = capsys.readouterr().out.splitlines()
    assert told == [f"docs/{name} is stale; to mend it: {reference.MEND}" for name in ("rules.md", "states.md")]


def test_the_reference_has_every_function_and_callback() -> None:
    text = reference.reference(FACTS)
    assert [name for name in (*declarations, *ROLES) if f"\n### {name}\n" not in text] == []


def test_the_reference_says_of_a_function_what_its_declaration_says() -> None:
    text = reference.reference(FACTS)
    section = text.partition("\n### NdisAllocateIoWorkItem\n")[2].partition("\n### ")[0]
    for part in (
        "IRQL: <= DISPATCH_LEVEL",
        "callers: miniport, filter",
        "Init_NdisAllocateIoWorkItem",
        "takes: work item",
    ):
        assert part in section


def test_the_rules_page_has_every_rule_and_the_states_page_every_state() -> None:
    rules, states = reference.rules(), reference.states()
    assert [rule.name for rule in RULES if f"\n### {rule.name}\n" not in rules] == []
    assert states.count("```mermaid") == 4
    for state in AdapterState:
        assert state.name.capitalize() in states.replace("_", "")
    assert states.count("-->") >= len(ADAPTER.transitions)


@pytest.mark.parametrize(
    ("page", "link"),
    [
        ("nf-ndis-ndismsleep", "/ddi/ndis/nf-ndis-ndismsleep"),
        ("nf-nblapi-ndisfreenetbuffer", "/ddi/nblapi/nf-nblapi-ndisfreenetbuffer"),
        ("devtest/ndis-flags-irql.md", "/drivers/devtest/ndis-flags-irql)"),
        ("ndis.h", "ndis.h"),
    ],
)
def test_a_page_becomes_a_link(page: str, link: str) -> None:
    assert link in reference.page_link(page)
