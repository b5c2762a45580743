"""The generated tests can fail: a function is planted with each kind of fault, and the fault is named."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from emulator.kernel.platform import current
from emulator.kernel.stop import stop
from emulator.layout.machine import SystemLock
from emulator.ndis.gates.ddi import Declaration, declarations
from emulator.rules.errors import EmulatorError
from tests.conformance.arguments import NoFactory, cases, variants
from tests.conformance.test_calls import fault_of, lenient
from tests.conformance.world import CALLERS, World

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "NdisFreeTimerObject"


@pytest.fixture(scope="module")
def world() -> World:
    """The machine."""
    return World()


def faults(world: World, function: Callable[..., Any]) -> set[str]:
    """What is found wrong when this stands in for NdisFreeTimerObject."""
    function.__name__ = NAME
    function.__code__ = function.__code__.replace(co_name=NAME)
    declaration: Declaration = declarations[NAME]
    found = set()
    right = None
    for words, values in cases(declaration):
        world.restore()
        outcome = world.attempt(0, CALLERS["miniport"], function, values)
        right = right or outcome
        found.add(fault_of(declaration, outcome) or lenient(declaration, words, outcome, right) or "")
    return found - {""}


def test_an_exception_of_ours(world: World) -> None:
    def broken(TimerObject: int) -> None:
        [][TimerObject or 0]

    found = faults(world, broken)
    assert any("could do nothing with what it was given: IndexError" in fault for fault in found)
    assert any("test_faults_are_found.py" in fault for fault in found)


def test_an_error_of_ours(world: World) -> None:
    def broken(TimerObject: int) -> None:
        raise EmulatorError("planted")

    assert faults(world, broken) == {"EmulatorError: planted"}


def test_a_lock_of_ours_that_stays(world: World) -> None:
    def holds(TimerObject: int) -> None:
        current.context.platform.acquire(SystemLock.TIMERS)

    assert any("are still held" in fault for fault in faults(world, holds))


def test_a_wrong_handle_that_is_taken(world: World) -> None:
    def takes(TimerObject: int) -> None:
        pass

    assert faults(world, takes) == {"it was accepted"}


def test_a_stop_that_is_no_stop_for_a_handle(world: World) -> None:
    def refuses(TimerObject: int) -> None:
        kind = (TimerObject or 0) >> 56
        stop(0xC4, 0x1002 if kind == 0x32 else 0x40, text="It was refused.")

    assert any("is no stop for a wrong handle: It was refused." in fault for fault in faults(world, refuses))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"code": 0x7C, "parameter1": 0x99, "text": "It was."}, "0x7C/0x99 is in no table"),
        ({"code": 0x7C, "parameter1": 0x21, "text": "no sentence"}, "no sentence: 'no sentence'"),
        ({"code": 0x7C, "parameter1": 0x21, "text": "It was.", "rule": "Nobodys"}, "there is no rule Nobodys"),
        ({"code": 0x7C, "parameter1": 0x21, "text": "It was.", "ddi": "Other"}, "the DDI is said to be 'Other'"),
        ({"code": 0x7C, "parameter1": 0x21, "text": "It was.", "frames": []}, "no line of the driver"),
        ({"code": 0x7C, "parameter1": 0x21, "text": "It was.", "name": "OTHER"}, "OTHER is described otherwise"),
    ],
)
def test_a_screen_that_lacks_something(world: World, values: dict[str, Any], words: str) -> None:
    def stops(TimerObject: int) -> None:
        stop(**values)

    assert words in faults(world, stops)


def test_a_parameter_that_nobody_can_make() -> None:
    parameter = inspect.Parameter("Thing", inspect.Parameter.POSITIONAL_ONLY, annotation="NDIS_UNHEARD_OF")
    with pytest.raises(NoFactory, match=r"Thing is a NDIS_UNHEARD_OF, and tests/conformance/arguments.py has no"):
        variants(parameter)
