"""Frames by the million through one machine: nothing is lost, nothing stays outstanding, and nothing grows.

Law: a run is bounded by its number of frames, never by the clock. `make soak` runs half an hour's worth at 100,000 a
second (NDIS_SOAK_FRAMES is another number); `make test` runs a sample. After each piece the machine comes to rest and
is looked at; what became of the frames is counted as the benchmarks count it, and printed.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from tests.scenarios.networks import ADDRESSES, Networks, inside
from tests.scenarios.traffic import free_buffers, settled
from tests.scenarios.upkeep import KIB, KIB_MORE, Growth, Upkeep, growths, told
from tools.bench.compiler import compiled
from tools.bench.echo import REST_US, WIDE
from tools.bench.generator import Generator, Load, faults_of
from tools.bench.stream import Ends, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from emulator.testing import Lab
    from emulator.testing.machine import LabMachine
    from tests.scenarios.upkeep import Look
    from tools.bench.generator import Clocked

FRAMES: Final = int(os.environ.get("NDIS_SOAK_FRAMES", "180_000_000"))
BRIDGED: Final = FRAMES // 6
"""How many of them go through the bridge, which takes longer for each."""
PIECES: Final = 100
SAMPLE_FRAMES: Final = 24_000
SAMPLE_PIECES: Final = 5
FLOOD: Final = Load(size=64, window=WIDE, seconds=0.0, rest_us=REST_US)
CONNECTION_SECONDS: Final = 2.0
ONE_REORDERED_IN: Final = 100_000
"""A kernel that moves the host to another core may let a frame overtake another; a driver would do so all the time."""
LONGEST: Final = 4 * 3600


def endure(machine: LabMachine, frames: int, pieces: int, piece: Callable[[int], int]) -> list[Look]:
    """Move frames piece by piece, until they are as many; what was seen after each, and printed."""
    looks: list[Look] = []
    moved = 0
    with Upkeep(machine) as upkeep:
        while moved < frames or len(looks) < pieces:
            moved += piece(max(1, frames // pieces))
            looks.append(upkeep.look())
    print(f"\n{moved:,} frames in {len(looks)} pieces; after the first piece, the first quarter and the last piece:")
    print(told(looks))
    assert growths(looks) == []
    return looks


def echo(lab: Lab, frames: int, pieces: int) -> list[Look]:
    """The generator's frames through netvmini, ndislwf and hello and back, counted by the adapter."""
    nic = lab.start("netvmini", filters="ndislwf", protocol="hello", wire="tap")
    buffers = max(free_buffers(nic) for _ in range(20))
    runs: list[Clocked] = []
    with compiled("gen") as programs:
        generator = Generator(programs)

        def piece(count: int) -> int:
            before = nic.counters
            with inside(nic):
                clocked = generator.run(nic.interface, nic.mac, FLOOD, count=count)
            settled(nic, buffers)
            seen = {name: value - before[name] for name, value in nic.counters.items()}
            # The generator gives up a frame that a busy computer answers late; the adapter's counters know it.
            assert seen["received"] == seen["sent"] == clocked.sent, (seen, clocked)
            lost = {name: count for name, count in seen.items() if name.endswith(("_discards", "_errors")) and count}
            assert not lost
            assert not clocked.corrupt
            runs.append(clocked)
            return clocked.sent

        looks = endure(nic.machine, frames, pieces, piece)
    faults = faults_of(runs)
    print(f"  {counted(faults)}")
    assert faults["reordered"] <= 1 + sum(one.sent for one in runs) // ONE_REORDERED_IN
    return looks


def counted(faults: Mapping[str, int]) -> str:
    """What became of the frames, in a line."""
    return "of all frames: " + ", ".join(f"{fault} {count:,}" for fault, count in faults.items())


def bridge(lab: Lab, frames: int, pieces: int, seconds: float) -> list[Look]:
    """TCP from one network to another through two adapters, a filter each and the bridge; its frames are counted."""
    networks = Networks(lab)
    first, second = (nic.end.namespace for nic in networks.nics)  # type: ignore[attr-defined]
    ends = Ends(first, second, ADDRESSES[1], ADDRESSES[1])

    faults = Counter({"sent again": 0, "out of order": 0})

    def passed() -> int:
        return sum(adapter["received"] for adapter in networks.machine.statistics().adapters)

    def piece(count: int) -> int:
        before = passed()
        while (moved := passed() - before) < count:
            seen = stream(ends, 0.0, seconds)
            assert not seen.corrupt
            faults.update({"sent again": seen.segments_again, "out of order": seen.out_of_order})
        assert networks.lost_inside() == {}
        return moved

    looks = endure(networks.machine, frames, pieces, piece)
    print(f"  {counted(faults)}")
    return looks


@pytest.mark.tap
def test_a_sample_of_the_echo(lab: Lab) -> None:
    look = echo(lab, SAMPLE_FRAMES, SAMPLE_PIECES)[-1]
    assert look["pool blocks"] > 0
    assert look["pool bytes"] > 1000
    assert look["handles"] >= 8
    assert look["shared memory slots"] >= 512
    assert look["descriptors"] > look["processes"] >= 6
    assert all(value > 1000 for what, value in look.items() if "KiB" in what)


@pytest.mark.tap
def test_a_sample_of_the_bridge(lab: Lab) -> None:
    bridge(lab, SAMPLE_PIECES, SAMPLE_PIECES, 0.1)


@pytest.mark.soak
@pytest.mark.tap
@pytest.mark.timeout(LONGEST)
def test_half_an_hour_of_echo(lab: Lab) -> None:
    echo(lab, FRAMES - BRIDGED, PIECES)


@pytest.mark.soak
@pytest.mark.tap
@pytest.mark.timeout(LONGEST)
def test_half_an_hour_of_bridge(lab: Lab) -> None:
    bridge(lab, BRIDGED, PIECES, CONNECTION_SECONDS)


def test_what_grows_is_named() -> None:
    flat = {KIB + "host": 1000, "handles": 5}
    assert growths([flat] * 8) == []
    assert growths([{KIB + "host": 10, "handles": 1}] + [flat] * 7) == []  # the first quarter is the warm-up
    assert growths([flat] * 7 + [{KIB + "host": 1000 + KIB_MORE, "handles": 4}]) == []
    grown = {KIB + "host": 1001 + KIB_MORE, "handles": 6}
    assert growths([flat] * 7 + [grown]) == [Growth(KIB + "host", 1000, 1001 + KIB_MORE), Growth("handles", 5, 6)]


@pytest.mark.tap
def test_a_handle_and_a_block_that_are_kept_are_seen(lab: Lab) -> None:
    nic = lab.start("netvmini", filters="ndislwf", protocol="hello", wire="tap")
    with Upkeep(nic.machine) as upkeep:
        before = upkeep.look()
        nic.detach("ndislwf")
        after = upkeep.look()
    assert after["handles"] < before["handles"]
    assert after["pool blocks"] < before["pool blocks"]
