"""The DDI calls of one context, kept by number in shared memory, so that a live machine can be compared with another.

Law: one writer; the count is stored after the number, so a reader sees whole entries even of a killed context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def call_recorder(words: memoryview) -> Callable[[int], None]:
    """A function that adds a DDI's number to a buffer of 32-bit words, whose first is the count.

    Calls beyond the buffer's end are counted and not kept.
    """
    end = len(words)

    def record(number: int) -> None:
        count = words[0] + 1
        if count < end:
            words[count] = number
        words[0] = count

    return record


def recorded_calls(words: memoryview) -> tuple[list[int], int]:
    """(numbers in order, how many were not kept) of a buffer; believes nothing that cannot be."""
    count = words[0]
    kept = min(count, len(words) - 1)
    return words[1 : kept + 1].tolist(), count - kept


def ignore(number: int) -> None:
    """What a context calls when nobody wants to know."""
