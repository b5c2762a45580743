"""Live machines on TAPs in an anonymous namespace: the kernel's own ping, every size, a flood, removal, carrier."""

from __future__ import annotations

import ipaddress
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.rules.limits import VnicLimit
from emulator.testing.ends import TapEnd
from tests.patience import DEADLINE
from tests.scenarios.networks import inside
from tests.scenarios.traffic import MINIPORT, RESPONDER, free_buffers, settled

if TYPE_CHECKING:
    from emulator.testing import Lab, Nic

pytestmark = pytest.mark.tap
LARGEST_BODY = 1500 - 20 - 8
IFA_F_DADFAILED = 0x08


def test_every_size_up_to_the_mtu(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=RESPONDER, wire="tap")
    before = free_buffers(nic)
    result = nic.ping(count=LARGEST_BODY + 1, sizes=range(LARGEST_BODY + 1), window=16)
    assert result.clean, str(result)
    assert result.received == LARGEST_BODY + 1
    settled(nic, before)


def test_a_flood_of_ten_thousand_without_loss(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=RESPONDER, wire="tap", processors=2)
    before = free_buffers(nic)
    result = nic.ping(count=10_000, sizes=(56, 1000), window=64, timeout=DEADLINE)
    assert result.clean, str(result)
    settled(nic, before)
    counted = nic.counters
    assert counted["receive_no_buffer"] == counted["receive_errors"] == counted["send_errors"] == 0


PING = shutil.which("ping")


@pytest.mark.skipif(PING is None, reason="needs the program ping: apt-get install iputils-ping")
def test_the_program_ping_of_several_sizes_and_in_a_flood(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=RESPONDER, wire="tap")
    before = free_buffers(nic)
    runs = [["-c", "50", "-i", "0.01", "-s", str(size)] for size in (0, 1, 56, 1000, LARGEST_BODY)]
    for options in (*runs, ["-c", "10000", "-f"]):
        with inside(nic):
            done = subprocess.run(
                [str(PING), "-q", "-M", "do", *options, nic.peer], capture_output=True, text=True, check=False
            )
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(rf"\b{options[1]} packets transmitted, {options[1]} received, 0% packet loss", done.stdout)
    settled(nic, before)


BOTH = "10.78.0.1/24,fd00:78::1/64"


def link_local(nic: Nic) -> str:
    """The address of responder that its hardware address makes, on the interface."""
    mac = bytes.fromhex(nic.mac.replace(":", ""))
    own = b"\xfe\x80" + bytes(6) + bytes((mac[0] ^ 2,)) + mac[1:3] + b"\xff\xfe" + mac[3:]
    return f"{ipaddress.IPv6Address(own)}%{nic.interface}"


def test_ipv6_of_every_size_up_to_the_mtu(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=RESPONDER, wire="tap", address=BOTH)
    before = free_buffers(nic)
    sizes = range(1500 - 40 - 8 + 1)
    result = nic.ping("fd00:78::2", count=len(sizes), sizes=sizes, window=16)
    assert result.clean, str(result)
    result = nic.ping(link_local(nic), count=200, sizes=(0, 1, 56, sizes[-1]), window=16)
    assert result.clean, str(result)
    result = nic.ping(count=50, window=8)
    assert result.clean, str(result)
    assert result.address == "10.78.0.2"
    settled(nic, before)


@pytest.mark.parametrize("target", ["10.78.0.2", "fd00:78::2"])
def test_udp_echo_through_the_kernel_s_sockets(lab: Lab, target: str) -> None:
    nic = lab.start(MINIPORT, protocol=RESPONDER, wire="tap", address=BOTH)
    before = free_buffers(nic)
    assert isinstance(nic.end, TapEnd)
    with nic.end.namespace.entered():
        made = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM)
    with made:
        made.settimeout(DEADLINE)
        made.connect((target, 7))
        for size in (0, 1, 2, 3, 17, 512, 1451, 1452):
            body = bytes(place * 7 + size & 0xFF for place in range(size))
            made.send(body)
            assert made.recv(2048) == body
    settled(nic, before)


def test_the_kernel_does_not_take_an_address_that_responder_has(lab: Lab) -> None:
    """The kernel looks for the double of an address that it shall get, and is told of it."""
    from pyroute2 import IPRoute

    nic = lab.start(MINIPORT, protocol=RESPONDER, wire="tap", address=BOTH)
    assert isinstance(nic.end, TapEnd)
    with nic.end.namespace.entered():
        Path(f"/proc/sys/net/ipv6/conf/{nic.interface}/dad_transmits").write_text("1", encoding="ascii")
        with IPRoute() as route:
            route.addr("add", index=socket.if_nametoindex(nic.interface), address="fd00:78::2", prefixlen=64)
            deadline = time.monotonic() + DEADLINE
            while time.monotonic() < deadline:
                found = list(route.get_addr(family=socket.AF_INET6, address="fd00:78::2"))
                if not found or found[0]["flags"] & IFA_F_DADFAILED:
                    break
                select.select([], [], [], 0.01)
            else:
                pytest.fail("the kernel has heard of no double")


def pinger(nic: Nic, count: int) -> Any:
    from vnic.wires.ping import Pinger

    assert isinstance(nic.end, TapEnd)
    with nic.end.namespace.entered():
        return Pinger(nic.peer, count=count, sizes=(56, 700), window=8, timeout=DEADLINE)


def run_all(pingers: list[Any]) -> None:
    """Ping on all wires at once."""
    poll = select.poll()
    for one in pingers:
        poll.register(one, select.POLLIN)
        one.step()
    while not all(one.finished for one in pingers):
        poll.poll(max(1, min(one.seconds_until_due() for one in pingers if not one.finished) * 1000))
        for one in pingers:
            one.step()


def test_two_machines_and_two_adapters_in_one_at_once(lab: Lab) -> None:
    nics = [
        *lab.start(MINIPORT, protocol=RESPONDER, wire="tap", adapters=2).machine.nics,
        lab.start(MINIPORT, protocol=RESPONDER, wire="tap"),
    ]
    pingers = [pinger(nic, 500) for nic in nics]
    run_all(pingers)
    for one in pingers:
        one.close()
        assert one.result().clean, str(one.result())


def test_pause_and_restart_under_pings(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=RESPONDER, wire="tap")
    before = free_buffers(nic)
    assert nic.ping(count=50, window=8).clean
    with pinger(nic, 400) as under_way:
        for _ in range(4):
            under_way.step()
            nic.pause()
            nic.restart()
    assert nic.ping(count=200, window=8, timeout=DEADLINE).clean
    settled(nic, before)


def test_a_tap_deleted_from_outside_is_a_surprise_removal(lab: Lab) -> None:
    first, second = lab.start(MINIPORT, protocol=RESPONDER, wire="tap", adapters=2).machine.nics
    assert first.ping(count=10).clean
    first.remove()
    assert lab.links.wait_for(first.interface, carrier=None) is None
    lab.log.wait_for("was taken away")
    assert second.ping(count=100, window=8).clean
    assert first.machine.running


def test_the_link_as_netlink_sees_it(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=RESPONDER, wire="tap")
    for up in (False, True):
        nic.link(up)
        nic.wait_carrier(up)
    assert nic.ping(count=5).clean


def test_a_stop_turns_the_carrier_off_and_takes_the_interface_away(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=RESPONDER, wire="tap")
    other = lab.start(MINIPORT, protocol=RESPONDER, wire="tap")
    assert nic.ping(count=5).clean
    with lab.expect_stop(VnicLimit.VNIC_CONTEXT_TERMINATED) as stop:
        os.kill(nic.machine.proxy.pids()[4], signal.SIGKILL)
        state = lab.links.wait_for(nic.interface, carrier=False)
        assert state is not None
        assert lab.links.wait_for(nic.interface, carrier=None) is None
    assert stop.report.context == "processor 0"
    assert other.ping(count=50, window=8).clean
