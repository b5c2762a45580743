"""The two builds: gates around every function in the checked one, none at all in the free one."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

import emulator.ndis as surface
from emulator.ndis.gates.ddi import GateKind, declarations, gate, install
from emulator.rules.errors import MachineStopped
from emulator.rules.irql import ANY
from tests.conformance.ddi_gates import LEVELS, NAMES, arguments_for, stubbed
from tests.fake_platform import FakeMachine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def surface_as_it_was() -> Iterator[None]:
    """Put back what the surface held, whichever build a test installs."""
    before = {name: getattr(surface, name) for name in NAMES}
    yield
    for name, function in before.items():
        setattr(surface, name, function)


def test_a_driver_sees_every_declared_function() -> None:
    assert [name for name in NAMES if name not in vars(surface)["__all__"]] == []


def test_the_free_build_has_no_gate() -> None:
    install(checked=False)
    assert [name for name in NAMES if getattr(surface, name) is not declarations[name].function] == []


def test_the_checked_build_has_a_gate_around_each_function() -> None:
    install(checked=True)
    for name in NAMES:
        function, declaration = getattr(surface, name), declarations[name]
        assert inspect.unwrap(function) is declaration.function
        # A gate that would look at nothing is none, and an edge has its own.
        looks_at_nothing = declaration.gate is GateKind.LEAF and declaration.irql == ANY
        assert (function is declaration.function) is (looks_at_nothing or declaration.gate is GateKind.EDGE)
        assert function.__name__ == name
        assert function.__doc__ == declarations[name].function.__doc__


def taken(function: Callable[..., Any]) -> list[tuple[str, object]]:
    """What a function takes, and how: a gate's own parameters, not those of what is behind it."""
    found = inspect.signature(function, follow_wrapped=False).parameters.values()
    return [(parameter.name, parameter.kind) for parameter in found]


@pytest.mark.parametrize("name", NAMES)
def test_a_gate_takes_what_the_function_takes(name: str) -> None:
    declaration = declarations[name]
    assert taken(gate(declaration)) == taken(declaration.function)


@pytest.mark.parametrize("name", NAMES)
def test_a_gate_takes_as_many_arguments_as_the_function(name: str) -> None:
    declaration = declarations[name]
    call = stubbed(declaration, [])
    if call.__code__.co_flags & 0x04:
        return  # any number of arguments
    fake = FakeMachine(pool_bytes=1 << 14)
    fake.processor()
    arguments = arguments_for(declaration)
    with pytest.raises(TypeError, match=name):
        call(*arguments, None)
    if arguments:
        with pytest.raises(TypeError, match=name):
            call(*arguments[1:])
        with pytest.raises(TypeError, match=name):
            call(**dict(zip(declaration.parameters, arguments, strict=True)))


def test_a_gate_leaves_a_machine_that_has_stopped() -> None:
    fake = FakeMachine(pool_bytes=1 << 14)
    fake.processor()
    fake.arena.machine.stop_word = 2
    calls: list[tuple[object, ...]] = []
    with pytest.raises(MachineStopped):
        stubbed(declarations["NdisGetVersion"], calls)()
    assert calls == []


@pytest.mark.parametrize("name", NAMES)
def test_a_simulated_free_build_switches_and_looks_at_nothing(name: str) -> None:
    fake = FakeMachine(checked=False, pool_bytes=1 << 14)
    declaration = declarations[name]
    calls: list[tuple[object, ...]] = []
    call = stubbed(declaration, calls, checked=False, switches=True)
    wrong = [level for level in LEVELS if not declaration.irql >> level & 1]
    with fake.running(fake.processor(), irql=wrong[0] if wrong else None) as processor:
        call(*arguments_for(declaration))
        assert processor.site == 0
    assert fake.platform.switches == [name]
    assert len(calls) == 1
    assert fake.stop_report() is None
