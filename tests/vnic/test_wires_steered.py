"""A TAP with several descriptors: the kernel gives each flow to the one that its hash says; or there is but one."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from tests.vnic.test_toeplitz import KEY, TCP, UDP, ipv4, ipv6, segment
from tests.vnic.test_wires_tap import IN_A_NAMESPACE, TUNSETPERSIST, inside
from vnic.device.toeplitz import FrameHash
from vnic.wires import linux, steering
from vnic.wires.steered import SteeredTap, open_queues
from vnic.wires.tap import Tap
from vnic.wires.wire import SteeredWire, Wire

if TYPE_CHECKING:
    from vnic.wires.network import LinkWatcher

__all__ = ["inside"]
QUEUES = 4
EVERYTHING = 0x1FF01


def send(frames: list[bytes]) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind(("ndis0", 0))
        for frame in frames:
            out.send(b"\x02\0\0\0\0\x07" + frame[6:])


def arrived(wire: Tap) -> list[list[bytes]]:
    """What lies in front of each descriptor; packet sockets send at once, so nothing is waited for."""
    found: list[list[bytes]] = []
    for descriptor in wire.queue_descriptors() if isinstance(wire, SteeredTap) else (wire.fileno(),):
        frames: list[bytes] = []
        while True:
            try:
                frames.append(os.read(descriptor, 2048))
            except BlockingIOError:
                break
        found.append(frames)
    return found


FLOWS = [
    *(
        build(segment(port, 53), protocol)
        for build in (ipv4, ipv6)
        for protocol in (TCP, UDP)
        for port in range(40, 56)
    ),
    ipv4(bytes(20), 1),
    ipv6(bytes(20), 58),
    ipv4(segment(1, 2), fragment=0x2000),
    ipv4(segment(9, 2), options=3),
]
ARP = bytes(12) + b"\x08\x06" + bytes(46)


@IN_A_NAMESPACE
def test_flows_come_where_their_hash_says(inside: LinkWatcher) -> None:
    wire, told = open_queues("ndis0", queues=QUEUES)
    assert told == ""
    assert isinstance(wire, SteeredTap)
    assert isinstance(wire, SteeredWire)
    assert len(set(wire.queue_descriptors())) == QUEUES
    assert not any(map(os.get_inheritable, wire.descriptors()))
    assert not any(map(os.get_blocking, wire.queue_descriptors()))
    wire.set_carrier(True)
    inside.wait_for("ndis0", carrier=True)
    send(FLOWS)
    assert [len(frames) for frames in arrived(wire)] == [len(FLOWS), 0, 0, 0]  # until the first key
    for information in (EVERYTHING, 0x100 | 0x400 | 1, 0x200 | 0x1000 | 1, 0x8000 | 1):
        hasher = FrameHash(information, KEY)
        wire.steer(information, KEY)
        expected: list[list[bytes]] = [[] for _ in range(QUEUES)]
        for frame in [*FLOWS, ARP]:
            sent = b"\x02\0\0\0\0\x07" + frame[6:]
            value, kind = hasher(memoryview(sent), len(sent))
            expected[value % QUEUES if kind else 0].append(sent)
        send([*FLOWS, ARP])
        assert arrived(wire) == expected
    wire.steer_to_first()
    send(FLOWS)
    assert len(arrived(wire)[0]) == len(FLOWS)
    assert 100 <= wire.longest_queue <= 10000
    wire.close()
    wire.close()
    inside.wait_for("ndis0", carrier=None)


@IN_A_NAMESPACE
def test_without_the_privilege_there_is_one_descriptor(inside: LinkWatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steering, "refusal", lambda: "Operation not permitted")
    wire, told = open_queues("ndis0", queues=QUEUES)
    assert not isinstance(wire, SteeredWire)
    assert told == ("tap:ndis0 has one descriptor for 4 queues, the host spreads its frames: Operation not permitted")
    assert isinstance(wire, Wire)
    wire.close()


@IN_A_NAMESPACE
def test_a_tap_that_somebody_has_made_without_queues_has_one_descriptor(inside: LinkWatcher) -> None:
    import fcntl

    theirs = Tap.open("ndis0")
    fcntl.ioctl(theirs.fileno(), TUNSETPERSIST, 1)
    theirs.close()
    wire, told = open_queues("ndis0", queues=QUEUES)
    assert told.endswith("somebody else has made it with one queue")
    assert type(wire) is Tap
    fcntl.ioctl(wire.fileno(), TUNSETPERSIST, 0)
    wire.close()


def test_a_user_without_privileges_is_refused_a_program() -> None:
    child = os.fork()
    if not child:
        try:
            if not os.getuid():
                os.setuid(65534)
            refused = steering.refusal.__wrapped__()
        finally:
            os._exit(0 if refused in ("", "Operation not permitted") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_program_that_is_none_is_refused() -> None:
    with pytest.raises(OSError, match="bpf"):
        linux.load_program(b"")


def test_the_program_fits_where_programs_are_kept_short() -> None:
    assert len(steering.program(EVERYTHING, KEY)) // 8 < 4096
