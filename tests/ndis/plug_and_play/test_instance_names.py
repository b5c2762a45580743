"""Names of adapters by each handle that a driver may have, and timers that may be late."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.kernel import timers
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.ndis.headers.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from emulator.ndis.plug_and_play.bindings import WAITING
from emulator.rules.errors import BugCheck
from tests.fake_platform import FakeMachine
from tests.ndis.ungated import ddi

MILLISECOND = 1_000_000


@pytest.fixture
def fake() -> FakeMachine:
    made = FakeMachine(pool_bytes=1 << 14)
    made.processor()
    return made


def allocated(fake: FakeMachine, kind: HandleKind) -> tuple[int, Any]:
    made = fake.machine.objects[kind].allocate(kind, driver=0, parent=0, site=0)
    assert made is not None
    return made


def adapter(fake: FakeMachine) -> tuple[int, Any]:
    handle, record = allocated(fake, HandleKind.ADAPTER)
    record.name = b"adapter7".ljust(64, b"\0")
    return handle, record


def test_each_handle_leads_to_the_name(fake: FakeMachine) -> None:
    handle, record = adapter(fake)
    binding_handle, binding = allocated(fake, HandleKind.BINDING)
    binding.adapter = handle & INDEX_MASK
    record.operation = int(HandleKind.BIND_CONTEXT) << 56 | handle & INDEX_MASK
    record.completion = WAITING
    for name, given in (
        ("NdisMQueryAdapterInstanceName", handle),
        ("NdisQueryAdapterInstanceName", binding_handle),
        ("NdisQueryBindInstanceName", record.operation),
    ):
        status, text = ddi(name)(given)
        assert (status, str(text)) == (NDIS_STATUS_SUCCESS, "adapter7")
        ddi("NdisFreeMemory")(text.Buffer, 0, 0)
    assert fake.machine.pool.live() == []


def test_no_name_without_memory(fake: FakeMachine) -> None:
    handle, _ = adapter(fake)
    while fake.machine.pool.allocate(64, tag=1, type_number=0, site=0, driver=0, owner=0) is not None:
        pass
    assert ddi("NdisMQueryAdapterInstanceName")(handle) == (NDIS_STATUS_RESOURCES, None)


def test_a_bind_context_that_is_over(fake: FakeMachine) -> None:
    with pytest.raises(BugCheck):
        ddi("NdisQueryBindInstanceName")(int(HandleKind.BIND_CONTEXT) << 56)
    assert fake.stop_report().parameters[0] == 0x21


@pytest.mark.parametrize("tolerance", [0, 5])
def test_a_coalescable_timer_says_how_late_it_may_be(fake: FakeMachine, tolerance: int) -> None:
    handle, timer = allocated(fake, HandleKind.TIMER)
    timer.state, timer.running, timer.routine = timers.TimerState.IDLE, 0, 0
    begun = fake.platform.time
    assert ddi("NdisSetCoalescableTimerObject")(handle, -10_000, 0, None, tolerance) is False
    assert (timer.due - begun, timer.tolerance) == (MILLISECOND, tolerance * MILLISECOND)
    assert fake.arena.earliest[0] - begun == (1 + tolerance) * MILLISECOND
    assert ddi("NdisSetTimerObject")(handle, -20_000, 0, None) is True
    assert (timer.due - begun, timer.tolerance) == (2 * MILLISECOND, 0)
