"""A histogram of delays that lives in shared memory: one for each context, written by it alone, summed by the reader.

Law: counting a delay is one look-up and one store; a percentile is off by no more than the width of its bucket, which
is a microsecond up to 131 microseconds and less than a quarter of the delay beyond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

UNIT_SHIFT = 10
"""The linear buckets are 1024 nanoseconds wide."""
LINEAR_BUCKETS = 128
DELAY_BUCKETS = 256
_FIRST_LENGTH = (LINEAR_BUCKETS << UNIT_SHIFT).bit_length()


def bucket_of(nanoseconds: int) -> int:
    """The bucket that counts a delay; the last one takes whatever is longer."""
    linear = nanoseconds >> UNIT_SHIFT
    if linear < LINEAR_BUCKETS:
        return max(linear, 0)
    length = nanoseconds.bit_length()
    quarter = nanoseconds >> length - 3 & 3
    return min(LINEAR_BUCKETS + ((length - _FIRST_LENGTH) << 2 | quarter), DELAY_BUCKETS - 1)


def lower_edge(bucket: int) -> int:
    """The shortest delay that a bucket counts, in nanoseconds; that of the next bucket is where it ends."""
    if bucket < LINEAR_BUCKETS:
        return bucket << UNIT_SHIFT
    octave, quarter = divmod(bucket - LINEAR_BUCKETS, 4)
    return (4 + quarter) << octave + _FIRST_LENGTH - 3


_LONGEST_LISTED = bucket_of(134_000_000)
BUCKETS = b"".join(
    bytes((bucket,)) * (lower_edge(bucket + 1) - lower_edge(bucket) >> UNIT_SHIFT) for bucket in range(_LONGEST_LISTED)
)
"""``bucket_of`` for delays up to a tenth of a second, by their units of 1024 nanoseconds."""


def percentile(counts: Mapping[int, int], percent: float) -> int:
    """The delay, in nanoseconds, that this many of a hundred do not exceed; 0 when nothing was counted."""
    wanted = sum(counts.values()) * percent / 100
    passed = 0
    for bucket in sorted(counts):
        count = counts[bucket]
        if count and passed + count >= wanted:
            start, end = lower_edge(bucket), lower_edge(bucket + 1)
            return start + int((end - start) * max(0.0, wanted - passed) / count)
        passed += count
    return 0
