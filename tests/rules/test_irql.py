"""Levels and masks: the gate's one test, and what the reference pages write."""

from __future__ import annotations

import pytest

from emulator.rules import irql
from emulator.rules.irql import documented_mask, irql_name, is_legal, mask_name


def test_the_levels_of_amd64() -> None:
    assert (irql.PASSIVE_LEVEL, irql.APC_LEVEL, irql.DISPATCH_LEVEL, irql.HIGH_LEVEL) == (0, 1, 2, 15)
    assert irql.DISPATCH_LEVEL < irql.DIRQL < irql.CLOCK_LEVEL
    assert irql_name(irql.DIRQL) == "DIRQL", "5 is CMCI_LEVEL, so ours must be another"
    assert irql_name(5) == "CMCI_LEVEL"


@pytest.mark.parametrize(
    ("mask", "legal"),
    [
        (irql.AT_PASSIVE, {0}),
        (irql.AT_MOST_APC, {0, 1}),
        (irql.AT_MOST_DISPATCH, {0, 1, 2}),
        (irql.AT_DISPATCH, {2}),
        (irql.AT_DIRQL, {irql.DIRQL}),
        (irql.AT_MOST_DIRQL, set(range(irql.DIRQL + 1))),
        (irql.AT_PASSIVE_OR_HIGH, {0, 15}),
        (irql.ANY, set(range(16))),
    ],
)
def test_a_mask_is_one_bit_for_each_level(mask: int, legal: set[int]) -> None:
    assert {level for level in range(16) if 1 << level & mask} == legal
    assert {level for level in range(16) if is_legal(level, mask)} == legal


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("PASSIVE_LEVEL", irql.AT_PASSIVE),
        ("= PASSIVE_LEVEL", irql.AT_PASSIVE),
        ("Called at PASSIVE_LEVEL.", irql.AT_PASSIVE),
        ("<= DISPATCH_LEVEL", irql.AT_MOST_DISPATCH),
        ("IRQL <= DISPATCH_LEVEL", irql.AT_MOST_DISPATCH),
        ("<=DISPATCH_LEVEL", irql.AT_MOST_DISPATCH),
        ("< DISPATCH_LEVEL", irql.AT_MOST_APC),
        ("= DISPATCH_LEVEL", irql.AT_DISPATCH),
        ("<= DIRQL", irql.AT_MOST_DIRQL),
        ("Any level (see Remarks section)", irql.ANY),
        ("See Remarks section", None),
        ("", None),
    ],
)
def test_pages_are_understood_or_left_undecided(text: str, mask: int | None) -> None:
    assert documented_mask(text) == mask


def test_names() -> None:
    assert irql_name(2) == "DISPATCH_LEVEL"
    assert irql_name(9) == "IRQL 9"
    assert mask_name(irql.AT_MOST_DISPATCH) == "<= DISPATCH_LEVEL"
    assert mask_name(1 << 2 | 1 << 9) == "DISPATCH_LEVEL, IRQL 9"
    assert mask_name(0) == "no level"
