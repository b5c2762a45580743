"""One TCP connection for a time: a sender in one network, a receiver in another, each a process of its own.

Law: the receiver is the clock; what it has read between the end of the warm-up and the end of the stream counts, and a
connection that breaks, stands still or brings other bytes than were sent is an error, not a slow one. Of what the
connection has mended both kernels tell: segments sent again, out of order, with a wrong checksum.
"""

from __future__ import annotations

import socket
import struct
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from emulator.rules.errors import EmulatorError
from tools.bench.cells import Cells
from tools.bench.processes import Forked
from vnic.wires.network import Namespace

if TYPE_CHECKING:
    from collections.abc import Callable

PORT: Final = 5201
PIECE: Final = 256 * 1024
PATIENCE: Final = 5.0
PERIOD: Final = 251
"""After so many bytes the stream begins anew: a prime, so that a piece which is missing shows."""
LOOKED_AT: Final = 64
"""So many bytes at both ends of what each call has read are compared: no kernel looks at a super-frame's checksum."""
_BYTES, _NANOSECONDS, _TOTAL, _SENT, _AGAIN, _OUT_OF_ORDER, _CORRUPT, _SPOILT = range(16, 24)
_USED: Final = slice(24, 26)
_TOTAL_RETRANS, _RECEIVED_OUT_OF_ORDER = 100, 224
"""Where struct tcp_info has them."""
_REFUSED: Final = {"Ip": "InHdrErrors", "Tcp": "InErrs"}
"""What a network has refused because of what is in it, by the lines of /proc/net/snmp."""


class Ends(NamedTuple):
    """Where the two ends of a connection are: networks, and the address that the sender calls."""

    sender: Namespace
    receiver: Namespace
    listens: str
    calls: str


class Stream(NamedTuple):
    """What the receiver saw, and what both ends used."""

    bits_per_second: float
    received: int
    segments_again: int
    out_of_order: int
    corrupt: int
    ends_ns: int


def stream(ends: Ends, warm_up: float, seconds: float, most: int = 0) -> Stream:
    """Send for so long, or so many bytes if those are sooner sent, and wait until everything has arrived."""
    cells = Cells()
    words = cells.words
    receiver = sender = None
    try:
        receiver = Forked(partial(_receive, ends, words, warm_up), "the receiver of a TCP connection")
        receiver.wait_ready()
        sender = Forked(partial(_send, ends, words, warm_up + seconds, most), "the sender of a TCP connection")
        sender.wait_ready(2 * PATIENCE)
        if not sender.wait(warm_up + seconds + 3 * PATIENCE):
            raise EmulatorError("the sender of a TCP connection did not come to its end")
        if not receiver.wait(2 * PATIENCE):
            raise EmulatorError("a TCP connection did not come to its end")
        if words[_TOTAL] != words[_SENT]:
            raise EmulatorError(f"{words[_TOTAL]} of {words[_SENT]} bytes arrived over TCP")
        if words[_SPOILT]:
            raise EmulatorError(f"{words[_SPOILT]} looks found other bytes than were sent over TCP")
        if not words[_BYTES]:
            raise EmulatorError("nothing arrived over TCP after the warm-up")
        bits_per_second = words[_BYTES] * 8e9 / words[_NANOSECONDS]
        counts = words[_TOTAL], words[_AGAIN], words[_OUT_OF_ORDER], words[_CORRUPT]
        return Stream(bits_per_second, *counts, sum(words[_USED]))
    finally:
        for one in (sender, receiver):
            if one is not None:
                one.end()
        cells.close()


def _receive(ends: Ends, words: memoryview, warm_up: float, ready: Callable[[], None]) -> None:
    """The receiver's process: count what comes after the warm-up, until the connection is closed."""
    ends.receiver.enter()
    refused = _refused()
    with socket.create_server((ends.listens, PORT)) as listening:
        listening.settimeout(PATIENCE)
        ready()
        line, _ = listening.accept()
    line.settimeout(PATIENCE)
    room = bytearray(4 * PIECE)
    expected = pattern(LOOKED_AT)
    total = counted = began = spoilt = 0
    last = time.monotonic_ns()
    until_warm = last + int(warm_up * 1e9)
    while length := line.recv_into(room):
        last = time.monotonic_ns()
        looked_at = min(length, LOOKED_AT)
        for at in (0, length - looked_at):
            place = (total + at) % PERIOD
            spoilt += room[at : at + looked_at] != expected[place : place + looked_at]
        total += length
        if began:
            counted += length
        elif last >= until_warm:
            began = last
    words[_BYTES], words[_NANOSECONDS], words[_TOTAL] = counted, max(1, last - began) if began else 1, total
    words[_OUT_OF_ORDER] = _told(line, _RECEIVED_OUT_OF_ORDER)
    words[_CORRUPT], words[_SPOILT] = _refused() - refused, spoilt
    words[_USED.start] = time.process_time_ns()


def _send(ends: Ends, words: memoryview, seconds: float, most: int, ready: Callable[[], None]) -> None:
    """The sender's process."""
    ends.sender.enter()
    with socket.create_connection((ends.calls, PORT), timeout=PATIENCE) as line:
        ready()
        piece, total = memoryview(pattern(PIECE)), 0
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not 0 < most <= total:
            place = total % PERIOD
            total += line.send(piece[place : place + PIECE])
        # What still waits in this end's buffer has its fate before it.
        line.shutdown(socket.SHUT_WR)
        line.settimeout(2 * PATIENCE)
        line.recv(1)
        words[_AGAIN] = _told(line, _TOTAL_RETRANS)
        words[_SENT] = total
    words[_USED.start + 1] = time.process_time_ns()


def pattern(length: int) -> bytes:
    """What is sent: so many bytes from any place of a period on."""
    return bytes(range(PERIOD)) * (length // PERIOD + 2)


def _told(line: socket.socket, place: int) -> int:
    """A word of what the kernel tells of a connection."""
    information = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    word: int = struct.unpack_from("=I", information, place)[0]
    return word


def _refused() -> int:
    """How many packets and segments this process's network has refused because of what is in them."""
    rows: dict[str, list[list[str]]] = {}
    for row in Path("/proc/self/net/snmp").read_text().splitlines():
        name, _, rest = row.partition(":")
        rows.setdefault(name, []).append(rest.split())
    counts = {name: dict(zip(*rows[name], strict=True)) for name in _REFUSED}
    return sum(int(counts[name][what]) for name, what in _REFUSED.items())
