"""Messages with descriptors: they arrive whole or not at all, and nothing that was refused stays open."""

from __future__ import annotations

import array
import os
import resource
import signal
import socket
from typing import TYPE_CHECKING

import msgspec
import pytest

from emulator.sync import descriptors, processes
from emulator.sync.errors import SharedMemoryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sync.conftest import Fork, Isolated

Pair = tuple[socket.socket, socket.socket]


class Started(msgspec.Struct, tag=True, frozen=True):
    slot: int


class Ended(msgspec.Struct, tag=True, frozen=True):
    slot: int
    reason: str


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, two = descriptors.pair()
    with one, two:
        yield one, two


@pytest.fixture
def null() -> Iterator[int]:
    null = os.open(os.devnull, os.O_RDWR)
    yield null
    os.close(null)


def held() -> dict[int, str]:
    return processes.descriptors(os.getpid())


def test_a_message_arrives_whole_with_its_descriptors(pair: Pair, null: int) -> None:
    reading, writing = os.pipe()
    descriptors.send(pair[0], b"first", [null, writing])
    descriptors.send(pair[0], b"second")
    message, fds = descriptors.receive(pair[1])
    assert message == b"first"
    assert [os.readlink(f"/proc/self/fd/{fd}") for fd in fds] == [
        os.devnull,
        os.readlink(f"/proc/self/fd/{writing}"),
    ]
    assert not any(os.get_inheritable(fd) for fd in fds)
    assert descriptors.receive(pair[1]) == (b"second", [])
    descriptors.close_all([*fds, reading, writing])


def test_as_many_descriptors_as_promised(pair: Pair, null: int) -> None:
    descriptors.send(pair[0], b"many", [null] * descriptors.MAX_DESCRIPTORS)
    _, fds = descriptors.receive(pair[1])
    assert len(fds) == descriptors.MAX_DESCRIPTORS
    descriptors.close_all(fds)
    with pytest.raises(ValueError, match="251 descriptors"):
        descriptors.send(pair[0], b"more", [null] * (descriptors.MAX_DESCRIPTORS + 1))


@pytest.mark.parametrize("length", [0, descriptors.MAX_MESSAGE + 1])
def test_a_message_that_could_not_be_received_is_not_sent(pair: Pair, length: int) -> None:
    with pytest.raises(ValueError, match=f"a message of {length} bytes"):
        descriptors.send(pair[0], b"x" * length)
    assert descriptors.try_receive(pair[1]) is None


def test_nothing_waits_where_waiting_was_not_asked_for(pair: Pair) -> None:
    assert descriptors.try_receive(pair[1]) is None
    sent = 0
    while descriptors.try_send(pair[0], b"x" * 1000):
        sent += 1
    assert sent > 10
    for _ in range(sent):
        assert descriptors.try_receive(pair[1]) == (b"x" * 1000, [])
    assert descriptors.try_send(pair[0], b"room again")


def test_the_end_is_told_after_what_was_sent_before_it(pair: Pair) -> None:
    descriptors.send(pair[0], b"last words")
    pair[0].close()
    assert descriptors.receive(pair[1]) == (b"last words", [])
    for receive in (descriptors.receive, descriptors.try_receive):
        with pytest.raises(descriptors.ChannelClosed):
            receive(pair[1])
    with pytest.raises(descriptors.ChannelClosed):
        descriptors.send(pair[1], b"into the void")


def test_the_end_is_told_and_not_signalled(isolated: Isolated) -> None:
    def body() -> None:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        one, two = descriptors.pair()
        two.close()
        with pytest.raises(descriptors.ChannelClosed):
            descriptors.send(one, b"into the void")

    isolated(body)


def test_the_end_is_told_when_messages_were_left_unread(pair: Pair) -> None:
    descriptors.send(pair[1], b"never read")
    pair[0].close()
    with pytest.raises(descriptors.ChannelClosed):
        descriptors.receive(pair[1])


def test_a_message_that_is_too_long_is_refused_with_its_descriptors(pair: Pair, null: int) -> None:
    before = held()
    descriptors.send(pair[0], b"x" * 101, [null])
    with pytest.raises(descriptors.ChannelGarbage, match="more than 100 bytes"):
        descriptors.receive(pair[1], limit=100)
    assert held() == before
    descriptors.send(pair[0], b"x" * 100)
    assert descriptors.receive(pair[1], limit=100) == (b"x" * 100, [])


def test_an_empty_message_with_a_descriptor_leaves_nothing_open(pair: Pair, null: int) -> None:
    before = held()
    pair[0].sendmsg([b""], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null]))])
    with pytest.raises(descriptors.ChannelClosed):
        descriptors.receive(pair[1])
    assert held() == before


def test_descriptors_for_which_there_is_no_room_refuse_the_message(isolated: Isolated) -> None:
    def body() -> None:
        one, two = descriptors.pair()
        descriptors.send(one, b"three", [2, 2, 2])
        used = len(held())
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, used + 1))
        before = held()
        with pytest.raises(descriptors.ChannelGarbage, match="more descriptors"):
            descriptors.receive(two)
        assert held() == before
        os.close(os.dup(2))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used, used))
        with pytest.raises(SharedMemoryError, match="making a control socket"):
            descriptors.pair()

    isolated(body)


def test_a_channel_carries_records_of_its_type(pair: Pair, null: int) -> None:
    one = descriptors.Channel[Started | Ended](pair[0], Started | Ended)
    two = descriptors.Channel[Started | Ended](pair[1], Started | Ended)
    one.send(Started(3), [null])
    assert one.try_send(Ended(3, "SIGKILL"))
    record, fds = two.receive()
    assert record == Started(3)
    assert len(fds) == 1
    descriptors.close_all(fds)
    assert two.try_receive() == (Ended(3, "SIGKILL"), [])
    assert two.try_receive() is None
    assert two.fileno() == pair[1].fileno()
    one.close()
    with pytest.raises(descriptors.ChannelClosed):
        two.receive()


@pytest.mark.parametrize("garbage", [b"\xc1", b"x", b"\x80", msgspec.msgpack.encode(Started(1)) + b"x"])
def test_what_is_not_of_the_type_is_refused_with_its_descriptors(pair: Pair, null: int, garbage: bytes) -> None:
    channel = descriptors.Channel[Ended](pair[1], Ended)
    before = held()
    descriptors.send(pair[0], garbage, [null])
    with pytest.raises(descriptors.ChannelGarbage, match="none of ours"):
        channel.receive()
    assert held() == before
    descriptors.send(pair[0], msgspec.msgpack.encode(Ended(1, "still usable")))
    assert channel.receive() == (Ended(1, "still usable"), [])


def test_a_descriptor_reaches_another_process(pair: Pair, fork: Fork) -> None:
    reading, writing = os.pipe()

    def main() -> int:
        _, fds = descriptors.receive(pair[1])
        return os.write(fds[0], b"from the child")

    child = fork(main, keep={pair[1].fileno()})
    descriptors.send(pair[0], b"take it", [writing])
    assert os.read(reading, 100) == b"from the child"
    assert processes.reap(child.pid).code == len(b"from the child")
    descriptors.close_all([reading, writing])
