"""A few shared words between the processes of one work-item run.

Law: each word has one writer, so no lock is needed and none is measured; the words are private to one run.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable
from typing import Final, NamedTuple

STOP: Final = 1  # written by the bench: queue no more
RAN: Final = 2  # callbacks that have run, written by the consumer every EVERY items and at its end
QUEUED: Final = 3  # items queued in all, written by the producer at its end
CONSUMER: Final = 4  # the consumer's process id
ENDED: Final = 5  # the consumer has run its last callback
SAMPLES: Final = 64  # from here on: queue-to-callback times in nanoseconds
CAPACITY: Final = 8192
EVERY: Final = 16
_POLL_SECONDS: Final = 0.0005


class Consumer(NamedTuple):
    """What the consuming process calls: once for each item, and once when no more comes."""

    callback: Callable[[bytes], None]
    end: Callable[[], None]


class Cells:
    """64-bit words in anonymous shared memory, inherited by fork."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, CAPACITY * 8)
        self.words = memoryview(self._memory).cast("Q")

    def close(self) -> None:
        """Give the memory back."""
        self.words.release()
        self._memory.close()

    def wait_for(self, index: int, least: int, seconds: float) -> bool:
        """Wait until a word has reached a value; False when the time is over."""
        deadline = time.monotonic() + seconds
        while self.words[index] < least:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True


def counting_callback(words: memoryview) -> Consumer:
    """Return the consumer of a saturated run: it counts."""
    ran = 0

    def callback(item: bytes) -> None:
        nonlocal ran
        ran += 1
        if not ran % EVERY:
            words[RAN] = ran

    def end() -> None:
        words[RAN] = ran
        words[ENDED] = 1

    return Consumer(callback, end)


def timing_callback(words: memoryview) -> Consumer:
    """Return the consumer of a lone run: it stores how long ago the item was queued."""
    ran = 0
    now = time.monotonic_ns
    limit = CAPACITY - SAMPLES

    def callback(item: bytes) -> None:
        nonlocal ran
        moment = now()
        if ran < limit:
            words[SAMPLES + ran] = moment - int.from_bytes(item[:8], "little")
        ran += 1
        words[RAN] = ran

    def end() -> None:
        words[ENDED] = 1

    return Consumer(callback, end)
