"""The trace, its hash, the calls of each context and the watch for lost updates."""

from __future__ import annotations

import pytest

from emulator.trace import (
    Event,
    EventKind,
    Place,
    Trace,
    UpdateWatch,
    call_recorder,
    first_difference,
    recorded_calls,
)

WORDS = 64
EVENTS = [(100, 4, EventKind.CALL, "NdisFreeMemory", 0), (110, 5, EventKind.READ, "ADAPTER.Frames", 0x1000)]


def filled(count: int = 1, kept: int | None = None) -> Trace:
    trace = Trace(kept)
    for _ in range(count):
        for event in EVENTS:
            trace.record(*event)
    return trace


def test_the_hash_is_of_the_events_and_their_order() -> None:
    assert filled().digest == filled().digest
    other = Trace()
    for event in reversed(EVENTS):
        other.record(*event)
    assert other.digest != filled().digest


def test_the_hash_is_known() -> None:
    # Fixed: it must not depend on the process, the interpreter or the version of anything.
    assert filled().digest == "bffffa4039355008ecebb13354aae9bd"


def test_the_hash_covers_what_is_no_longer_kept() -> None:
    short, long = filled(3000, kept=10), filled(3000)
    assert short.digest == long.digest
    assert (short.length, long.length) == (6000, 6000)
    assert len(short.events()) == 10
    assert len(long.events()) == 6000


def test_looking_at_the_hash_changes_nothing() -> None:
    trace = Trace()
    for event in EVENTS:
        trace.record(*event)
        assert trace.digest
    assert trace.digest == filled().digest


def test_a_closed_trace_hears_nothing() -> None:
    trace = filled()
    trace.close()
    trace.record(*EVENTS[0])
    assert trace.digest == filled().digest


def test_events_and_calls_are_found_by_kind_and_slot() -> None:
    trace = filled(2)
    assert trace.ddi_calls(4) == ["NdisFreeMemory"] * 2
    assert trace.ddi_calls(5) == []
    assert trace.events(EventKind.READ, slot=5)[0] == Event(110, 5, EventKind.READ, "ADAPTER.Frames", 0x1000)
    assert trace.events(EventKind.READ, slot=4) == []
    assert trace.tail(1) == ["         110 slot 5  read        ADAPTER.Frames 0x1000"]


@pytest.mark.parametrize(
    ("left", "right", "found"),
    [
        ("abc", "abc", ""),
        ("abc", "axc", "at 1: b against x (after a)"),
        ("ab", "abc", "at 2: c against the end (2 against 3)"),
        ("", "", ""),
    ],
)
def test_where_two_sequences_part(left: str, right: str, found: str) -> None:
    assert first_difference(left, right) == found


def test_calls_in_shared_memory_are_bounded_and_counted() -> None:
    words = memoryview(bytearray(4 * WORDS)).cast("I")
    record = call_recorder(words)
    assert recorded_calls(words) == ([], 0)
    for number in (5, 6, 5):
        record(number)
    assert recorded_calls(words) == ([5, 6, 5], 0)
    for _ in range(WORDS - 1):
        record(9)
    numbers, dropped = recorded_calls(words)
    assert (len(numbers), dropped) == (WORDS - 1, 3)


def test_a_damaged_count_reads_no_further_than_the_buffer() -> None:
    words = memoryview(bytearray(4 * WORDS)).cast("I")
    words[0] = 0xFFFF_FFFF
    assert len(recorded_calls(words)[0]) == WORDS - 1


def here() -> Place:
    return Place(here.__code__, 0)


def test_a_lost_update_is_read_foreign_write_write() -> None:
    watch = UpdateWatch()
    watch.read(8, 4, 1, here())
    assert watch.write(8, 5, 1, here(), "T.F", 10) is None
    lost = watch.write(8, 4, 1, here(), "T.F", 20)
    assert lost is not None
    assert (lost.reader, lost.writer, lost.field) == (4, 5, "T.F")
    assert "slot 4 read it at test_trace.py:" in str(lost)
    assert watch.lost == [lost]


def test_what_is_no_lost_update() -> None:
    watch = UpdateWatch()
    watch.write(8, 5, 1, here(), "T.F", 1)
    watch.read(8, 4, 1, here())
    assert watch.write(8, 4, 1, here(), "T.F", 2) is None  # nobody wrote between
    watch.read(8, 4, 1, here())
    watch.write(8, 5, 1, here(), "T.F", 3)
    assert watch.write(8, 4, 2, here(), "T.F", 4) is None  # another callback: not made from that read
    watch.write(8, 5, 1, here(), "T.F", 5)
    assert watch.write(8, 4, 1, here(), "T.F", 6) is None  # written without having been read
    watch.read(8, 4, 1, here())
    watch.write(16, 5, 1, here(), "T.G", 7)
    assert watch.write(8, 4, 1, here(), "T.F", 8) is None  # another field
    assert watch.lost == []


def test_memory_that_is_given_out_anew_is_forgotten() -> None:
    watch = UpdateWatch()
    watch.read(8, 4, 1, here())
    watch.write(8, 5, 1, here(), "T.F", 10)
    watch.forget(0, 64)
    assert watch.write(8, 4, 1, here(), "T.F", 20) is None
