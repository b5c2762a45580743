"""Reads the frames of a capture file: pcap with micro- and nanoseconds and pcapng, both byte orders, Ethernet alone.

Law: what cannot be read as it was captured is never guessed at; whatever is wrong with a file is one line that names
the file, the offset of the header concerned and what is wrong there.
"""

from __future__ import annotations

import os
import stat
import struct
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, NamedTuple

from emulator.rules.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

IN: Final = 1
OUT: Final = 2
LINK_ETHERNET: Final = 1
ETHERNET_HEADER: Final = 14
LONGEST_FRAME: Final = 1 << 18
"""What Wireshark takes for the longest frame; a greater length is damage."""
LONGEST_BLOCK: Final = 1 << 24
SECOND: Final = 1_000_000_000

SECTION_HEADER: Final = 0x0A0D0D0A
SECTION_MAGIC: Final = SECTION_HEADER.to_bytes(4, "big")  # which reads the same in both orders
BYTE_ORDER: Final = 0x1A2B3C4D
INTERFACE: Final = 1
OLD_PACKET: Final = 2
SIMPLE_PACKET: Final = 3
ENHANCED_PACKET: Final = 6
OPTION_FLAGS: Final = 2
OPTION_RESOLUTION: Final = 9
OPTION_OFFSET: Final = 14

_PCAP_UNITS: Final = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}
"""Nanoseconds in a unit of the times' fractions, by magic number."""
_ORDERS: Final[dict[Literal["little", "big"], str]] = {"little": "<", "big": ">"}
_LINKS: Final = {
    0: "NULL",
    101: "RAW",
    105: "IEEE802_11",
    113: "LINUX_SLL",
    127: "IEEE802_11_RADIOTAP",
    276: "LINUX_SLL2",
}
_FRAME_CHECK: Final = 1 << 26  # of a pcap header's link type: the frames end with their check sequence


class CaptureError(ConfigurationError):
    """A capture file that cannot be replayed."""

    def __init__(self, path: str, offset: int, what: str) -> None:
        super().__init__(f"{path}: offset {offset}: {what}")


class Record(NamedTuple):
    """A frame of a capture file."""

    time: int
    """Nanoseconds of the clock that it was captured with."""
    frame: bytes
    direction: int
    """IN or OUT as its flags say; 0 where they say nothing."""


class _Interface(NamedTuple):
    link: int
    snap: int
    units: int
    """Units of its times in a second."""
    offset: int
    """Nanoseconds to add to its times."""


def open_capture(path: str) -> BinaryIO:
    """Open a file to be read; ConfigurationError where it cannot be, or is no file."""
    try:
        # Not blocking: a pipe without a writer would hold up whoever opens it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ConfigurationError(f"{path}: is no file, so it cannot be replayed")
    return open(descriptor, "rb")


def check_capture(path: str) -> int:
    """Read a whole file and tell how many frames it has; ConfigurationError for whatever is wrong with it."""
    with open_capture(path) as file:
        return sum(1 for _ in read_capture(file, path))


def read_capture(file: BinaryIO, path: str) -> Iterator[Record]:
    """The frames of a file in its order.  CaptureError where it is damaged."""
    reader = _Reader(file, path)
    magic = reader.take(4, "the first four bytes of a capture file")
    if magic == SECTION_MAGIC:
        return _read_pcapng(reader)
    for name, order in _ORDERS.items():
        unit = _PCAP_UNITS.get(int.from_bytes(magic, name))
        if unit is not None:
            return _read_pcap(reader, order, unit)
    if magic[:2] == b"\x1f\x8b":
        raise CaptureError(path, 0, "it is compressed; gunzip it first")
    raise CaptureError(path, 0, f"neither pcap nor pcapng begins with {magic.hex(' ')}")


class _Reader:
    """A file and how far it has been read."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self.file = file
        self.path = path
        self.offset = 0

    def take(self, count: int, what: str) -> bytes:
        """So many bytes; CaptureError when the file ends before."""
        data = self.file.read(count)
        if len(data) < count:
            raise self.fault(f"the file ends in the middle of {what}: {len(data)} of {count} bytes are there")
        self.offset += count
        return data

    def take_if_any(self, count: int, what: str) -> bytes:
        """So many bytes, or none at the end of the file."""
        data = self.file.read(count)
        if data and len(data) < count:
            raise self.fault(f"the file ends in the middle of {what}: {len(data)} of {count} bytes are there")
        self.offset += len(data)
        return data

    def fault(self, what: str, offset: int | None = None) -> CaptureError:
        return CaptureError(self.path, self.offset if offset is None else offset, what)

    def frame(self, data: bytes, captured: int, original: int, offset: int) -> bytes:
        """A frame whose lengths have been looked at."""
        if captured < original:
            raise self.fault(f"the frame was cut to {captured} of {original} bytes when it was captured", offset)
        if captured < ETHERNET_HEADER:
            raise self.fault(f"a frame of {captured} bytes has no Ethernet header", offset)
        return data[:captured]

    def ethernet(self, link: int, offset: int) -> None:
        """Refuse every other link type."""
        if link != LINK_ETHERNET:
            name = f"{_LINKS[link]} ({link})" if link in _LINKS else str(link)
            raise self.fault(f"the link type is {name}, not Ethernet (1)", offset)


def _read_pcap(reader: _Reader, order: str, unit: int) -> Iterator[Record]:
    major, minor, _, _, _, link = struct.unpack(order + "HHiIII", reader.take(20, "the file's header"))
    if (major, minor) != (2, 4):
        raise reader.fault(f"version {major}.{minor} of pcap; 2.4 can be read", 4)
    reader.ethernet(link & 0xFFFF, 20)
    check = (link >> 28) * 2 if link & _FRAME_CHECK else 0
    header = struct.Struct(order + "IIII")
    while head := reader.take_if_any(16, "a frame's header"):
        offset = reader.offset - 16
        seconds, fraction, captured, original = header.unpack(head)
        if captured > LONGEST_FRAME:
            raise reader.fault(f"a frame of {captured} bytes cannot be", offset)
        data = reader.take(captured, "a frame")
        frame = reader.frame(data, captured, original, offset)
        yield Record(seconds * SECOND + fraction * unit, frame[: len(frame) - check], 0)


def _read_pcapng(reader: _Reader) -> Iterator[Record]:
    order = "<"
    interfaces: list[_Interface] = []
    last = 0
    head = SECTION_MAGIC + reader.take(4, "a block's length")
    while head:
        offset = reader.offset - 8
        if head[:4] == SECTION_MAGIC:
            order = _order(reader)
            interfaces = []
        kind, length = struct.unpack(order + "II", head)
        body = _body(reader, order, length, offset, 4 if kind == SECTION_HEADER else 0)
        if kind in (ENHANCED_PACKET, OLD_PACKET, SIMPLE_PACKET):
            record = _packet(reader, order, kind, body, interfaces, offset, last)
            last = record.time
            yield record
        elif kind == INTERFACE:
            interfaces.append(_interface(reader, order, body, offset))
        elif kind == SECTION_HEADER:
            version = struct.unpack_from(order + "H", body)[0]
            if version != 1:
                raise reader.fault(f"version {version} of pcapng; 1 can be read", offset)
        head = reader.take_if_any(8, "a block's header")


def _order(reader: _Reader) -> str:
    """The byte order of the section that begins here."""
    magic = reader.take(4, "a section's header")
    for name, order in _ORDERS.items():
        if magic == BYTE_ORDER.to_bytes(4, name):
            return order
    raise reader.fault(f"{magic.hex(' ')} is no byte order of a section", reader.offset - 4)


def _body(reader: _Reader, order: str, length: int, offset: int, taken: int) -> bytes:
    """The rest of a block, whose length stands before and behind it."""
    if length < 12 + taken or length % 4 or length > LONGEST_BLOCK:
        raise reader.fault(f"a block of {length} bytes cannot be", offset)
    body = reader.take(length - 8 - taken, "a block")
    again = struct.unpack(order + "I", body[-4:])[0]
    if again != length:
        raise reader.fault(f"a block begins with the length {length} and ends with {again}", offset)
    return body[:-4]


def _options(reader: _Reader, order: str, data: bytes, offset: int) -> dict[int, bytes]:
    """Options by code; the last one of a code."""
    found: dict[int, bytes] = {}
    place = 0
    while place + 4 <= len(data):
        code, length = struct.unpack_from(order + "HH", data, place)
        if code == 0:
            break
        if place + 4 + length > len(data):
            raise reader.fault(f"option {code} is longer than its block", offset)
        found[code] = data[place + 4 : place + 4 + length]
        place += 4 + (length + 3 & ~3)
    return found


def _interface(reader: _Reader, order: str, body: bytes, offset: int) -> _Interface:
    if len(body) < 8:
        raise reader.fault("the description of an interface is too short", offset)
    link, snap = struct.unpack_from(order + "HxxI", body)
    options = _options(reader, order, body[8:], offset)
    resolution = (options.get(OPTION_RESOLUTION) or b"\x06")[0]
    units = 1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    seconds = options.get(OPTION_OFFSET, b"")
    return _Interface(link, snap, units, struct.unpack(order + "q", seconds)[0] * SECOND if len(seconds) == 8 else 0)


def _packet(
    reader: _Reader, order: str, kind: int, body: bytes, interfaces: list[_Interface], offset: int, last: int
) -> Record:
    if len(body) < (4 if kind == SIMPLE_PACKET else 20):
        raise reader.fault("the block of a frame is too short", offset)
    number = 0
    if kind == ENHANCED_PACKET:
        number, high, low, captured, original = struct.unpack_from(order + "IIIII", body)
    elif kind == OLD_PACKET:
        number, high, low, captured, original = struct.unpack_from(order + "HxxIIII", body)
    else:
        high = low = 0
        captured = original = struct.unpack_from(order + "I", body)[0]
    if number >= len(interfaces):
        raise reader.fault(f"a frame of interface {number}, which the file does not describe", offset)
    interface = interfaces[number]
    reader.ethernet(interface.link, offset)
    if kind == SIMPLE_PACKET:
        captured = min(original, interface.snap or original)
    start = 4 if kind == SIMPLE_PACKET else 20
    if start + captured > len(body):
        raise reader.fault(f"a frame of {captured} bytes in a block with room for {len(body) - start}", offset)
    frame = reader.frame(body[start : start + captured], captured, original, offset)
    if kind == SIMPLE_PACKET:
        return Record(last, frame, 0)
    tail = body[start + (captured + 3 & ~3) :]
    flags = _options(reader, order, tail, offset).get(OPTION_FLAGS, b"") if tail else b""
    direction = struct.unpack(order + "I", flags)[0] & 3 if len(flags) == 4 else 0
    return Record((high << 32 | low) * SECOND // interface.units + interface.offset, frame, direction % 3)
