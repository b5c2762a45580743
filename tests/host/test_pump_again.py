"""Frames that lie where the same lay when the transmit ring last came round: they are sent without being looked up."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from tests.host.test_pump import BOTH, ENTRIES, SLOT, Station, frame
from tests.host.test_pump_refusals import Calls, calls, station
from vnic.device import (
    VNIC_CONTROL_RESET,
    VNIC_REGISTER_TRANSMIT_ERRORS,
    VnicDescriptor,
    VnicTransmit,
    VnicTransmitCompleted,
)
from vnic.device.hardware import DeviceFault
from vnic.device.host_queue import HostQueue

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["calls", "station"]

BATCH = 32


class LookUps:
    """How many descriptors the host has copied to look them up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        descriptors = HostQueue.descriptors

        def counted(queue: HostQueue, count: int) -> list[int]:
            self.count += count
            return descriptors(queue, count)

        monkeypatch.setattr(HostQueue, "descriptors", counted)


@pytest.fixture
def look_ups(monkeypatch: pytest.MonkeyPatch) -> LookUps:
    return LookUps(monkeypatch)


def numbers() -> Iterator[int]:
    """A number for each batch, while the ring comes round once."""
    return iter(range(0, ENTRIES, BATCH))


def send(station: Station, first: int, length: int = 60) -> list[bytes]:
    """Send a batch and see to it that all of it leaves; what has left."""
    assert station.send(*(frame(n, length) for n in range(first, first + BATCH))) == BATCH
    while station.pump.service():
        pass
    assert VnicTransmitCompleted(station.nic, 0) == BATCH
    return station.left()


def expected(first: int, length: int = 60) -> list[bytes]:
    return [frame(n, length) for n in range(first, first + BATCH)]


@pytest.mark.parametrize("before", [0, 5])
def test_a_ring_that_comes_round_with_the_same_is_not_looked_up(
    station: Station, look_ups: LookUps, before: int
) -> None:
    station.send(*(frame(n) for n in range(before)))
    station.pump.service()
    VnicTransmitCompleted(station.nic, 0)
    station.left()
    for n in numbers():
        assert send(station, n) == expected(n)
    assert look_ups.count == ENTRIES + before
    for n in numbers():
        assert send(station, n + 1000) == expected(n + 1000), "the bytes are those that lie there now"
    assert look_ups.count <= ENTRIES + 2 * before, "all but those that lay there before"


def test_another_length_in_the_same_place_is_another_frame(station: Station, look_ups: LookUps) -> None:
    for length in (60, 61, 60):
        look_ups.count = 0
        for n in numbers():
            assert send(station, n, length) == expected(n, length)
        assert look_ups.count == ENTRIES


def test_what_is_no_frame_is_found_where_a_frame_lay(station: Station) -> None:
    for n in numbers():
        send(station, n)
    VnicTransmit(station.nic, 0, [VnicDescriptor(SLOT[200], 60), VnicDescriptor(SLOT[201], 60) | 4 << 48])
    with pytest.raises(DeviceFault, match="reserved flags"):
        station.pump.service()


def test_a_reset_forgets_what_lay_in_the_ring(station: Station, look_ups: LookUps) -> None:
    for n in numbers():
        send(station, n)
    station.enable(VNIC_CONTROL_RESET)
    station.pump.service()
    station.enable(BOTH)
    look_ups.count = 0
    for n in numbers():
        assert send(station, n) == expected(n)
    assert look_ups.count == ENTRIES


@pytest.mark.parametrize("number", [errno.EIO, errno.EMSGSIZE])
def test_a_frame_that_the_wire_refuses_is_lost_and_the_others_are_sent(
    station: Station, calls: Calls, look_ups: LookUps, number: int
) -> None:
    for n in numbers():
        send(station, n)
    look_ups.count = 0
    calls.failures = [0, 0, number]
    assert send(station, 0) == [frame(n) for n in range(BATCH) if n != 2]
    assert station.counter(VNIC_REGISTER_TRANSMIT_ERRORS) == 1
    assert not look_ups.count


def test_a_wire_that_goes_completes_what_it_took(station: Station, calls: Calls) -> None:
    for n in numbers():
        send(station, n)
    station.send(*(frame(n) for n in range(BATCH)))
    calls.failures = [0, 0, errno.ENODEV]
    assert not station.pump.service()
    assert station.pump.removed
    assert station.left() == [frame(0), frame(1)]
    assert VnicTransmitCompleted(station.nic, 0) == 2


def test_a_wire_that_takes_no_more_keeps_the_others_posted(station: Station) -> None:
    for n in numbers():
        send(station, n, 1500)
    taken: list[bytes] = []
    sent = 0
    while not station.pump.wants_write:
        sent += station.send(*(frame(n, 1500) for n in range(BATCH)))
        VnicTransmitCompleted(station.nic, 0)
        station.pump.service()
    assert not station.pump.pending()
    while station.pump.service() or station.pump.wants_write:
        taken += station.left()
    taken += station.left()
    assert taken == expected(0, 1500) * (sent // BATCH)
