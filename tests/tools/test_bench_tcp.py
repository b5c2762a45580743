"""TCP of the benchmark: every road is taken, and what goes wrong on the way is counted, or is an error."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pytest

from emulator.rules.errors import EmulatorError
from tools.bench import tcp
from tools.bench.compiler import Programs, compiled, find_compiler
from tools.bench.confinement import run_confined
from tools.bench.python_peers import HEADER_BYTES, LARGE_ROOM
from tools.bench.roads import CopierRoad, EmulatorRoad, KernelBridge, PytunLoopRoad, Road, ScapyRoad, TapRoad
from tools.bench.stream import PERIOD, pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tools.bench.link import Tap
    from vnic.wires.network import Namespace

pytestmark = pytest.mark.tap

FEW_BYTES = 1 << 18
EMPTY = 200
"""A frame up to this length carries no data."""
needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")


class Seen(msgspec.Struct):
    """What the confined functions of these tests return."""

    values: list[dict[str, float]] = []


def take(*ways: Callable[[], Road], most: int = 0) -> list[dict[str, float]]:
    """Lay each road in a confined process and send over it: for an instant, or so many bytes."""

    def job() -> Seen:
        seen = Seen()
        for lay in ways:
            road = lay()
            try:
                seen.values.append(tcp.run(road, 0.0, 1.0 if most else 0.05, most))
            finally:
                road.close()
        return seen

    return run_confined(job, Seen, 40.0).values


@needs_compiler
@pytest.mark.parametrize("large", [False, True], ids=["plain", "super-frames"])
def test_tcp_takes_each_road(large: bool) -> None:
    def lay(programs: Programs, taps: int) -> Road:
        copier = programs.path("copier")
        assert copier is not None, programs.why_not
        return CopierRoad(copier, taps=taps, large=large)

    with compiled("copier") as programs:
        c = [partial(lay, programs, taps) for taps in (1, 2)]
        pytun = [partial(PytunLoopRoad, taps=taps, large=large) for taps in (1, 2)]
        values = take(lambda: KernelBridge(large=large), *c, *pytun)
    assert all(value["gbit"] > 0 and value["ends_ns"] > 0 and value["corrupt"] == 0 for value in values)
    assert all(value["worker_ns"] > 0 for value in values[1:])


@pytest.mark.parametrize("taps", [1, 2])
def test_tcp_goes_through_scapy(taps: int) -> None:
    pytest.importorskip("scapy")
    (value,) = take(partial(ScapyRoad, taps=taps), most=FEW_BYTES)
    assert value["gbit"] > 0
    assert value["worker_ns"] > 0
    assert value["corrupt"] == 0


@pytest.mark.parametrize("taps", [1, 2])
def test_tcp_goes_through_the_emulator(taps: int) -> None:
    (value,) = take(partial(EmulatorRoad, "checked", taps=taps, large=False))
    assert value["gbit"] > 0
    assert value["host_ns"] > 0
    assert value["worker_ns"] > 0
    assert value["corrupt"] == 0


class ChangingRoad(TapRoad):
    """Sends back what comes, but first lets somebody change the frames with data, which are numbered."""

    def __init__(self, change: Callable[[int, bytearray], list[bytearray]], *, large: bool = False) -> None:
        self._change = change
        super().__init__(taps=1, large=large)

    def _begin(self, networks: Sequence[Namespace], large: bool) -> int:
        return self._fork(partial(self._reflect, self._open(networks, large)[0], HEADER_BYTES if large else 0))

    def _reflect(self, tap: Tap, header: int, ready: Callable[[], None]) -> None:
        ready()
        number = 0
        while True:
            frame = bytearray(tap.read(LARGE_ROOM))
            for first, second, size in ((0, 6, 6), (26, 30, 4)):
                at, to = (slice(header + place, header + place + size) for place in (first, second))
                frame[at], frame[to] = frame[to], frame[at]
            number += len(frame) > EMPTY
            for one in self._change(number, frame) if len(frame) > EMPTY else [frame]:
                tap.write(bytes(one))


def spoiled(frame: bytearray) -> bytearray:
    """A frame whose last byte is not what was sent."""
    frame[-1] ^= 0x5A
    return frame


def test_a_segment_that_is_lost_or_spoilt_on_the_way_is_counted() -> None:
    def spoil(number: int, frame: bytearray) -> list[bytearray]:
        return [spoiled(frame)] if number == 20 else [] if number == 60 else [frame]

    (value,) = take(lambda: ChangingRoad(spoil), most=FEW_BYTES)
    assert value["corrupt"] == 1
    assert value["again"] >= 2


def test_a_segment_that_another_overtakes_is_counted() -> None:
    held: list[bytearray] = []

    def hold(number: int, frame: bytearray) -> list[bytearray]:
        if number == 20:
            held.append(frame)
            return []
        return [frame, *held] if number == 21 else [frame]

    (value,) = take(lambda: ChangingRoad(hold), most=FEW_BYTES)
    assert value["out_of_order"] >= 1
    assert value["corrupt"] == 0


def test_other_bytes_than_were_sent_are_an_error_where_no_kernel_looks() -> None:
    with pytest.raises(EmulatorError, match="found other bytes than were sent"):
        take(lambda: ChangingRoad(lambda number, frame: [spoiled(frame)], large=True))


def test_the_pattern_has_its_period_and_is_as_long_as_any_place_needs() -> None:
    made = pattern(1000)
    assert len(made) >= 1000 + PERIOD
    assert made[PERIOD:] == made[:-PERIOD]
    assert len(set(made[:PERIOD])) == PERIOD
