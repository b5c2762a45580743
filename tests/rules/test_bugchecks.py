"""The table of stops: every code is there, names are found, and our own limits never look like Windows."""

from __future__ import annotations

from pathlib import Path

import pytest

import emulator
from emulator.rules.bugchecks import (
    BUG_CHECKS,
    LIMITS,
    WATCHDOG_KINDS,
    NdisBugCheck,
    VnicLimit,
    bug_check_entry,
    bugcheck_name,
    describe,
    is_limit,
    stop_line,
)

ROOT = Path(emulator.__path__[0])
CODES = {
    0x0A, 0x1E, 0x44, 0x7C, 0x7E, 0x96, 0x9F, 0xB8, 0xC1, 0xC2, 0xC4, 0xC5, 0xC7, 0xC8, 0xC9, 0xCC, 0xCD, 0xCE, 0xD1,
    0xD2, 0xD5, 0xD6, 0xDF, 0xE1, 0xE4, 0xE9, 0xEA, 0x128, 0x129, 0x133, 0x139, 0x15B, 0x15E, 0x163, 0x19A, 0x1D2,
    0x1D6,
}  # fmt: skip


def test_every_code_of_the_dossier_has_one_line() -> None:
    assert set(BUG_CHECKS) == CODES
    names = [entry.name for entry in BUG_CHECKS.values()]
    assert len(set(names)) == len(names)


def test_every_line_has_a_meaning_and_a_source() -> None:
    for entry in BUG_CHECKS.values():
        assert entry.meaning, entry.name
        assert entry.source.startswith("debugger/"), entry.name


def test_the_subcodes_of_ndis_are_those_that_microsoft_publishes() -> None:
    entry = bug_check_entry(0x7C)
    assert entry is not None
    values = [line.value for line in entry.subcodes]
    assert values == [value for value in range(0x01, 0x28) if value not in (0x18, 0x19, 0x1A)]
    assert values == [int(value) for value in NdisBugCheck]


def test_the_watchdog_knows_fourteen_kinds() -> None:
    assert sorted(WATCHDOG_KINDS) == [1, 2, 3, 4, 0x11, 0x12, 0x13, 0x14, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26]


@pytest.mark.parametrize(
    ("code", "parameter", "words"),
    [
        (0xE4, 1, "an active work item was queued"),
        (0xE4, 2, "a queued I/O work item was freed"),
        (0x7C, 0x1F, "pause or restart was completed while none was pending"),
        (0xC4, 0x92003, "NdisTimedOidComplete"),
        (0xC4, 0x13, "block freed twice"),
        (0xC4, 0x10, "freed what was not allocated"),
        (0xC4, 0x1000, "a lock is acquired by its own holder"),
        (0xC4, 0x1002, "deadlock detection"),
        (0xC4, 0x55, "a write past the end"),
        (0xC2, 0x47, "no pool block"),
        (0xC2, 0x07, "already free"),
    ],
)
def test_the_narrowest_line_speaks_for_a_subcode(code: int, parameter: int, words: str) -> None:
    assert words in describe(code, (parameter, 0, 0, 0))


def test_a_description_names_each_parameter_that_means_something() -> None:
    text = describe(0xE1, (0x10, 2, 0x30, 0x40))
    assert text.splitlines() == [
        "WORKER_THREAD_RETURNED_AT_BAD_IRQL: a work item's routine returned at another IRQL than PASSIVE_LEVEL",
        "  parameter 1 = 0x0000000000000010  worker routine",
        "  parameter 2 = 0x0000000000000002  IRQL it returned at",
        "  parameter 3 = 0x0000000000000030  work item parameter",
        "  parameter 4 = 0x0000000000000040  work item",
    ]


def test_a_zero_that_is_documented_as_zero_is_not_shown() -> None:
    assert "parameter 3" not in describe(0x7C, (0x14, 2, 0, 0))


def test_an_unknown_code_is_said_to_be_unknown() -> None:
    assert bugcheck_name(0xDEAD) == "0x0000DEAD"
    assert "does not know" in describe(0xDEAD, (0, 0, 0, 0))


def test_an_unknown_subcode_falls_back_to_the_code() -> None:
    assert describe(0x7C, (0x19, 0, 0, 0)).startswith("BUGCODE_NDIS_DRIVER: NDIS found")


def test_our_choices_are_marked_as_ours() -> None:
    for code in (0x1E, 0x7E):
        entry = bug_check_entry(code)
        assert entry is not None
        assert entry.choice.startswith("ours")


def test_every_limit_says_what_windows_does_and_what_to_do() -> None:
    assert [entry.limit for entry in LIMITS] == list(VnicLimit)
    for entry in LIMITS:
        assert entry.limit.name.startswith("VNIC_")
        assert "Windows" in entry.on_windows
        assert entry.meaning
        assert entry.remedy


def test_every_limit_is_raised_somewhere() -> None:
    own = ROOT / "rules" / "limits.py"
    text = "".join(path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py") if path != own)
    assert [limit.name for limit in VnicLimit if f"VnicLimit.{limit.name}" not in text] == []


def test_a_limit_never_looks_like_a_bug_check_of_windows() -> None:
    for limit in VnicLimit:
        assert is_limit(limit)
        assert limit not in BUG_CHECKS
        assert "STOP:" not in stop_line(limit, (1, 2, 3, 4))
        assert limit.name in stop_line(limit, (1, 2, 3, 4))
    assert not any(is_limit(code) for code in BUG_CHECKS)
