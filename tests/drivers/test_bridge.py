"""bridge between adapters: what it learns, where it sends, what it forgets, and that everything comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emulator.ndis.plug_and_play import pnp
from emulator.simulated.machine import SimulatedMachine
from tests.drivers.rig import Rig, frame

if TYPE_CHECKING:
    from emulator.testing import Lab

EVERYBODY = b"\xff" * 6
LEFT, RIGHT, THIRD = (bytes((2, 0, 0, 0, 1, number)) for number in (1, 2, 3))
SECOND_NS = 1_000_000_000


def joined(adapters: int = 2, **options: object) -> Rig:
    made = Rig("netvmini", "bridge", adapters=adapters, **options)  # type: ignore[arg-type]
    for number in range(adapters):
        made.start(number)
    return made


@pytest.fixture
def rig() -> Rig:
    return joined()


def cross(rig: Rig, source: int, *frames: bytes) -> list[list[bytes]]:
    """Let frames arrive at one adapter; what every adapter sent meanwhile."""
    before = [len(nic.sent) for nic in rig.nics]
    rig.receive(*frames, number=source)
    return [nic.sent[start:] for nic, start in zip(rig.nics, before, strict=True)]


def test_a_frame_for_an_unknown_station_leaves_by_the_other_port_as_it_came(rig: Rig) -> None:
    sent = frame(RIGHT, LEFT, payload=b"hello", size=1514)
    assert cross(rig, 0, sent) == [[], [sent]]
    assert rig.outstanding(0) == rig.outstanding(1) == 0


def test_group_addresses_are_flooded_and_those_of_bridges_are_not(rig: Rig) -> None:
    group, pause = frame(b"\x33\x33\0\0\0\x01", LEFT), frame(b"\x01\x80\xc2\0\0\x01", LEFT)
    assert cross(rig, 0, frame(EVERYBODY, LEFT), pause, group) == [[], [frame(EVERYBODY, LEFT), group]]


def test_a_frame_for_a_station_of_the_same_side_does_not_cross(rig: Rig) -> None:
    cross(rig, 0, frame(EVERYBODY, LEFT))
    assert cross(rig, 0, frame(LEFT, THIRD)) == [[], []]
    assert cross(rig, 1, frame(LEFT, RIGHT)) == [[frame(LEFT, RIGHT)], []]


def test_a_station_that_moves_is_found_where_it_spoke_last(rig: Rig) -> None:
    cross(rig, 0, frame(EVERYBODY, LEFT))
    cross(rig, 1, frame(EVERYBODY, LEFT))
    assert cross(rig, 0, frame(LEFT, RIGHT)) == [[], [frame(LEFT, RIGHT)]]
    assert cross(rig, 1, frame(LEFT, THIRD)) == [[], []]


def test_three_ports_send_to_one_where_the_station_is_known_and_copies_to_all_where_not() -> None:
    rig = joined(3)
    assert cross(rig, 0, frame(RIGHT, LEFT)) == [[], [frame(RIGHT, LEFT)], [frame(RIGHT, LEFT)]]
    cross(rig, 1, frame(LEFT, RIGHT))
    assert cross(rig, 0, frame(RIGHT, LEFT)) == [[], [frame(RIGHT, LEFT)], []]
    for number in range(3):
        assert rig.outstanding(number) == 0
        rig.stop(number)


def test_a_silent_station_is_forgotten_after_the_ageing_time_and_a_talking_one_is_not() -> None:
    rig = joined(driver_registry={"AgeingTime": 10})
    cross(rig, 0, frame(EVERYBODY, LEFT))
    for _ in range(6):
        rig.fake.platform.advance(2 * SECOND_NS)
        cross(rig, 0, frame(EVERYBODY, THIRD))
    assert cross(rig, 0, frame(THIRD, RIGHT)) == [[], []]
    assert cross(rig, 0, frame(LEFT, RIGHT)) == [[], [frame(LEFT, RIGHT)]]
    rig.stop(0)
    assert "2 aged" in " ".join(rig.logs()) or "3 aged" in " ".join(rig.logs())


def test_a_hundred_frames_keep_their_order_when_buffers_run_short(rig: Rig) -> None:
    frames = [frame(RIGHT, LEFT, payload=number.to_bytes(4, "big")) for number in range(1000)]
    assert cross(rig, 0, *frames) == [[], frames]
    assert rig.outstanding(0) == rig.outstanding(1) == 0


@pytest.mark.parametrize("split", ["allowed", "anywhere"])
def test_frames_that_are_cut_cross_as_they_came(split: str) -> None:
    rig = joined(3, split_frames=split)
    frames = [frame(RIGHT, LEFT, payload=bytes(range(number, 200))) for number in range(40)]
    assert cross(rig, 0, *frames) == [[], frames, frames]
    cross(rig, 1, frame(LEFT, RIGHT))
    assert cross(rig, 0, *frames) == [[], frames, []]


def test_a_paused_port_gets_nothing_and_its_stations_are_learned_anew(rig: Rig) -> None:
    cross(rig, 1, frame(EVERYBODY, RIGHT))
    assert rig.control(pnp.pause, 1) == 0
    assert cross(rig, 0, frame(RIGHT, LEFT)) == [[], []]
    assert rig.control(pnp.restart, 1) == 0
    assert cross(rig, 0, frame(RIGHT, LEFT)) == [[], [frame(RIGHT, LEFT)]]


def test_a_pause_waits_for_what_still_leaves_by_the_other_port(rig: Rig) -> None:
    rig.nics[1].blocked = True
    frames = [frame(RIGHT, LEFT, payload=bytes((number,))) for number in range(40)]
    cross(rig, 0, *frames)
    assert rig.outstanding(0) == 40

    def open_again() -> None:
        rig.nics[1].blocked = False

    rig.before_sleep = open_again
    assert rig.control(pnp.pause, 0) == 0
    assert rig.nics[1].sent == frames
    rig.stop(1)
    rig.stop(0)


def test_one_port_alone_sends_nothing_back() -> None:
    rig = joined(1)
    assert cross(rig, 0, frame(RIGHT, LEFT)) == [[]]
    rig.stop(0)


@pytest.mark.parametrize("seed", range(3))
def test_simulated_processors_forward_both_ways_at_once(seed: int) -> None:
    machine = SimulatedMachine(
        drivers=["sample_drivers.netvmini", "sample_drivers.bridge"],
        adapters=2,
        processors=2,
        seed=seed,
        registry={"AgeingTime": 1},
        defines={"NIC_RECEIVE_BUFFERS": 32, "NIC_FEW_BUFFERS": 8, "BRIDGE_CARRIERS": 32},
    )
    machine.wait_running()
    assert machine.statuses == [0, 0]
    near, far = machine.cables
    there = [frame(RIGHT, LEFT, payload=bytes((number,))) for number in range(20)]
    back = [frame(LEFT, RIGHT, payload=bytes((number,))) for number in range(20)]
    for one, other in zip(there, back, strict=True):
        near.send(one)
        far.send(other)
        machine.run_for(100 * machine.choose(60))
    assert [far.receive(1.0) for _ in there] == there
    assert [near.receive(1.0) for _ in back] == back
    assert machine.control(2, 0) == 0
    machine.close()


def test_live_ports_forward_a_flood_both_ways(lab: Lab) -> None:
    lab.start("netvmini", protocol="bridge", adapters=2, processors=2)
    near, far = lab.machines[0].nics
    there = [frame(RIGHT, LEFT, payload=number.to_bytes(4, "big")) for number in range(300)]
    back = [frame(LEFT, RIGHT, payload=number.to_bytes(4, "big")) for number in range(300)]
    near.send(frame(EVERYBODY, LEFT))
    assert far.poll(20.0) == frame(EVERYBODY, LEFT)
    for one, other in zip(there, back, strict=True):
        near.send(one)
        far.send(other)
    assert [far.poll(20.0) for _ in there] == there
    assert [near.poll(20.0) for _ in back] == back
    near.pause()
    near.restart()
    near.send(frame(RIGHT, LEFT))
    assert far.poll(20.0) == frame(RIGHT, LEFT)
