"""The macros that look at the flags of sends, completions, receives and returns."""

from __future__ import annotations

from typing import Any

import pytest

import emulator.ndis as surface

FLAG_MACROS = ["SEND", "SEND_COMPLETE", "RECEIVE", "RETURN"]


def macro(name: str) -> Any:
    return getattr(surface, name)


@pytest.mark.parametrize("path", FLAG_MACROS)
def test_all_the_bits_of_a_flag_are_wanted(path: str) -> None:
    test = macro(f"NDIS_TEST_{path}_FLAG")
    assert [test(flags, 6) for flags in (0, 2, 6, 7)] == [False, False, True, True]


@pytest.mark.parametrize("path", FLAG_MACROS)
def test_dispatch_level_is_told_by_its_own_flag(path: str) -> None:
    test, flag = macro(f"NDIS_TEST_{path}_AT_DISPATCH_LEVEL"), macro(f"NDIS_{path}_FLAGS_DISPATCH_LEVEL")
    assert [test(flags) for flags in (0, flag, flag | 6, 6)] == [False, True, True, False]


def test_what_is_lent_cannot_pend() -> None:
    lent = surface.NDIS_RECEIVE_FLAGS_RESOURCES
    assert [surface.NDIS_TEST_RECEIVE_CANNOT_PEND(flags) for flags in (0, lent, lent | 1)] == [False, True, True]
    assert [surface.NDIS_TEST_RECEIVE_CAN_PEND(flags) for flags in (0, lent, lent | 1)] == [True, False, False]


def test_a_macro_that_would_set_a_flag_says_how_python_does() -> None:
    assert "write Flags |= Flag" in repr(macro("NDIS_SET_RETURN_FLAG"))
