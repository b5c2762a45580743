"""What is captured is read back by scapy and by our own reader; a file that takes no more is said once and counted."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from vnic.wires.captures import IN, OUT, open_capture, read_capture
from vnic.wires.pcapng import CaptureWriter
from vnic.wires.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAC = bytes.fromhex("024e44010001")


def writer(path: Path) -> tuple[CaptureWriter, list[str]]:
    made = CaptureWriter(str(path), "tap:ndis0", "adapter0", MAC)
    told: list[str] = []
    made.report = told.append
    return made, told


def frame(length: int) -> bytes:
    return bytes(n & 0xFF for n in range(length))


def test_every_length_and_both_directions_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    before = time.time_ns()
    made, told = writer(path)
    for length in range(14, 200):
        made.add(memoryview(frame(length)) if length & 1 else frame(length), IN if length % 3 else OUT)
    made.close()
    made.close()
    after = time.time_ns()
    with open_capture(str(path)) as file:
        found = list(read_capture(file, str(path)))
    assert [record.frame for record in found] == [frame(length) for length in range(14, 200)]
    assert [record.direction for record in found] == [IN if length % 3 else OUT for length in range(14, 200)]
    assert before <= found[0].time <= found[-1].time <= after
    assert not told
    assert (made.captured, made.missed) == (186, 0)


def test_scapy_reads_frames_times_directions_and_the_interface(tmp_path: Path) -> None:
    utils: Any = pytest.importorskip("scapy.utils")
    path = tmp_path / "a.pcapng"
    made, _ = writer(path)
    made.add(frame(61), IN)
    made.add(frame(62), OUT)
    made.close()
    with utils.RawPcapNgReader(str(path)) as reader:
        found = list(reader)
        _, _, interface = reader.interfaces[0]
    assert [data for data, _ in found] == [frame(61), frame(62)]
    assert [meta.direction for _, meta in found] == [IN, OUT]
    assert {meta.tsresol for _, meta in found} == {10**9}
    assert {meta.linktype for _, meta in found} == {1}
    assert interface["name"] == b"adapter0"
    assert MAC in path.read_bytes()
    assert b"tap:ndis0" in path.read_bytes()
    packets = pytest.importorskip("scapy.all").rdpcap(str(path))
    assert [bytes(packet) for packet in packets] == [frame(61), frame(62)]


def test_what_is_there_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    made, _ = writer(path)
    made.add(frame(60), IN)
    assert made.waiting
    made.flush()
    assert not made.waiting
    with open_capture(str(path)) as file:
        assert [record.frame for record in read_capture(file, str(path))] == [frame(60)]
    many = 2000
    for _ in range(many):
        made.add(frame(60), OUT)
    assert path.stat().st_size > many * 50, "enough of them are written at once"
    made.close()


@contextlib.contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Let no file grow further, as on a full disk; only for the body of a test, as the log of a run is a file too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_the_missed_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    made, told = writer(path)
    with files_end_at(1000):
        for _ in range(20):
            made.add(frame(100), IN)
        made.flush()
        for _ in range(5):
            made.add(frame(100), OUT)
            made.flush()
    (line,) = told
    assert line.startswith(f"wire tap:ndis0: writing to {path} failed (File too large); frames go on")
    made.close()
    assert told[1:] == [f"wire tap:ndis0: {made.missed} frames were not captured in {path}"]
    with open_capture(str(path)) as file:
        kept = [record.frame for record in read_capture(file, str(path))]
    assert kept == [frame(100)] * made.captured
    assert made.captured + made.missed == 25
    assert 0 < made.captured < 8
    assert path.stat().st_size <= 1000


def test_a_device_that_is_full(tmp_path: Path) -> None:
    with pytest.raises(WireError, match=r"wire tap:ndis0 to /dev/full failed \(No space left on device\)"):
        writer(Path("/dev/full"))


@pytest.mark.parametrize("where", ["", "nowhere/a.pcapng", "pipe"])
def test_a_place_that_cannot_be_written_to(tmp_path: Path, where: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WireError, match="writing the frames of wire tap:ndis0 to") as caught:
        writer(tmp_path / where)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)
