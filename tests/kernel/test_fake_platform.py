"""The machine of the unit tests runs what the kernel's loops run, and says so where a context would block."""

from __future__ import annotations

import pytest

from emulator.kernel.irql import raise_irql
from emulator.kernel.platform import current
from emulator.kernel.waits import sleep_until
from emulator.layout.machine import SystemLock
from emulator.rules.errors import BugCheck
from tests.fake_platform import FakeMachine, WouldBlock, driver_module

SOURCE = """
    ran = []

    @callback
    def WorkItem(context, handle):
        ran.append(context)
        fail()
"""


def test_a_context_that_sleeps_alone_is_told_so() -> None:
    fake = FakeMachine()
    context = fake.passive_worker()
    with pytest.raises(WouldBlock, match="passive worker 0"):
        sleep_until(context, lambda: False)
    assert not sleep_until(context, lambda: False, fake.platform.time + 500)


def test_two_contexts_do_not_hold_one_lock() -> None:
    fake = FakeMachine(processors=2)
    with fake.dispatch(0), fake.running(fake.processor(1)):
        current.context.processor_lock = fake.processor(0).processor_lock
        with pytest.raises(WouldBlock, match="which slot 4 holds"):
            raise_irql(current.context, 2)
    assert not fake.platform.owners


def test_a_sleeper_lets_others_run_in_a_cooperative_machine() -> None:
    driver = driver_module("drv", SOURCE, fail=lambda: None)
    fake = FakeMachine([driver], cooperative=True)
    fake.passive_worker()
    with fake.running(fake.pnp()) as context:
        from emulator.kernel.workqueue import WorkItemState
        from emulator.layout.handles import HandleKind

        made = fake.machine.objects[HandleKind.WORK_ITEM].allocate(HandleKind.WORK_ITEM, driver=1, parent=0, site=0)
        assert made is not None
        handle, item = made
        item.state = WorkItemState.IDLE
        fake.machine.queues[0].put(context, handle, driver.WorkItem.__ndis_routine__, 7, 0)
        assert sleep_until(context, lambda: bool(driver.ran))
    assert driver.ran == [7]


def test_a_stop_in_a_callback_names_the_drivers_line() -> None:
    def fail() -> None:
        raise ValueError("planted")

    driver = driver_module("drv", SOURCE, fail=fail)
    fake = FakeMachine([driver])
    from emulator.kernel.calls import call

    with fake.dispatch() as context, pytest.raises(BugCheck):
        call(context, driver.WorkItem.__ndis_routine__, 1, 2)
    report = fake.stop_report()
    assert report.code == 0x1E
    assert report.driver == "drv"
    assert report.traceback[-1] == "<driver drv>:7 in WorkItem: fail()"
    assert fake.platform.owners == {SystemLock.PROCESSOR: fake.processor().slot}
