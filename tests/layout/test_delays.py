"""The histogram of delays: every delay has one bucket, and a percentile is as exact as its bucket is narrow."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from emulator.layout.delays import BUCKETS, DELAY_BUCKETS, UNIT_SHIFT, bucket_of, lower_edge, percentile


def test_buckets_follow_each_other_without_a_gap() -> None:
    edges = [lower_edge(bucket) for bucket in range(DELAY_BUCKETS + 1)]
    assert edges[0] == 0
    assert edges == sorted(set(edges))
    for bucket in range(DELAY_BUCKETS - 1):
        assert bucket_of(edges[bucket]) == bucket
        assert bucket_of(edges[bucket + 1] - 1) == bucket


def test_the_list_says_of_each_delay_what_is_reckoned() -> None:
    assert 100_000_000 < len(BUCKETS) << UNIT_SHIFT < 1_000_000_000
    for unit, bucket in enumerate(BUCKETS):
        assert bucket == bucket_of(unit << UNIT_SHIFT) == bucket_of((unit + 1 << UNIT_SHIFT) - 1)


def test_a_bucket_is_narrow() -> None:
    for bucket in range(1, DELAY_BUCKETS):
        width = lower_edge(bucket + 1) - lower_edge(bucket)
        assert width <= max(1024, lower_edge(bucket) // 4)


@pytest.mark.parametrize("nanoseconds", [-5, 0, 1 << 60])
def test_what_is_out_of_range_is_counted_at_the_ends(nanoseconds: int) -> None:
    assert bucket_of(nanoseconds) in (0, DELAY_BUCKETS - 1)


@pytest.mark.parametrize("percent", [1, 50, 90, 99, 100])
def test_a_percentile_is_that_of_the_delays_themselves(percent: int) -> None:
    numbers = random.Random(7)
    delays = sorted(int(numbers.lognormvariate(10, 1.2)) for _ in range(5000))
    exact = delays[max(0, len(delays) * percent // 100 - 1)]
    found = percentile(Counter(map(bucket_of, delays)), percent)
    assert abs(found - exact) <= max(1024, exact / 4)


def test_nothing_counted_has_no_percentile() -> None:
    assert percentile({}, 50) == 0
    assert percentile({3: 0}, 50) == 0
