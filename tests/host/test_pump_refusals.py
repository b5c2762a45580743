"""What a wire refuses, and a wire that goes, on a pair of sockets whose calls fail as told."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from emulator.host.pump import AdapterPump, DescriptorCalls
from tests.host.test_pump import SLOT, Station, frame
from vnic.device import (
    VNIC_CONTROL_RECEIVE_ENABLE,
    VNIC_CONTROL_TRANSMIT_ENABLE,
    VNIC_REGISTER_TRANSMIT_ERRORS,
    VnicTransmitCompleted,
)


@pytest.fixture
def station() -> Iterator[Station]:
    station = Station()
    yield station
    station.near.close()
    station.far.close()


class Calls(DescriptorCalls):
    """Calls that fail as told; composed onto the wire as a wrapper would be."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self.failures: list[int] = []

    def fail(self) -> None:
        if self.failures and (number := self.failures.pop(0)):
            raise OSError(number, os.strerror(number))

    def readinto(self, buffer: memoryview, /) -> int | None:  # type: ignore[override]
        self.fail()
        return super().readinto(buffer)

    def write(self, data: memoryview, /) -> int | None:  # type: ignore[override]
        self.fail()
        return cast("int | None", super().write(data))

    def gather(self, fragments: list[memoryview], /) -> int | None:
        self.fail()
        return super().gather(fragments)


@pytest.fixture
def calls(station: Station) -> Calls:
    calls = Calls(station.near.fileno())
    station.pump = AdapterPump(station.hardware, station.near.fileno(), station.wake, calls=calls)
    return calls


def send_alone(station: Station, number: int) -> None:
    station.send(frame(number), first=100 + number)


def send_pieces(station: Station, number: int) -> None:
    station.send(frame(number)[:14], frame(number)[14:], more=True, first=100 + 2 * number)


Sender = Callable[[Station, int], None]


@pytest.mark.parametrize("send", [send_alone, send_pieces])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOBUFS, errno.EINVAL, errno.EMSGSIZE, errno.ENETDOWN])
@pytest.mark.parametrize("known", [False, True])
def test_a_frame_that_the_wire_refuses_is_lost(
    station: Station, calls: Calls, send: Sender, number: int, known: bool
) -> None:
    posted = 0
    if known:
        for n in range(3):
            send(station, n)
        station.enable(VNIC_CONTROL_TRANSMIT_ENABLE)
        station.pump.service()
        assert len(station.left()) == 3
        posted = VnicTransmitCompleted(station.nic, 0)
    for n in range(3):
        send(station, n)
    calls.failures = [0, 0, number]  # the first is the read by a receiver that is off
    station.enable(VNIC_CONTROL_TRANSMIT_ENABLE)
    station.pump.service()
    assert station.left() == [frame(0), frame(2)]
    assert station.counter(VNIC_REGISTER_TRANSMIT_ERRORS) == 1
    done = VnicTransmitCompleted(station.nic, 0)
    assert done == (3 if send is send_alone else 6)
    assert not known or done == posted
    assert station.pump.removed is None


@pytest.mark.parametrize("send", [send_alone, send_pieces])
@pytest.mark.parametrize("number", [errno.EBADFD, errno.ENODEV, errno.ENXIO, errno.EPIPE, errno.ECONNRESET])
def test_a_wire_that_goes_while_frames_are_sent(station: Station, calls: Calls, send: Sender, number: int) -> None:
    station.post(SLOT[:2])
    for n in range(3):
        send(station, n)
    calls.failures = [0, 0, number]
    assert not station.pump.service()
    assert station.pump.removed
    assert station.left() == [frame(0)]
    assert VnicTransmitCompleted(station.nic, 0) == (1 if send is send_alone else 2)


def test_a_wire_that_goes_while_frames_are_read(station: Station, calls: Calls) -> None:
    station.post(SLOT[:4])
    station.arrive(frame(0), frame(1))
    calls.failures = [0, errno.EBADFD]
    assert not station.pump.service()
    assert station.pump.removed
    assert station.received() == [frame(0)]


@pytest.mark.parametrize("enabled", [0, VNIC_CONTROL_RECEIVE_ENABLE, VNIC_CONTROL_TRANSMIT_ENABLE])
def test_an_error_that_means_nothing_of_the_kind_is_ours(station: Station, calls: Calls, enabled: int) -> None:
    station.post(SLOT[:4])
    station.send(frame(0))
    station.enable(enabled)
    calls.failures = [0, errno.EBADF] if enabled == VNIC_CONTROL_TRANSMIT_ENABLE else [errno.EBADF]
    with pytest.raises(OSError, match="Bad file descriptor"):
        station.pump.service()


@pytest.mark.parametrize("whole", [0, 1])
def test_a_wire_that_goes_behind_a_lone_frame(station: Station, calls: Calls, whole: int) -> None:
    station.post(SLOT[:64])
    station.pump.service()
    station.arrive(frame(0))
    calls.failures = [0] * whole + [errno.EBADFD]
    assert not station.pump.service()
    assert station.pump.removed
    assert station.received() == [frame(0)] * whole
