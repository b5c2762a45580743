"""A capture file as a wire: what comes when, how often, and what is kept of what the adapter sends."""

from __future__ import annotations

import os
import select
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.vnic.test_wires_captures import FRAMES, block, enhanced, interface, pcap, section
from vnic.wires import replay as replay_module
from vnic.wires.captures import IN, OUT, CaptureError, open_capture, read_capture
from vnic.wires.replay import PcapWire
from vnic.wires.wire import ActiveWire, Wire, WireError, parse_wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MS = 1_000_000


OPEN: list[PcapWire] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


class Replay:
    """A wire, and what a host hears of it."""

    def __init__(self, text: str) -> None:
        self.wire = PcapWire(parse_wire(text))
        OPEN.append(self.wire)
        self.told: list[str] = []
        self.finished: list[int] = []
        self.wire.attach(self.told.append, lambda: self.finished.append(time.monotonic_ns()))
        self.buffer = memoryview(bytearray(2048))

    def read(self) -> bytes | None:
        length = self.wire.readinto(self.buffer)
        return None if length is None else bytes(self.buffer[:length])

    def rest(self, seconds: float = 10.0) -> list[bytes]:
        """Everything that comes until the wire has finished, as a host's loop takes it."""
        found: list[bytes] = []
        while not self.finished:
            frame = self.read()
            if frame is not None:
                found.append(frame)
            elif not self.finished:
                assert select.select([self.wire], [], [], seconds)[0]
        return found


def written(path: Path, frames: list[bytes], gap: int = 0) -> Path:
    """A pcapng file, its frames so many nanoseconds apart."""
    blocks = [enhanced("<", frame, (5 * 10**9 + n * gap) // 1000, flags=IN) for n, frame in enumerate(frames)]
    path.write_bytes(section("<") + interface("<") + b"".join(blocks))
    return path


def test_the_frames_come_in_order_once_and_then_it_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(">", True))
    replay = Replay(f"pcap:{path},speed=asap")
    wire = replay.wire
    assert isinstance(wire, Wire)
    assert isinstance(wire, ActiveWire)
    assert replay.read() is None, "no link, no frame"
    assert not wire.carrier
    wire.set_carrier(True)
    assert wire.carrier
    assert not wire.poll_removed()
    assert replay.rest() == FRAMES
    assert wire.counters() == {"replayed": len(FRAMES), "replay_left_out": 0, "replay_done": 1}
    assert replay.read() is None
    assert len(replay.finished) == 1
    assert not select.select([wire], [], [], 0)[0], "nothing is to be done any more"
    held = wire.descriptors()
    wire.close()
    wire.close()
    for descriptor in held:
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(descriptor)


@pytest.mark.parametrize(("speed", "gap"), [("1", 5 * MS), ("2", 10 * MS), ("0.5", 2_500_000)])
def test_no_frame_comes_before_its_time(tmp_path: Path, speed: str, gap: int) -> None:
    path = written(tmp_path / "a.pcapng", FRAMES[:8], gap)
    replay = Replay(f"pcap:{path},speed={speed}")
    begun = time.monotonic_ns()  # before the wire's clock starts, however long this process is not let run in between
    replay.wire.set_carrier(True)
    for number in range(8):
        while (frame := replay.read()) is None:
            assert select.select([replay.wire], [], [], 10)[0]
        assert frame == FRAMES[number]
        assert time.monotonic_ns() - begun >= number * 5 * MS


def test_without_a_link_the_file_stands_still(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pcapng", FRAMES[:3], 20 * MS)
    replay = Replay(f"pcap:{path}")
    replay.wire.set_carrier(True)
    assert replay.read() == FRAMES[0]
    replay.wire.set_carrier(False)
    assert not select.select([replay.wire], [], [], 0.03)[0]
    assert replay.read() is None
    replay.wire.set_carrier(True)
    begun = time.monotonic_ns()
    assert replay.rest() == FRAMES[1:3]
    assert replay.finished[0] - begun >= 20 * MS


def test_loops(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pcapng", FRAMES[:3], MS)
    replay = Replay(f"pcap:{path},loop=4")
    replay.wire.set_carrier(True)
    begun = time.monotonic_ns()
    assert replay.rest() == FRAMES[:3] * 4
    assert replay.finished[0] - begun >= 8 * MS
    endless = Replay(f"pcap:{path},loop=forever,speed=asap")
    endless.wire.set_carrier(True)
    assert [endless.read() for _ in range(1000)] == (FRAMES[:3] * 334)[:1000]


def test_a_file_without_frames_is_finished_at_once(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pcapng", [])
    replay = Replay(f"pcap:{path},loop=forever")
    replay.wire.set_carrier(True)
    assert replay.rest() == []


def test_what_the_captured_adapter_had_sent_is_left_out_unless_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    blocks = [enhanced("<", frame, 1, flags=IN if n % 2 else OUT) for n, frame in enumerate(FRAMES[:10])]
    path.write_bytes(section("<") + interface("<") + block("<", 99, b"") + b"".join(blocks))
    replay = Replay(f"pcap:{path}")
    replay.wire.set_carrier(True)
    assert replay.rest() == FRAMES[1:10:2]
    assert replay.wire.counters()["replay_left_out"] == 5
    replay = Replay(f"pcap:{path},direction=all")
    replay.wire.set_carrier(True)
    assert replay.rest() == FRAMES[:10]


def test_what_the_adapter_sends_is_kept_and_puts_the_end_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = written(tmp_path / "a.pcapng", FRAMES[:1]), tmp_path / "out.pcapng"
    replay = Replay(f"pcap:{path},out={out}")
    replay.wire.set_carrier(True)
    calls = replay.wire.frame_calls(lambda descriptor: replay.wire)
    assert replay.read() == FRAMES[0]
    begun = time.monotonic_ns()
    # A part of the half second of quiet has gone by for the wire.
    monkeypatch.setattr(replay_module, "time", SimpleNamespace(monotonic_ns=lambda: time.monotonic_ns() + 50 * MS))
    assert calls.write(memoryview(FRAMES[5])) == len(FRAMES[5])
    assert calls.gather([memoryview(FRAMES[6][:7]), memoryview(FRAMES[6][7:])]) == len(FRAMES[6])
    assert replay.rest() == []
    assert replay.finished[0] - begun >= 550 * MS
    assert replay.wire.counters()["written"] == 2
    for descriptor, act in replay.wire.alarms():
        assert select.select([descriptor], [], [], 10)[0]
        act()
    with open_capture(str(out)) as file:
        assert [tuple(record)[1:] for record in read_capture(file, str(out))] == [(FRAMES[5], OUT), (FRAMES[6], OUT)]
    replay.wire.close()


def test_a_file_that_changes_meanwhile_ends_in_one_line(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pcapng", FRAMES * 200, 0)
    replay = Replay(f"pcap:{path},speed=asap")
    os.truncate(path, path.stat().st_size - 1)
    replay.wire.set_carrier(True)
    found = replay.rest()
    assert found == (FRAMES * 200)[: len(found)]
    assert len(found) >= len(FRAMES) * 200 - 1
    (line,) = replay.told
    assert line.startswith(f"wire pcap:a.pcapng: the replay ends here: {path}: offset ")


def test_files_that_cannot_be_used_leave_nothing_open(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pcapng", FRAMES)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(WireError, match="nowhere"):
        Replay(f"pcap:{path},out={tmp_path}/nowhere/out.pcapng")
    os.truncate(path, 60)
    with pytest.raises(CaptureError, match="the file ends in the middle of"):
        Replay(f"pcap:{path}")
    assert len(os.listdir("/proc/self/fd")) == before
