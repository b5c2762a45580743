"""The pinging end against the kernel's own ICMP, and against replies that are wrong in each way it counts."""

from __future__ import annotations

import os
import select
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.patience import DEADLINE
from vnic.wires import ping as module
from vnic.wires.network import LinkWatcher, Namespace
from vnic.wires.ping import Pinger, PingResult, ping
from vnic.wires.tap import Tap
from vnic.wires.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAC = b"\x02\0\0\0\0\x02"


@pytest.fixture
def inside() -> Iterator[None]:
    with Namespace.create() as namespace, namespace.entered():
        yield


@pytest.fixture
def tap(inside: None) -> Iterator[Tap]:
    """A TAP whose neighbour 10.77.0.2 is known, so that ICMP is all that comes."""
    wire = Tap.open("ndis0", "10.77.0.1/24")
    wire.set_carrier(True)
    with LinkWatcher() as watcher:
        watcher.wait_for("ndis0", carrier=True)
    yield wire
    wire.close()


def sum_of(data: bytes | bytearray) -> int:
    total = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def echo_reply(request: bytes, spoil: Callable[[bytearray], None] | None = None, resum: bool = True) -> bytes:
    """Answer an echo request as a station would; `spoil` may change the ICMP message before its checksum is made."""
    message = bytearray(request[34:])
    message[0] = 0
    message[2:4] = bytes(2)
    if resum and spoil:
        spoil(message)
    message[2:4] = sum_of(message).to_bytes(2, "big")
    if not resum and spoil:
        spoil(message)
    return request[6:12] + request[:6] + request[12:26] + request[30:34] + request[26:30] + message


def arp_reply(request: bytes) -> bytes:
    return request[6:12] + MAC + request[12:20] + b"\0\x02" + MAC + request[38:42] + request[22:28] + request[28:32]


def converse(wire: Tap, pinger: Pinger, answer: Callable[[int, bytes], list[bytes]]) -> PingResult:
    """Play the station on the TAP in the pinger's own loop: answer(n, request) are the frames for request n."""
    poll = select.poll()
    poll.register(wire.fileno(), select.POLLIN)
    poll.register(pinger.fileno(), select.POLLIN)
    number = 0
    with pinger:
        pinger.step()
        while not pinger.finished:
            poll.poll(pinger.seconds_until_due() * 1000)
            while True:
                try:
                    frame = os.read(wire.fileno(), 2048)
                except BlockingIOError:
                    break
                if frame[12:14] == b"\x08\x06":
                    os.write(wire.fileno(), arp_reply(frame))
                else:
                    for reply in answer(number, frame):
                        os.write(wire.fileno(), reply)
                    number += 1
            pinger.step()
    return pinger.result()


@pytest.mark.tap
def test_the_kernel_answers(inside: None) -> None:
    replies: list[tuple[int, int]] = []
    with Pinger("127.0.0.1", count=5, on_reply=lambda number, taken: replies.append((number, taken))) as pinger:
        result = pinger.run()
    assert result.clean
    assert (result.sent, result.received) == (5, 5)
    assert [number for number, _ in replies] == [0, 1, 2, 3, 4]
    assert tuple(taken for _, taken in replies) == result.round_trips
    assert all(0 < taken < 10**9 for taken in result.round_trips)
    assert 0 < result.seconds < 5


@pytest.mark.tap
def test_all_sizes(inside: None) -> None:
    sizes = [0, 1, 7, 8, 9, 56, 255, 1471, 1472, 1473, 9000, 65507]
    result = ping("127.0.0.1", count=len(sizes) * 2, sizes=sizes, window=3)
    assert result.clean
    assert result.received == len(sizes) * 2


@pytest.mark.tap
@pytest.mark.parametrize("size", [56, 1472])
def test_a_flood_of_ten_thousand_without_loss(inside: None, size: int) -> None:
    result = ping("127.0.0.1", count=10_000, sizes=[size], window=64, timeout=DEADLINE)
    assert result.clean
    assert result.received == 10_000
    assert result.percentile(50) <= result.percentile(99) <= result.percentile(100)


@pytest.mark.tap
def test_sequences_beyond_sixteen_bits(inside: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SEQUENCES", 1 << 6)
    assert ping("127.0.0.1", count=300, window=20).clean


@pytest.mark.tap
def test_over_ipv6(inside: None) -> None:
    result = ping("::1", count=50, sizes=[0, 56, 1400], window=5)
    assert result.clean
    assert result.received == 50


@pytest.mark.tap
def test_two_pingers_do_not_hear_each_other(inside: None) -> None:
    with Pinger("127.0.0.1", count=20, window=20) as first, Pinger("127.0.0.1", count=20, window=20) as second:
        first.step()
        second.step()
        assert first.run().clean
        assert second.run().clean


@pytest.mark.tap
def test_the_kernel_s_own_ping_socket_does_as_well(inside: None, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 2147483647", encoding="ascii")
    real = socket.socket

    def without_raw(family: int, kind: int, protocol: int) -> socket.socket:
        if kind & socket.SOCK_RAW == socket.SOCK_RAW:
            raise PermissionError(1, "Operation not permitted")
        return real(family, kind, protocol)

    monkeypatch.setattr("vnic.wires.ping.socket.socket", without_raw)
    assert ping("127.0.0.1", count=100, sizes=[0, 56, 1472], window=10).clean
    assert ping("::1", count=10).clean


@pytest.mark.tap
def test_a_namespace_of_an_earlier_moment_is_pinged_from_outside() -> None:
    with Namespace.create() as namespace:
        with namespace.entered():
            wire = Tap.open("ndis0", "10.77.0.1/24")
            pinger = Pinger("10.77.0.1", count=3)
        with pinger:
            assert pinger.run().clean
        wire.close()


@pytest.mark.tap
def test_a_station_on_the_tap_answers(tap: Tap) -> None:
    pinger = Pinger("10.77.0.2", count=500, sizes=[56, 1472], window=32, timeout=DEADLINE)
    result = converse(tap, pinger, lambda _, frame: [echo_reply(frame)])
    assert result.clean
    assert result.received == 500


@pytest.mark.tap
def test_each_way_of_being_wrong_has_its_count(tap: Tap) -> None:
    kept: list[bytes] = []

    def flip(at: int) -> Callable[[bytearray], None]:
        def change(message: bytearray) -> None:
            message[at] ^= 1

        return change

    def answer(number: int, frame: bytes) -> list[bytes]:
        match number:
            case 0:
                return [echo_reply(frame), echo_reply(frame)]  # twice
            case 1:
                return [echo_reply(frame, flip(20))]  # another body
            case 2:
                return [echo_reply(frame, flip(2), resum=False)]  # another checksum
            case 3:
                return [echo_reply(frame, flip(4))]  # somebody else's identifier
            case 4:
                kept.append(frame)
                return []  # lost, and late
            case 5:
                return [echo_reply(frame)[:-8]]  # cut off: the kernel itself drops it
            case _:
                return [echo_reply(kept[0]), echo_reply(frame)]

    result = converse(tap, Pinger("10.77.0.2", count=7, timeout=0.3), answer)
    assert (result.sent, result.received, result.lost) == (7, 2, 5)
    assert (result.duplicates, result.corrupt, result.late, result.refused) == (1, 2, 1, 0)
    assert not result.clean


@pytest.mark.tap
def test_nobody_answers(tap: Tap) -> None:
    result = converse(tap, Pinger("10.77.0.2", count=5, window=5, timeout=0.05), lambda _number, _frame: [])
    assert (result.sent, result.received, result.lost, result.round_trips) == (5, 0, 5, ())
    assert result.percentile(99) == 0


@pytest.mark.tap
def test_an_interval_is_kept(inside: None) -> None:
    result = ping("127.0.0.1", count=4, interval=0.02, window=10)
    assert result.clean
    assert 0.06 <= result.seconds < 5


@pytest.mark.tap
def test_no_way_there(inside: None) -> None:
    with pytest.raises(WireError, match=r"finding a way to 10.77.0.2 failed \(Network is unreachable\)"):
        Pinger("10.77.0.2")


@pytest.mark.tap
def test_a_link_taken_down_under_way_refuses(tap: Tap) -> None:
    pinger = Pinger("10.77.0.2", count=3)
    tap._device.down()
    with pinger:
        result = pinger.run()
    assert (result.sent, result.refused) == (0, 3)
    assert "3 refused" in str(result)


def test_no_permission_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_family: int, _kind: int, _protocol: int) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("vnic.wires.ping.socket.socket", refuse)
    with pytest.raises(WireError, match=r"opening an ICMP socket failed .*ping_group_range"):
        Pinger("127.0.0.1")


@pytest.mark.parametrize("wrong", [{"sizes": []}, {"sizes": [65508]}, {"sizes": [-1]}, {"window": 0}])
def test_what_makes_no_sense(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Pinger("127.0.0.1", **wrong)  # type: ignore[arg-type]


def test_percentiles_by_nearest_rank() -> None:
    result = PingResult("a", 4, 4, 0, 0, 0, 0, 1.0, (4000, 1000, 3000, 2000))
    assert [result.percentile(percent) for percent in (0, 25, 26, 50, 99, 100)] == [1000, 1000, 2000, 2000, 4000, 4000]
    assert str(result) == "a: 4 sent, 4 answered, 0 lost, round trip p50 2.0 us, p99 4.0 us, max 4.0 us"
