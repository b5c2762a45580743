"""A fault of ours that passes from one driver's handler into another's: whoever catches it is itself again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.kernel.calls import call
from emulator.kernel.irql import raise_irql
from emulator.kernel.platform import current
from emulator.layout.machine import ROUTINE_CELL
from emulator.rules.errors import BugCheck, EmulatorError, HostError
from emulator.rules.irql import DIRQL
from tests.fake_platform import FakeMachine, driver_module
from tests.ndis.small_stack import PROTO, SmallStack

if TYPE_CHECKING:
    from collections.abc import Callable

FAULTS = [EmulatorError("planted"), HostError("planted", "nothing")]


def state() -> tuple[int, ...]:
    """In whose name the context runs, as it knows it and as the black box says it."""
    context = current.context
    return context.driver, context.callback, context.nesting, context.irql, context.cells[ROUTINE_CELL]


def send_with(stack: SmallStack, on_send: Callable[..., None]) -> None:
    """Send a list to a miniport that does this, as the protocol."""
    nbl = stack.call(PROTO, stack.proto.allocate, stack.pool(PROTO), stack.mdl(), 0, 60)
    nbl.SourceHandle = stack.binding
    stack.mini.on_send = on_send
    stack.proto.send(stack.binding, nbl)


def failing(fault: Exception) -> Callable[..., None]:
    """A handler that this fault leaves."""

    def fail(*arguments: Any) -> None:
        raise fault

    return fail


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_a_driver_that_catches_our_fault_in_a_crossing_is_itself_again(fault: Exception) -> None:
    stack = SmallStack()
    with stack.fake.dispatch(driver=PROTO):
        before = state()
        with pytest.raises(type(fault)) as caught:
            send_with(stack, failing(fault))
        assert state() == before
        assert "It left mini!MPSendNetBufferLists." in caught.value.__notes__
        send_with(stack, lambda *arguments: None)
        assert state() == before
    assert len(stack.mini.sent) == 2
    assert stack.fake.stop_report() is None


def test_our_fault_stops_where_a_handler_was_cut_off_above_its_level() -> None:
    stack = SmallStack()

    def raise_and_fail(*arguments: Any) -> None:
        raise_irql(current.context, DIRQL)
        raise EmulatorError("planted")

    with stack.fake.dispatch(driver=PROTO) as context:
        with pytest.raises(BugCheck):
            send_with(stack, raise_and_fail)
        context.irql = 2
    report = stack.fake.stop_report()
    assert (report.name, report.family) == ("EMULATOR_ERROR", "broken")
    assert report.callback == "mini!MPSendNetBufferLists"


DRIVERS = """
    below = None
    seen = []

    @callback
    def Above():
        before = state()
        try:
            call(current.context, Below.__ndis_routine__)
        except Exception as error:
            seen.append((type(error).__name__, before == state()))

    @callback
    def Below():
        raise fault
"""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_a_driver_that_catches_our_fault_in_a_call_is_itself_again(fault: Exception) -> None:
    module = driver_module("both", DRIVERS, state=state, call=call, current=current, fault=fault)
    fake = FakeMachine([module])
    with fake.running(fake.pnp()) as context:
        call(context, module.Above.__ndis_routine__)
        assert (context.driver, context.callback, context.cells[ROUTINE_CELL]) == (0, 0, 0)
    assert module.seen == [(type(fault).__name__, True)]


def test_our_fault_in_the_outermost_call_leaves_the_black_box_for_the_screen() -> None:
    module = driver_module("both", DRIVERS, state=state, call=call, current=current, fault=EmulatorError("planted"))
    fake = FakeMachine([module])
    with fake.running(fake.pnp()) as context:
        with pytest.raises(EmulatorError):
            call(context, module.Below.__ndis_routine__)
        assert (context.driver, context.callback) == (1, module.Below.__ndis_routine__)
