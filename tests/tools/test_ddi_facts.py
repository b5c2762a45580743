"""Every declaration says what Microsoft documents, or says why not; and the check sees a wrong one."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.ndis.gates.ddi import ALL, FILTER, MINIPORT, Declaration, declarations
from emulator.ndis.headers.callback_role import ROLES, Role
from emulator.rules.irql import AT_DISPATCH, AT_MOST_DISPATCH, AT_PASSIVE
from tools.check_ddi_facts import Fact, mismatches, read_facts, unexplained

FACTS = read_facts()


def test_every_declaration_is_as_documented() -> None:
    assert [str(found) for found in unexplained(FACTS)] == []


def test_the_table_holds_what_the_emulator_promises_to_account_for() -> None:
    on_a_page = [fact for fact in FACTS.values() if fact.page]
    assert sum(fact.kind == "function" for fact in on_a_page) >= 386
    assert sum(fact.kind == "callback" for fact in on_a_page) >= 138


def test_every_row_of_the_table_can_be_read() -> None:
    for fact in FACTS.values():
        assert fact.kind in {"function", "callback"}
        assert {parameter.direction for parameter in fact.parameters} <= {"in", "out", "in, out", "?"}, fact.name
        assert all(parameter.name for parameter in fact.parameters), fact.name


def plant(monkeypatch: pytest.MonkeyPatch, name: str, **changes: Any) -> list[str]:
    """What the check says about a function once its declaration is changed."""
    declaration = declarations[name]
    monkeypatch.setitem(declarations, name, declaration._replace(**changes))
    return [found.what for found in unexplained(FACTS) if found.name == name]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"irql": AT_PASSIVE}, "IRQL"),
        ({"callers": ALL}, "callers"),
        ({"callers": MINIPORT}, "callers"),
        ({"rules": ()}, "rules"),
        ({"rules": ("Irql_Miscellaneous_Function", "SpinLock")}, "rules"),
        ({"page": "nf-ndis-somethingelse"}, "page"),
        ({"parameters": ("Routine", "NdisIoWorkItemHandle", "WorkItemContext")}, "parameters"),
        ({"parameters": ("NdisIoWorkItemHandle", "Routine")}, "parameters"),
        ({"parameters": ("NdisIoWorkItemHandle", "Routine", "Context")}, "parameters"),
    ],
)
def test_a_wrong_declaration_is_found(monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], what: str) -> None:
    assert declarations["NdisQueueIoWorkItem"].callers == MINIPORT | FILTER
    assert plant(monkeypatch, "NdisQueueIoWorkItem", **changes) == [what]


def test_an_out_parameter_must_be_returned_under_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def NdisOpenConfigurationEx(ConfigObject: Any, /) -> None:  # noqa: N802, N803
        del ConfigObject

    assert plant(monkeypatch, "NdisOpenConfigurationEx", function=NdisOpenConfigurationEx) == ["returned"]


def test_a_function_that_nobody_documents_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = declarations["NdisGetVersion"]
    invented = Declaration(*real)._replace(name="NdisInvented")
    monkeypatch.setitem(declarations, "NdisInvented", invented)
    assert "NdisInvented: facts: declared yes, documented nowhere in the table" in map(str, unexplained(FACTS))


def test_a_note_explains_and_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plant(monkeypatch, "NdisQueueIoWorkItem", irql=AT_PASSIVE, note="a reason") == []
    told = [str(found) for found in mismatches(FACTS) if found.name == "NdisQueueIoWorkItem"]
    assert len(told) == 1
    assert told[0].endswith("(note: a reason)")


def explained_twice() -> dict[str, set[str]]:
    """Declarations whose one note would have to explain differences of several kinds."""
    kinds: dict[str, set[str]] = {}
    for found in mismatches(FACTS):
        kinds.setdefault(found.name, set()).add(found.what)
    return {name: what for name, what in kinds.items() if len(what) > 1}


def test_a_note_is_no_excuse_for_a_difference_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    assert explained_twice() == {"NdisInitAnsiString": {"IRQL", "parameters"}}
    real = declarations["NdisCancelTimerObject"]
    assert real.note
    monkeypatch.setitem(declarations, real.name, real._replace(irql=AT_PASSIVE))
    assert explained_twice()[real.name] == {"rules", "IRQL"}


def test_where_page_and_header_differ_a_note_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    fact = FACTS["NdisQueueIoWorkItem"]
    facts: dict[str, Fact] = {**FACTS, fact.name: fact._replace(header_irql="PASSIVE_LEVEL")}
    assert [found.what for found in unexplained(facts) if found.name == fact.name] == ["IRQL"]


@pytest.mark.parametrize(
    ("parameters", "irql", "what"),
    [
        (
            "MiniportInterruptContext MiniportDpcContext ReceiveThrottleParameters NdisReserved2",
            AT_MOST_DISPATCH,
            "IRQL",
        ),
        (
            "MiniportDpcContext MiniportInterruptContext ReceiveThrottleParameters NdisReserved2",
            AT_DISPATCH,
            "parameters",
        ),
        ("MiniportInterruptContext MiniportDpcContext ReceiveThrottleParameters", AT_DISPATCH, "parameters"),
        (
            "MiniportInterruptContext MiniportDpcContext ReceiveThrottleParameters:out NdisReserved2",
            AT_DISPATCH,
            "parameters",
        ),
    ],
)
def test_a_wrong_role_is_found(monkeypatch: pytest.MonkeyPatch, parameters: str, irql: int, what: str) -> None:
    monkeypatch.setitem(ROLES, "MINIPORT_INTERRUPT_DPC", ROLES["MINIPORT_INTERRUPT_DPC"])
    Role("MINIPORT_INTERRUPT_DPC", "VOID", parameters, irql)
    assert [found.what for found in unexplained(FACTS) if found.name == "MINIPORT_INTERRUPT_DPC"] == [what]
