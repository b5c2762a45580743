"""The pinging end: sends echo requests through the kernel's own ICMP and says what became of each of them.

Law: it needs no program and no sleep. Every request carries a body of its own, so that a reply with another frame's
bytes is seen to be corrupt; and each request ends in exactly one of the counts: received, lost or refused.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import select
import socket
import struct
import time
from collections import deque
from itertools import count as counter
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from vnic.wires.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

LARGEST_BODY: Final = 65507
_HEADER: Final = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence
_SEQUENCES: Final = 1 << 16
_PERIOD: Final = 251  # prime, so that the pattern's phase and a slot's alignment do not agree by chance
_SECOND: Final = 1_000_000_000
_RETRY: Final = 1_000_000  # nanoseconds until the next try when the kernel had no room
_BUSY: Final = frozenset({errno.EAGAIN, errno.ENOBUFS})
_BUFFER: Final = 4 << 20
_SO_RCVBUFFORCE: Final = 33
_UNDER_WAY, _ANSWERED, _LOST, _REFUSED, _LATE = range(1, 6)
_identifiers = counter(os.getpid())


class _Family(NamedTuple):
    domain: int
    protocol: int
    request: int
    reply: int
    filter: tuple[int, int, bytes]  # level, option and value by which a raw socket gets echo replies alone


_FAMILIES: Final = {
    4: _Family(socket.AF_INET, socket.IPPROTO_ICMP, 8, 0, (255, 1, struct.pack("=I", 0xFFFFFFFE))),
    6: _Family(socket.AF_INET6, socket.IPPROTO_ICMPV6, 128, 129, (58, 1, b"\xff" * 16 + b"\xfd" + b"\xff" * 15)),
}


class EchoSocket(Protocol):
    """What sends and receives ICMP messages without blocking, as a raw socket of the kernel does."""

    def fileno(self) -> int:
        """Return the descriptor to poll for reading."""
        ...

    def send(self, message: bytes, /) -> int:
        """Send one ICMP message."""
        ...

    def recv(self, length: int, /) -> bytes:
        """Return one message with its IPv4 header; BlockingIOError when there is none."""
        ...

    def close(self) -> None:
        """Give it back."""
        ...


class PingResult(msgspec.Struct, frozen=True):
    """What became of the requests of one run."""

    address: str
    sent: int
    received: int
    refused: int  # the kernel would not send them: no route, link down
    duplicates: int  # further good replies to a request that had one
    corrupt: int  # replies that are not what was sent; the request counts as lost unless a good one came too
    late: int  # good replies to requests that were given up as lost
    seconds: float
    round_trips: tuple[int, ...]  # nanoseconds, in the order of the replies

    @property
    def lost(self) -> int:
        """Requests that were sent and got no good reply in time."""
        return self.sent - self.received

    @property
    def clean(self) -> bool:
        """Whether every request got exactly one good reply in time."""
        return not (self.lost or self.refused or self.duplicates or self.corrupt or self.late)

    def percentile(self, percent: float) -> int:
        """Return the round trip, in nanoseconds, that this many of a hundred do not exceed; 0 when there is none."""
        ordered = sorted(self.round_trips)
        rank = int(-(-len(ordered) * percent // 100))  # nearest rank: the ceiling
        return ordered[max(0, rank - 1)] if ordered else 0

    def __str__(self) -> str:
        parts = [f"{self.address}: {self.sent} sent, {self.received} answered, {self.lost} lost"]
        parts += [f"{n} {word}" for word in ("refused", "duplicates", "corrupt", "late") if (n := getattr(self, word))]
        if self.round_trips:
            p50, p99, worst = (self.percentile(percent) / 1000 for percent in (50, 99, 100))
            parts.append(f"round trip p50 {p50:.1f} us, p99 {p99:.1f} us, max {worst:.1f} us")
        return ", ".join(parts)


class Pinger:
    """One run of echo requests: `run` does it all, or a program's own loop polls `fileno` and calls `step`.

    The socket belongs to the network namespace in which the pinger was made, wherever the process goes afterwards.
    """

    def __init__(
        self,
        address: str,
        *,
        count: int = 4,
        sizes: Sequence[int] = (56,),
        interval: float = 0.0,
        window: int = 1,
        timeout: float = 1.0,
        on_reply: Callable[[int, int], None] | None = None,
        through: EchoSocket | None = None,
    ) -> None:
        """Request n has a body of sizes[n % len(sizes)] bytes; at most `window` are under way.

        A link-local `address` has its interface behind a percent sign, as in `fe80::1%ndis0`.
        `on_reply(n, nanoseconds)` is called at each good reply in time. `through` takes the place of the kernel's ICMP.
        """
        if not sizes or not all(0 <= size <= LARGEST_BODY for size in sizes):
            raise ValueError(f"sizes must be 0 to {LARGEST_BODY} bytes")
        if not 1 <= window < _SEQUENCES // 2:
            raise ValueError(f"window must be 1 to {_SEQUENCES // 2 - 1}")
        self.address = address
        self._sizes = tuple(sizes)
        self._interval = int(interval * _SECOND)
        self._window = window
        self._timeout = int(timeout * _SECOND)
        self._on_reply = on_reply
        self._pattern = bytes(range(_PERIOD)) * (max(sizes) // _PERIOD + 2)
        self._state = bytearray(count)
        self._sent_at = [0] * count
        self._next = 0  # the request to be sent next
        self._due = 0  # when that is
        self._open = 0  # how many are under way
        self._queue: deque[int] = (
            deque()
        )  # requests in the order of sending; the answered leave when they reach the front
        self._refused = self._duplicates = self._corrupt = self._late = 0
        self._round_trips: list[int] = []
        self._started = self._ended = 0
        self._family = _FAMILIES[ipaddress.ip_address(address).version]
        self._socket: EchoSocket
        if through is not None:
            self._socket, self._raw, self._identifier = through, True, next(_identifiers) % _SEQUENCES
        else:
            self._socket, self._raw, self._identifier = _connect(self._family, address)

    def __enter__(self) -> Pinger:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the socket back; the result stays."""
        self._socket.close()

    def fileno(self) -> int:
        """Return the descriptor to poll for reading, for at most `seconds_until_due`, before the next `step`."""
        return self._socket.fileno()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to send and nothing is under way."""
        return self._next == len(self._state) and not self._open

    def seconds_until_due(self) -> float:
        """Return how long there is nothing to do unless a reply comes."""
        moments = []
        if self._queue:
            moments.append(self._sent_at[self._queue[0]] + self._timeout)
        if self._next < len(self._state) and self._open < self._window:
            moments.append(self._due)
        return max(0, min(moments) - time.perf_counter_ns()) / _SECOND if moments else 0.0

    def run(self) -> PingResult:
        """Send all requests and wait for all replies, at most as long as interval and timeouts allow."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        self.step()
        while not self.finished:
            poll.poll(self.seconds_until_due() * 1000)
            self.step()
        return self.result()

    def result(self) -> PingResult:
        """Return what became of the requests so far; one that is still under way counts as lost."""
        return PingResult(
            address=self.address,
            sent=self._next - self._refused,
            received=len(self._round_trips),
            refused=self._refused,
            duplicates=self._duplicates,
            corrupt=self._corrupt,
            late=self._late,
            seconds=((self._ended or time.perf_counter_ns()) - self._started) / _SECOND if self._started else 0.0,
            round_trips=tuple(self._round_trips),
        )

    def step(self) -> None:
        """Take in the replies that are there, give up what is overdue, send what is due. Never waits."""
        self._started = self._started or time.perf_counter_ns()
        self._receive()
        self._give_up(time.perf_counter_ns())
        while self._next < len(self._state) and self._open < self._window and self._due <= time.perf_counter_ns():
            self._send()
        if self.finished and not self._ended:
            self._ended = time.perf_counter_ns()

    def _body(self, number: int) -> bytes:
        size = self._sizes[number % len(self._sizes)]
        phase = number % _PERIOD
        if size < 8:
            return self._pattern[phase : phase + size]
        return number.to_bytes(8, "big") + self._pattern[phase : phase + size - 8]

    def _send(self) -> None:
        number = self._next
        body = self._body(number)
        fields = (self._family.request, 0, 0, self._identifier, number % _SEQUENCES)
        # The kernel computes the checksum for IPv6 and for its own ping sockets, and overwrites this one.
        checksum = 0xFFFF - _sum(_HEADER.pack(*fields) + body)
        message = _HEADER.pack(self._family.request, 0, checksum, *fields[3:]) + body
        now = time.perf_counter_ns()
        try:
            self._socket.send(message)
        except OSError as error:
            if error.errno in _BUSY:
                self._due = now + _RETRY
                return
            self._state[number] = _REFUSED
            self._refused += 1
        else:
            self._state[number] = _UNDER_WAY
            self._sent_at[number] = now
            self._queue.append(number)
            self._open += 1
        self._next += 1
        self._due = now + self._interval

    def _receive(self) -> None:
        while True:
            try:
                message = self._socket.recv(LARGEST_BODY + 128)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error about an earlier request, reported once; that request is lost by its timeout
            now = time.perf_counter_ns()
            if self._raw and self._family.domain == socket.AF_INET:
                message = message[(message[0] & 15) * 4 :]  # a raw IPv4 socket shows the IP header
            if len(message) >= _HEADER.size:
                self._take(message, now)

    def _take(self, message: bytes, now: int) -> None:
        kind, _, _, identifier, sequence = _HEADER.unpack_from(message)
        number = self._next - 1 - (self._next - 1 - sequence) % _SEQUENCES
        if kind != self._family.reply or identifier != self._identifier or number < 0:
            return  # somebody else's
        # A raw IPv4 socket is given replies before the kernel has looked at their checksum.
        bad_sum = self._raw and self._family.domain == socket.AF_INET and _sum(message) != 0
        if bad_sum or message[_HEADER.size :] != self._body(number):
            self._corrupt += 1
            return
        state = self._state[number]
        if state == _UNDER_WAY:
            self._state[number] = _ANSWERED
            self._open -= 1
            self._round_trips.append(now - self._sent_at[number])
            if self._on_reply is not None:
                self._on_reply(number, now - self._sent_at[number])
        elif state == _LOST:
            self._state[number] = _LATE
            self._late += 1
        else:
            self._duplicates += 1

    def _give_up(self, now: int) -> None:
        queue = self._queue
        while queue:
            number = queue[0]
            if self._state[number] == _UNDER_WAY:
                if now - self._sent_at[number] < self._timeout:
                    return
                self._state[number] = _LOST
                self._open -= 1
            queue.popleft()


def ping(
    address: str,
    *,
    count: int = 4,
    sizes: Sequence[int] = (56,),
    interval: float = 0.0,
    window: int = 1,
    timeout: float = 1.0,
) -> PingResult:
    """Ping from the calling thread's namespace and wait for the end; a flood is a window of more than one."""
    with Pinger(address, count=count, sizes=sizes, interval=interval, window=window, timeout=timeout) as pinger:
        return pinger.run()


def _sum(data: bytes) -> int:
    """Return the Internet checksum's sum, without the final complement; 0 for a message whose checksum is right."""
    return int.from_bytes(data + b"\0" if len(data) % 2 else data, "big") % 0xFFFF


def _connect(family: _Family, address: str) -> tuple[socket.socket, bool, int]:
    """Return a connected socket, whether it is a raw one, and the identifier of its requests."""
    raw = True
    try:
        made = socket.socket(family.domain, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family.protocol)
    except PermissionError:
        raw = False
        try:
            # The kernel's own ping socket: without privileges, where the administrator has opened it to the group.
            made = socket.socket(family.domain, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, family.protocol)
        except OSError as error:
            mend = "sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'"
            raise WireError("opening an ICMP socket", mend, error) from None
    try:
        made.setblocking(False)
        try:
            made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        except PermissionError:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        if raw:
            made.setsockopt(*family.filter)
        host, _, scope = address.partition("%")
        made.connect((host, 0, 0, socket.if_nametoindex(scope)) if scope else (host, 0))
    except OSError as error:
        made.close()
        raise WireError(
            f"finding a way to {address}", f"an interface with an address beside {address}", error
        ) from None
    # The kernel gives a ping socket its identifier, as a port.
    return made, raw, next(_identifiers) % _SEQUENCES if raw else int(made.getsockname()[1])
