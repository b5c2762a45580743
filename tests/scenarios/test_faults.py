"""Live machines on bad wires: exactly the frames that the seed says, and nothing outstanding when they are over."""

from __future__ import annotations

import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.patience import DEADLINE
from tests.scenarios.traffic import HELLO, MINIPORT, RESPONDER, echo, frame, free_buffers, settled, swapped
from vnic.wires.captures import IN, OUT, open_capture, read_capture
from vnic.wires.faults import DirectionFaults, Fates

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.testing import Lab

COUNT = 400


def test_exactly_the_predicted_frames_are_lost_each_way(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    nic = lab.start(MINIPORT, protocol=HELLO, faults="in.loss=0.05,out.loss=0.03,seed=7", capture=path)
    free = free_buffers(nic)
    for number in range(COUNT):
        nic.send(frame(nic, number))
    lost = Random("7/in/loss").random
    heard = [frame(nic, number) for number in range(COUNT) if lost() >= 0.05]
    lost = Random("7/out/loss").random
    answers = [swapped(data) for data in heard if lost() >= 0.03]
    assert [nic.receive_bytes() for _ in answers] == answers
    settled(nic, free)
    counted = nic.counters
    assert (counted["in_lost"], counted["out_lost"]) == (COUNT - len(heard), len(heard) - len(answers))
    assert (counted["received"], counted["sent"]) == (len(heard), len(heard))
    nic.machine.end()
    with open_capture(str(path)) as file:
        found = list(read_capture(file, str(path)))
    assert [record.frame for record in found if record.direction == IN] == heard
    assert [record.frame for record in found if record.direction == OUT] == [swapped(data) for data in heard]


def test_a_delay_keeps_nobody_else_waiting(lab: Lab) -> None:
    slow = lab.start(MINIPORT, protocol=HELLO, faults="in.delay=60s", name="slow")
    quick = lab.start(MINIPORT, protocol=HELLO, name="quick")
    slow.send(frame(slow, 1))
    slow.machine.wait(lambda now: now.adapters[0]["in_delayed"] == 1, "a frame under way")
    assert echo(quick, (frame(quick, number) for number in range(100)), window=4) == 100
    assert slow.poll() is None
    slow.machine.end()


def test_delays_both_ways_keep_order_and_lose_nothing(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, faults="delay=2ms,duplicate=0")
    free = free_buffers(nic)
    begun = time.monotonic()
    assert echo(nic, (frame(nic, number) for number in range(COUNT)), window=64) == COUNT
    assert time.monotonic() - begun >= 0.004 * COUNT / 64
    settled(nic, free)
    counted = nic.counters
    assert (counted["in_delayed"], counted["out_delayed"], counted["in_dropped"]) == (COUNT, COUNT, 0)


def test_corrupt_duplicate_and_reorder_as_the_seed_says(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, faults="out.duplicate=0.1,out.reorder=0.1,seed=3")
    fates = Fates(DirectionFaults(duplicate=0.1, reorder=0.1), 3, "out")
    expected: list[bytes] = []
    held: list[bytes] = []
    for number in range(COUNT):
        fate = next(fates)
        copies = [swapped(frame(nic, number))] * (1 + fate.duplicate)
        if fate.reorder:
            held += copies
        else:
            expected += [*copies, *held]
            held = []
    # One at a time, so that a held frame may also go by itself: then it is out of its place, and that is all.
    for number in range(COUNT):
        nic.send(frame(nic, number))
    found = [nic.receive_bytes() for _ in range(len(expected) + len(held))]
    assert sorted(found) == sorted(expected + held)
    nic.expect_silence(0.05)
    assert nic.counters["out_duplicated"] > 20
    assert nic.counters["out_reordered"] > 20


def test_corrupted_frames_are_dropped_by_who_looks(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, faults="out.corrupt=1,seed=5")
    nic.send(frame(nic, 1))
    got = nic.receive_bytes()
    wanted = swapped(frame(nic, 1))
    assert (int.from_bytes(got, "big") ^ int.from_bytes(wanted, "big")).bit_count() == 1


def test_pause_carrier_and_surprise_removal_with_frames_under_way(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, faults="delay=20ms~10ms,duplicate=0.5,reorder=0.5,seed=1")
    free = free_buffers(nic)
    for number in range(50):
        nic.send(frame(nic, number))
    nic.pause()
    nic.restart()
    for number in range(50):
        nic.send(frame(nic, number))
    nic.link(False)
    nic.wait_carrier(False)
    nic.link(True)
    nic.wait_carrier(True)
    settled(nic, free)
    for number in range(50):
        nic.send(frame(nic, number))
    assert nic.poll(DEADLINE) is not None
    nic.remove()
    assert lab.log.wait_for("was taken away")
    nic.machine.end()


@pytest.mark.tap
def test_the_kernel_s_ping_over_a_slow_wire(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=RESPONDER, wire="tap", faults="delay=5ms")
    result = nic.ping(count=5)
    assert result.clean, str(result)
    assert min(result.round_trips) >= 10_000_000


@pytest.mark.tap
def test_a_tap_deleted_with_frames_under_way(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    nic = lab.start(MINIPORT, protocol=HELLO, wire="tap", faults="delay=50ms", capture=path)
    for number in range(20):
        nic.send(frame(nic, number))
    nic.machine.wait(lambda now: now.adapters[0]["out_delayed"] >= 1, "answers under way")
    nic.remove()
    assert lab.log.wait_for("was taken away")
    nic.machine.end()
    with open_capture(str(path)) as file:
        found = list(read_capture(file, str(path)))
    assert any(record.direction == OUT for record in found)
