"""A context acknowledges only what it has compiled, whenever the next change comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.kernel.platform import current
from emulator.ndis.adapter_hardware import interrupt_service
from emulator.ndis.buffers import publication
from emulator.ndis.data_path import stacks
from emulator.ndis.executive import Executive
from emulator.ndis.headers.status import NDIS_STATUS_PAUSED, NDIS_STATUS_SUCCESS
from emulator.rules.errors import BugCheck
from emulator.rules.states import AdapterState, BindingState
from tests.fake_platform import surface
from tests.ndis.small_stack import MINI, PROTO, SmallStack

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context

STEPS = [(interrupt_service, "compile_lines"), (stacks, "refresh"), (publication, "publish_all")]


def publish(stack: SmallStack, state: BindingState) -> int:
    """What the PnP thread does when it moves a binding: the state first, then the epoch."""
    stack.binding_records[0].state = state
    head = stack.fake.arena.machine
    head.epoch += 1
    return int(head.epoch)


def send(stack: SmallStack, pool: int) -> int:
    """Send a frame; the status that it comes back with."""
    nbl = stack.call(PROTO, stack.proto.allocate, pool, stack.mdl(driver=PROTO), 0, 60)
    nbl.SourceHandle = stack.binding
    nbl.Status = NDIS_STATUS_SUCCESS
    stack.call(PROTO, stack.proto.send, stack.binding, nbl)
    status: int = nbl.Status
    stack.call(PROTO, stack.proto.free, nbl)
    return status


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("module", "step"), STEPS, ids=[name for _, name in STEPS])
@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (BindingState.RESTARTING, BindingState.RUNNING, NDIS_STATUS_SUCCESS),
        (BindingState.PAUSING, BindingState.PAUSED, NDIS_STATUS_PAUSED),
    ],
    ids=["restarted", "paused"],
)
def test_a_change_in_the_middle_of_a_round_is_not_acknowledged_unseen(
    first: BindingState,
    second: BindingState,
    status: int,
    module: Any,
    step: str,
    after: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was, and the processor refused every frame of a binding that had been restarted until the next change."""
    stack = SmallStack()
    stack.mini.on_send = lambda context, nbl, port, flags: stack.mini.complete(stack.adapter, nbl)
    services, pool = Executive(), stack.pool(PROTO)
    step_itself: Callable[..., Any] = getattr(module, step)
    planted: list[int] = []

    def interrupted(context: Context, *arguments: Any) -> Any:
        if not planted and not after:
            planted.append(publish(stack, second))
        result = step_itself(context, *arguments)
        if not planted:
            planted.append(publish(stack, second))
        return result

    with stack.fake.dispatch() as processor:
        services.round(processor)
        publish(stack, first)
        monkeypatch.setattr(module, step, interrupted)
        services.round(processor)
        assert planted, f"{step} is no step of a round any more"
        assert processor.box.epoch < planted[0]
        services.round(processor)
        assert processor.box.epoch == planted[0]
        assert send(stack, pool) == status


def test_what_a_call_has_compiled_is_acknowledged_by_the_next_round_alone() -> None:
    """A handle that is not known yet compiles the stacks in the middle of a round; the lines are compiled after it."""
    stack = SmallStack()
    services = Executive()
    with stack.fake.dispatch() as processor:
        services.round(processor)
        assert not services.interrupts_pending(processor)
        before = processor.lines
        epoch = publish(stack, BindingState.PAUSING)
        stacks.refresh(processor)
        assert processor.box.epoch < epoch
        services.round(processor)
        assert processor.box.epoch == epoch
        services.interrupts_pending(processor)
        assert processor.lines is not before


def test_nobody_looks_at_what_a_failing_initialize_has_freed() -> None:
    stack = SmallStack()
    memory = stack.memory(64)
    stack.adapter_record.context = memory._pointer
    stack.adapter_record.state = AdapterState.INITIALIZING
    stack.call(MINI, surface(checked=True)["NdisFreeMemory"], memory, 0, 0)
    current.context.pointers.pop(stack.adapter_record.context, None)
    stack.changed()
    assert stacks.adapter_view(current.context, stack.adapter, "").context is None
    stack.adapter_record.state = AdapterState.PAUSED
    with pytest.raises(BugCheck):
        stack.changed()
