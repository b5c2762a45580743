"""One TCP connection for a time: a sender in one network, a receiver in another, each a process of its own.

Law: the receiver is the clock; what it has read between the end of the warm-up and the end of the stream counts, and a
connection that breaks or stands still is an error, not a slow one.
"""

from __future__ import annotations

import socket
import struct
import time
from functools import partial
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
_BYTES, _NANOSECONDS, _TOTAL, _SENT, _AGAIN = range(16, 21)
_USED: Final = slice(21, 23)
_TOTAL_RETRANS: Final = 100
"""Where struct tcp_info has it."""


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
    ends_ns: int


def stream(ends: Ends, warm_up: float, seconds: float) -> Stream:
    """Send for so long, and wait until everything has arrived."""
    cells = Cells()
    words = cells.words
    receiver = sender = None
    try:
        receiver = Forked(partial(_receive, ends, words, warm_up))
        receiver.wait_ready()
        sender = Forked(partial(_send, ends, words, warm_up + seconds))
        sender.wait_ready(2 * PATIENCE)
        if not sender.wait(warm_up + seconds + PATIENCE):
            raise EmulatorError("the sender of a TCP connection did not come to its end")
        if not receiver.wait(2 * PATIENCE):
            raise EmulatorError("a TCP connection did not come to its end")
        if words[_TOTAL] != words[_SENT]:
            raise EmulatorError(f"{words[_TOTAL]} of {words[_SENT]} bytes arrived over TCP")
        if not words[_BYTES]:
            raise EmulatorError("nothing arrived over TCP after the warm-up")
        bits_per_second = words[_BYTES] * 8e9 / words[_NANOSECONDS]
        return Stream(bits_per_second, words[_TOTAL], words[_AGAIN], sum(words[_USED]))
    except RuntimeError as error:
        raise EmulatorError(f"no TCP connection: {error}") from error
    finally:
        for one in (sender, receiver):
            if one is not None:
                one.end()
        cells.close()


def _receive(ends: Ends, words: memoryview, warm_up: float, ready: Callable[[], None]) -> None:
    """The receiver's process: count what comes after the warm-up, until the connection is closed."""
    ends.receiver.enter()
    with socket.create_server((ends.listens, PORT)) as listening:
        listening.settimeout(PATIENCE)
        ready()
        line, _ = listening.accept()
    line.settimeout(PATIENCE)
    room = bytearray(4 * PIECE)
    total = counted = began = 0
    last = time.monotonic_ns()
    until_warm = last + int(warm_up * 1e9)
    while length := line.recv_into(room):
        last = time.monotonic_ns()
        total += length
        if began:
            counted += length
        elif last >= until_warm:
            began = last
    words[_BYTES], words[_NANOSECONDS], words[_TOTAL] = counted, max(1, last - began) if began else 1, total
    words[_USED.start] = time.process_time_ns()


def _send(ends: Ends, words: memoryview, seconds: float, ready: Callable[[], None]) -> None:
    """The sender's process."""
    ends.sender.enter()
    with socket.create_connection((ends.calls, PORT), timeout=PATIENCE) as line:
        ready()
        piece, total = bytes(PIECE), 0
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            total += line.send(piece)
        information = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        words[_AGAIN] = struct.unpack_from("=I", information, _TOTAL_RETRANS)[0]
        words[_SENT] = total
    words[_USED.start + 1] = time.process_time_ns()
