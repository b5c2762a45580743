"""DPCs of the kernel: queued once at a time, taken out again, run with what they were given."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.kernel.pointers import make_in_pool
from emulator.ndis import KDPC, NONPAGED
from emulator.ndis.deferred_work.kernel_dpcs import run_dpc
from emulator.rules.errors import BugCheck
from emulator.rules.irql import DIRQL
from tests.fake_platform import FakeMachine, driver_module, surface
from tests.ndis.ungated import ddi

SOURCE = """
    ran = []

    @KDEFERRED_ROUTINE
    def Deferred(Dpc, DeferredContext, SystemArgument1, SystemArgument2):
        ran.append((KeGetCurrentIrql(), NdisCurrentProcessorIndex(), DeferredContext, SystemArgument1, SystemArgument2))
        if SystemArgument1 == 3:
            KeInsertQueueDpc(Dpc, SystemArgument1 + 1, None)
"""


class HOLDER(NONPAGED):
    """What holds a DPC."""

    Dpc: KDPC


class Bench:
    """A machine of two processors with a driver and a DPC of its own."""

    def __init__(self) -> None:
        self.driver: Any = driver_module("dpcs", SOURCE, **surface(checked=True))
        self.fake = FakeMachine([self.driver], builtin_types=(HOLDER,), processors=2, pool_bytes=1 << 16)
        self.fake.services.on_deferred = lambda context, kind, target, argument: run_dpc(context, target, argument)
        for number in range(2):
            self.fake.processor(number)
        self.holder = make_in_pool(self.fake.processor(0), HOLDER)
        self.dpc = self.holder.Dpc
        ddi("KeInitializeDpc")(self.dpc, self.driver.Deferred, self.holder)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_it_runs_on_the_processor_that_queued_it(bench: Bench) -> None:
    for number in (1, 0):
        with bench.fake.running(bench.fake.processor(number), DIRQL):
            assert ddi("KeInsertQueueDpc")(bench.dpc, 7, bench.holder) is True
        bench.fake.run_until_idle()
    ran = [(irql, at, given._pointer, first, second._pointer) for irql, at, given, first, second in bench.driver.ran]
    word = bench.holder._pointer  # type: ignore[attr-defined]
    assert ran == [(2, number, word, 7, word) for number in (1, 0)]


def test_it_is_queued_once_at_a_time(bench: Bench) -> None:
    with bench.fake.running(bench.fake.processor(0)):
        assert ddi("KeInsertQueueDpc")(bench.dpc, 1, None) is True
        assert ddi("KeInsertQueueDpc")(bench.dpc, 2, None) is False
    bench.fake.run_until_idle()
    assert [found[3:] for found in bench.driver.ran] == [(1, None)]


def test_it_may_be_queued_again_by_its_own_routine(bench: Bench) -> None:
    with bench.fake.running(bench.fake.processor(0)):
        ddi("KeInsertQueueDpc")(bench.dpc, 3, None)
    bench.fake.run_until_idle()
    assert [found[3] for found in bench.driver.ran] == [3, 4]


def test_what_was_taken_out_does_not_run(bench: Bench) -> None:
    with bench.fake.running(bench.fake.processor(0)):
        ddi("KeInsertQueueDpc")(bench.dpc, 1, None)
        assert ddi("KeRemoveQueueDpc")(bench.dpc) is True
        assert ddi("KeRemoveQueueDpc")(bench.dpc) is False
    with bench.fake.running(bench.fake.processor(1)):
        ddi("KeInsertQueueDpc")(bench.dpc, 2, None)
    bench.fake.run_until_idle()
    assert [found[1:4:2] for found in bench.driver.ran] == [(1, 2)]


def test_a_routine_without_a_role_and_a_dpc_of_one_context_are_refused(bench: Bench) -> None:
    with pytest.raises(BugCheck):
        ddi("KeInitializeDpc")(bench.dpc, len, None)
    assert bench.fake.stop_report().name == "VNIC_UNKNOWN_ROUTINE"
    other = Bench()
    with pytest.raises(BugCheck):
        ddi("KeInitializeDpc")(KDPC(), other.driver.Deferred, None)
    assert other.fake.stop_report().name == "VNIC_PRIVATE_DATA"
