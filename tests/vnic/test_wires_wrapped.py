"""Wrappers around a wire that only a test knows: order of the layers, refusals, delays without waiting, the timer."""

from __future__ import annotations

import errno
import os
import select
import time
from collections import deque
from random import Random
from typing import TYPE_CHECKING

import pytest

from vnic.wires.captures import IN, OUT, open_capture, read_capture
from vnic.wires.faults import parse_faults
from vnic.wires.pcapng import CaptureWriter
from vnic.wires.timer import Timer
from vnic.wires.wire import ActiveWire, FrameCalls, Wire
from vnic.wires.wrapped import WrappedWire

if TYPE_CHECKING:
    from pathlib import Path

LATE = 5_000_000


class FakeWire:
    """A wire whose frames lie in two queues."""

    name = "fake"
    mtu = 1500

    def __init__(self) -> None:
        self.arriving: deque[bytes | None] = deque()
        self.left: list[bytes] = []
        self.refuses: deque[OSError | None] = deque()
        self.full = False
        self.carrier = False
        self.closed = 0

    def fileno(self) -> int:
        return 0

    def descriptors(self) -> tuple[int, ...]:
        return (0,)

    def set_carrier(self, up: bool) -> None:
        self.carrier = up

    def poll_removed(self) -> bool:
        return False

    def close(self) -> None:
        self.closed += 1

    def readinto(self, buffer: memoryview, /) -> int | None:
        if not self.arriving:
            return None
        frame = self.arriving.popleft()
        if frame is None:
            return 0
        buffer[: len(frame)] = frame
        return len(frame)

    def write(self, frame: memoryview, /) -> int | None:
        if self.full:
            return None
        if self.refuses and (error := self.refuses.popleft()) is not None:
            raise error
        self.left.append(bytes(frame))
        return len(frame)

    def gather(self, fragments: list[memoryview], /) -> int | None:
        return self.write(memoryview(b"".join(fragments)))


def frame(number: int, length: int = 60) -> bytes:
    return number.to_bytes(4, "big").ljust(length, b"\xa5")


def wrapped(wire: FakeWire, faults: str = "", capture: Path | None = None) -> tuple[WrappedWire, FrameCalls]:
    writer = CaptureWriter(str(capture), wire.name, "adapter0", bytes(6)) if capture is not None else None
    made = WrappedWire(wire, writer, parse_faults(faults) if faults else None)
    return made, made.frame_calls(lambda descriptor: wire)


def read(calls: FrameCalls, size: int = 2048) -> bytes | None:
    buffer = memoryview(bytearray(size))
    length = calls.readinto(buffer)
    return None if length is None else bytes(buffer[:length])


def ring(wire: WrappedWire, seconds: float = 10.0) -> bool:
    """Wait until a timer of the wire rings, and do what it asks for."""
    alarms = dict(wire.alarms())
    rang, _, _ = select.select(list(alarms), [], [], seconds)
    for descriptor in rang:
        alarms[descriptor]()
    return bool(rang)


def test_a_wrapped_wire_is_a_wire(tmp_path: Path) -> None:
    inner = FakeWire()
    wire, _ = wrapped(inner, "loss=1", tmp_path / "a.pcapng")
    assert isinstance(wire, Wire)
    assert isinstance(wire, ActiveWire)
    assert not isinstance(inner, ActiveWire)
    assert (wire.name, wire.mtu, wire.fileno()) == ("fake", 1500, 0)
    wire.set_carrier(True)
    assert wire.carrier
    assert not wire.poll_removed()
    held = wire.descriptors()
    assert len(held) == 4
    for descriptor in held[1:]:
        os.fstat(descriptor)
    wire.close()
    wire.close()
    assert inner.closed == 2
    for descriptor in held[1:]:
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(descriptor)


def test_the_capture_is_the_adapter_s_view(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    inner = FakeWire()
    wire, calls = wrapped(inner, "loss=0.5,seed=3", path)
    inner.arriving.extend(frame(number) for number in range(40))
    received = [data for _ in range(40) if (data := read(calls)) is not None]
    for number in range(100, 140):
        assert calls.write(memoryview(frame(number))) == 60
    assert calls.gather([memoryview(b"in "), memoryview(b"several pieces")]) == 17
    wire.close()
    with open_capture(str(path)) as file:
        found = [(record.frame, record.direction) for record in read_capture(file, str(path))]
    keeps = Random("3/in/loss").random
    assert received == [frame(number) for number in range(40) if keeps() >= 0.5]
    assert [data for data, direction in found if direction == IN] == received
    sent = [data for data, direction in found if direction == OUT]
    assert sent == [frame(number) for number in range(100, 140)] + [b"in several pieces"]
    keeps = Random("3/out/loss").random
    assert inner.left == [data for data in sent if keeps() >= 0.5]
    assert wire.counters()["captured"] == len(found)
    assert wire.counters()["in_lost"] == 40 - len(received)
    assert wire.counters()["out_lost"] == 41 - len(inner.left)


def test_the_end_of_a_wire_passes_through(tmp_path: Path) -> None:
    inner = FakeWire()
    _, calls = wrapped(inner, "loss=0.5", tmp_path / "a.pcapng")
    inner.arriving.append(None)
    assert read(calls) == b""


def test_all_lost_does_not_keep_the_loop() -> None:
    inner = FakeWire()
    _, calls = wrapped(inner, "in.loss=1")
    inner.arriving.extend(frame(number) for number in range(1000))
    assert read(calls) is None
    assert 0 < len(inner.arriving) < 1000


def test_late_frames_come_by_the_timer_and_nothing_waits() -> None:
    inner = FakeWire()
    wire, calls = wrapped(inner, "delay=5ms")
    inner.arriving.extend(frame(number) for number in range(3))
    begun = time.monotonic_ns()
    assert read(calls) is None
    assert calls.write(memoryview(frame(9))) == 60
    assert inner.left == []
    assert ring(wire)
    found: list[bytes] = []
    while len(found) < 3 or not inner.left:
        data = read(calls)
        if data is None:
            assert ring(wire)
        else:
            found.append(data)
    assert time.monotonic_ns() - begun >= LATE
    assert found == [frame(number) for number in range(3)]
    assert inner.left == [frame(9)]
    wire.close()


def test_an_outside_that_takes_nothing_holds_the_driver_s_frames_back() -> None:
    inner = FakeWire()
    wire, calls = wrapped(inner, "out.duplicate=1,seed=1")
    inner.full = True
    assert calls.write(memoryview(frame(1))) == 60, "one frame lies in the line"
    assert calls.write(memoryview(frame(2))) is None, "and the next stays with the driver"
    assert calls.write(memoryview(frame(2))) is None
    inner.full = False
    assert ring(wire), "what lies in the line is sent without the driver's help"
    assert inner.left == [frame(1)] * 2
    assert calls.write(memoryview(frame(2))) == 60
    assert inner.left == [frame(1)] * 2 + [frame(2)] * 2
    assert wire.counters() == {"out_duplicated": 2}


def test_refused_frames_are_dropped_and_a_wire_that_is_gone_is_gone() -> None:
    inner = FakeWire()
    wire, calls = wrapped(inner, "out.delay=1ms")
    inner.refuses.append(OSError(errno.EIO, "down"))
    assert calls.write(memoryview(frame(1))) == 60
    while not wire.counters()["out_dropped"]:
        assert ring(wire)
    inner.refuses.append(OSError(errno.ENODEV, "gone"))
    calls.write(memoryview(frame(2)))
    while inner.refuses:
        assert ring(wire), "the timer's act raises nothing: the poll of the wire tells of its end"
    immediately = FakeWire()
    _, calls = wrapped(immediately, "out.duplicate=1")
    immediately.refuses.append(OSError(errno.ENODEV, "gone"))
    with pytest.raises(OSError, match="gone"):
        calls.write(memoryview(frame(3)))


def test_what_is_under_way_is_lost_with_the_link() -> None:
    inner = FakeWire()
    wire, calls = wrapped(inner, "delay=1s")
    inner.arriving.append(frame(1))
    assert read(calls) is None
    calls.write(memoryview(frame(2)))
    wire.set_carrier(False)
    assert wire.counters()["in_dropped"] == wire.counters()["out_dropped"] == 1


def test_a_frame_longer_than_the_buffer_is_cut_to_it() -> None:
    inner = FakeWire()
    wire, calls = wrapped(inner, "in.delay=1ms")
    inner.arriving.append(frame(1, 100))
    assert read(calls, 100) is None
    assert ring(wire)
    assert read(calls, 64) == frame(1, 64)


def test_a_timer_rings_when_it_is_due_and_not_before() -> None:
    timer = Timer()

    def rings(seconds: float) -> bool:
        return bool(select.select([timer], [], [], seconds)[0])

    assert not rings(0)
    begun = time.monotonic_ns()
    timer.arm(begun + LATE)
    timer.hasten(begun + 10 * LATE)
    assert rings(10)
    assert time.monotonic_ns() - begun >= LATE
    assert rings(0), "until it is stopped"
    timer.stop()
    assert not rings(0)
    timer.arm(0)
    assert rings(10)
    timer.arm(time.monotonic_ns() + 60_000_000_000)
    assert not rings(0)
    timer.close()
    timer.close()
    timer.arm(1)
