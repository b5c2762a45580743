"""The performance counter, and how much of its time a DPC has left."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_platform import FakeMachine, driver_module, surface


@pytest.fixture
def driver() -> Any:
    source = """
    found = []

    @NDIS_TIMER_FUNCTION
    def Timer(first, context, second, third):
        found.append(KeQueryDpcWatchdogInformation())
    """
    return driver_module("clocks", source, **surface(checked=True))


def test_the_performance_counter_counts_what_it_says(driver: Any) -> None:
    fake = FakeMachine([driver])
    fake.passive_worker()
    first, frequency = driver.KeQueryPerformanceCounter()
    fake.platform.advance(3_000_000_000)
    second, again = driver.KeQueryPerformanceCounter()
    assert (second - first, again) == (3 * frequency, frequency)


def test_a_dpc_sees_its_time_run_out(driver: Any) -> None:
    fake = FakeMachine([driver])
    processor = fake.processor()
    fake.platform.tick = 1_000_000
    with fake.running(processor, 2):
        fake.services.timer(processor, driver.Timer.__ndis_routine__, 0)
    ((status, information),) = driver.found
    assert status == driver.STATUS_SUCCESS
    assert 0 < information.DpcTimeCount < information.DpcTimeLimit
    assert information.DpcWatchdogLimit == 0


def test_there_is_none_where_no_dpc_runs(driver: Any) -> None:
    fake = FakeMachine([driver])
    with fake.running(fake.passive_worker(), 2, driver=1):
        status, information = driver.KeQueryDpcWatchdogInformation()
    assert status == driver.STATUS_UNSUCCESSFUL
    assert information == (0, 0, 0, 0)
