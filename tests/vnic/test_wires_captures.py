"""Capture files of every kind are read as scapy reads them, and what is wrong with one is said in one line."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any

import pytest

from emulator.rules.errors import ConfigurationError
from vnic.wires.captures import IN, OUT, Record, check_capture, open_capture, read_capture

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = [bytes([n]) * 6 + b"\x02\0\0\0\0\x01\x88\xb5" + bytes(range(n % 60)) for n in range(1, 60)]
TIMES = [1_700_000_000_123_456_789 + n * 1_000_001 for n in range(len(FRAMES))]


def records(path: Path) -> list[Record]:
    with open_capture(str(path)) as file:
        return list(read_capture(file, str(path)))


def pcap(order: str, nano: bool, link: int = 1, frames: list[bytes] | None = None) -> bytes:
    magic, unit = (0xA1B23C4D, 1) if nano else (0xA1B2C3D4, 1000)
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)]
    for time, frame in zip(TIMES, FRAMES if frames is None else frames, strict=False):
        fields = time // 10**9, time % 10**9 // unit, len(frame), len(frame)
        parts.append(struct.pack(order + "IIII", *fields) + frame)
    return b"".join(parts)


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def section(order: str) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str, link: int = 1, options: bytes = b"", snap: int = 0) -> bytes:
    return block(order, 1, struct.pack(order + "HHI", link, 0, snap) + options)


def enhanced(order: str, frame: bytes, units: int = 0, number: int = 0, flags: int | None = None) -> bytes:
    tail = b"" if flags is None else struct.pack(order + "HHI", 2, 4, flags) + bytes(4)
    fields = number, units >> 32, units & 0xFFFFFFFF, len(frame), len(frame)
    return block(order, 6, struct.pack(order + "5I", *fields) + frame + bytes(-len(frame) % 4) + tail)


def scapy_times(path: Path) -> list[tuple[int, bytes]]:
    """What scapy reads, its times in nanoseconds."""
    utils: Any = pytest.importorskip("scapy.utils")
    found = []
    with utils.RawPcapReader(str(path)) as reader:
        nano = getattr(reader, "nano", False)
        for data, meta in reader:
            if hasattr(meta, "tshigh"):
                time = ((meta.tshigh << 32) + meta.tslow) * 10**9 // meta.tsresol
            else:
                time = meta.sec * 10**9 + meta.usec * (1 if nano else 1000)
            found.append((time, data))
    return found


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_pcap_is_read_as_scapy_reads_it(tmp_path: Path, order: str, nano: bool) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(order, nano))
    found = records(path)
    unit = 1 if nano else 1000
    assert found == [Record(time // unit * unit, frame, 0) for time, frame in zip(TIMES, FRAMES, strict=True)]
    assert [(record.time, record.frame) for record in found] == scapy_times(path)
    assert check_capture(str(path)) == len(FRAMES)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("resolution", [None, 6, 9, 3, 0x8A])
def test_pcapng_is_read_as_scapy_reads_it(tmp_path: Path, order: str, resolution: int | None) -> None:
    options = b"" if resolution is None else struct.pack(order + "HHB3xHH", 9, 1, resolution, 0, 0)
    shown = 6 if resolution is None else resolution
    units = 1 << (shown & 0x7F) if shown & 0x80 else 10**shown
    path = tmp_path / "a.pcapng"
    ticks = [time * units // 10**9 for time in TIMES]
    blocks = [enhanced(order, frame, tick) for frame, tick in zip(FRAMES, ticks, strict=True)]
    path.write_bytes(section(order) + interface(order, options=options) + b"".join(blocks))
    found = records(path)
    assert [record.frame for record in found] == FRAMES
    assert [record.time for record in found] == [tick * 10**9 // units for tick in ticks]
    assert [(record.time, record.frame) for record in found] == scapy_times(path)


def test_what_scapy_writes_is_read(tmp_path: Path) -> None:
    scapy: Any = pytest.importorskip("scapy.all")
    packets = [scapy.Ether(frame) for frame in FRAMES]
    for number, packet in enumerate(packets):
        packet.time = 1000 + number * 0.25
    for name, write in (("a.pcap", scapy.wrpcap), ("a.pcapng", scapy.wrpcapng)):
        write(str(tmp_path / name), packets)
        found = records(tmp_path / name)
        assert [record.frame for record in found] == FRAMES
        assert [record.time for record in found] == [(1000 + n * 0.25) * 10**9 for n in range(len(FRAMES))]


def test_directions_sections_interfaces_and_other_blocks(tmp_path: Path) -> None:
    frame = FRAMES[9]
    old = block("<", 2, struct.pack("<HHIIII", 0, 0, 0, 7_000_000, len(frame), len(frame)) + frame)
    simple = block("<", 3, struct.pack("<I", len(frame)) + frame)
    offset = struct.pack("<HHq", 14, 8, 100) + bytes(4)
    path = tmp_path / "a.pcapng"
    path.write_bytes(
        section("<")
        + interface("<", link=113)
        + interface("<")
        + block("<", 0xBAD, b"unknown blocks are passed over")
        + enhanced("<", frame, 1_000_000, 1, flags=IN)
        + enhanced("<", frame, 2_000_000, 1, flags=OUT)
        + enhanced("<", frame, 3_000_000, 1, flags=OUT | 1 << 5)
        + enhanced("<", frame, 4_000_000, 1, flags=3)
        + section(">")
        + interface(">")
        + enhanced(">", frame, 5_000_000)
        + section("<")
        + interface("<", options=offset)
        + enhanced("<", frame, 6_000_000)
        + old
        + simple
    )
    found = records(path)
    assert [record.frame for record in found] == [frame] * 8
    assert [record.direction for record in found] == [IN, OUT, OUT, 0, 0, 0, 0, 0]
    assert [record.time // 10**9 for record in found] == [1, 2, 3, 4, 5, 106, 107, 107]


GOOD = section("<") + interface("<")
LONG = FRAMES[50]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "offset 0: the file ends in the middle of the first four bytes of a capture file: 0 of 4"),
        (b"\x1f\x8b\x08\0more", "offset 0: it is compressed"),
        (b"GIF89a", "offset 0: neither pcap nor pcapng begins with 47 49 46 38"),
        (pcap("<", False)[:20], "offset 4: the file ends in the middle of the file's header: 16 of 20"),
        (pcap("<", False, link=113), r"offset 20: the link type is LINUX_SLL \(113\), not Ethernet \(1\)"),
        (pcap(">", True, link=228), r"offset 20: the link type is 228, not Ethernet"),
        (pcap("<", False, frames=[LONG])[:-1], "offset 40: the file ends in the middle of a frame: "),
        (pcap("<", False, frames=[LONG]) + b"abc", "in the middle of a frame's header: 3 of 16"),
        (pcap("<", False, frames=[b"short"]), "offset 24: a frame of 5 bytes has no Ethernet header"),
        (pcap("<", False, frames=[])[:4] + b"\3\0" + pcap("<", False)[6:], "offset 4: version 3.4 of pcap"),
        (
            pcap("<", False, frames=[]) + struct.pack("<4I", 0, 0, 1 << 30, 1 << 30),
            "offset 24: a frame of 1073741824 bytes cannot be",
        ),
        (
            pcap("<", False, frames=[]) + struct.pack("<4I", 0, 0, 20, 90) + bytes(20),
            "offset 24: the frame was cut to 20 of 90 bytes when it was captured",
        ),
        (GOOD[:10], "in the middle of a section's header: 2 of 4"),
        (GOOD[:8] + b"abcd" + GOOD[12:], "offset 8: 61 62 63 64 is no byte order"),
        (GOOD[:12] + b"\2" + GOOD[13:], "offset 0: version 2 of pcapng"),
        (GOOD + enhanced("<", LONG)[:-1], "offset 56: the file ends in the middle of a block: 91 of 92"),
        (GOOD + enhanced("<", LONG)[:-4] + bytes(4), "begins with the length 100 and ends with 0"),
        (GOOD + struct.pack("<II", 6, 13), "offset 48: a block of 13 bytes cannot be"),
        (GOOD + struct.pack("<II", 6, 1 << 31), "a block of 2147483648 bytes cannot be"),
        (GOOD + block("<", 6, b"abc"), "offset 48: the block of a frame is too short"),
        (GOOD + block("<", 1, b"abc"), "the description of an interface is too short"),
        (GOOD + enhanced("<", LONG, number=1), "a frame of interface 1, which the file does not describe"),
        (section("<") + interface("<", link=276) + enhanced("<", LONG), r"the link type is LINUX_SLL2 \(276\)"),
        (
            GOOD + block("<", 6, struct.pack("<5I", 0, 0, 0, 99, 99) + bytes(20)),
            "a frame of 99 bytes in a block with room for 20",
        ),
        (
            GOOD + block("<", 6, struct.pack("<5I", 0, 0, 0, 20, 20) + bytes(20) + struct.pack("<HH", 2, 40)),
            "option 2 is longer than its block",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "bad.pcap"
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=says) as caught:
        check_capture(str(path))
    assert str(caught.value).startswith(f"{path}: offset ")
    assert "\n" not in str(caught.value)


def test_every_cut_of_a_file_is_read_up_to_the_cut_or_refused(tmp_path: Path) -> None:
    whole = GOOD + b"".join(enhanced("<", frame, 5, flags=IN) for frame in FRAMES[:3])
    ends = {len(GOOD)}
    for frame in FRAMES[:3]:
        ends.add(max(ends) + len(enhanced("<", frame, 5, flags=IN)))
    path = tmp_path / "cut.pcapng"
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        if length in ends | {28}:
            check_capture(str(path))
        else:
            with pytest.raises(ConfigurationError, match=r"the file ends in the middle of"):
                check_capture(str(path))


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.pcap: cannot be read: No such file"):
        check_capture(str(tmp_path / "nothing.pcap"))
    with pytest.raises(ConfigurationError, match="is no file"):
        check_capture(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigurationError, match="is no file"):
        check_capture(str(tmp_path / "pipe"))


def test_an_empty_capture_has_no_frames(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(pcap("<", False, frames=[]))
    (tmp_path / "a.pcapng").write_bytes(GOOD)
    assert check_capture(str(tmp_path / "a.pcap")) == check_capture(str(tmp_path / "a.pcapng")) == 0
