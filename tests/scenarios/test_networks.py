"""Real traffic through a filter and a bridge, between two networks that meet nowhere else, and what may disturb it."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.patience import DEADLINE
from tests.scenarios.datagrams import Exchange
from tests.scenarios.networks import (
    ADDRESSES,
    IPERF,
    Download,
    Networks,
    measure,
    serving,
    stream,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emulator.testing import Lab, Nic

pytestmark = pytest.mark.tap
SAMPLE: Final = 8 << 20
WHOLE: Final = 100 << 20


def pause_and_restart(nic: Nic) -> None:
    nic.pause()
    nic.restart()


def flap(nic: Nic) -> None:
    nic.link(False)
    nic.wait_carrier(False)
    nic.link(True)
    nic.wait_carrier(True)


def detach_and_attach(nic: Nic) -> None:
    nic.detach("ndislwf")
    nic.attach("ndislwf")


def halt_and_start(nic: Nic) -> None:
    nic.halt()
    nic.start()


def sleep_and_wake(nic: Nic) -> None:
    nic.power("d3")
    nic.power("d0")


def reset(nic: Nic) -> None:
    nic.reset()


ACTS: Final = (pause_and_restart, flap, detach_and_attach, sleep_and_wake, halt_and_start, reset, pause_and_restart)
"""Seven, so that each is done to either adapter in turn."""


def disturbances(networks: Networks) -> Iterator[tuple[str, Callable[[], None]]]:
    """Everything that is done under traffic, to the adapters in turn."""
    for number in itertools.count():
        act, nic = ACTS[number % len(ACTS)], networks.nics[number % 2]
        yield f"{act.__name__} of adapter {nic.number}", functools.partial(act, nic)


def test_ping_tcp_udp_and_a_file_without_the_loss_of_a_frame(lab: Lab) -> None:
    """TCP and UDP by iperf3; where the computer has none, the same claim by sockets of our own."""
    networks = Networks(lab)
    first, second = networks.nics
    for nic, address in zip(networks.nics, reversed(ADDRESSES), strict=True):
        result = nic.ping(address, count=100, sizes=range(0, 1473, 16), window=16, timeout=DEADLINE)
        assert result.clean, str(result)
    for reverse in (False, True):
        if IPERF:
            assert measure(networks, second, 2, udp=False, reverse=reverse)["sum_sent"]["bytes"] >= 2 << 20
            assert measure(networks, second, 1, udp=True, reverse=reverse)["sum"]["packets"] > 700
        else:
            print("this computer has no iperf3: TCP by sockets of our own")
            assert stream(networks, second, 2, reverse=reverse)
    with Exchange(networks) as exchange:
        exchange.wait_for(500)
    assert [(flow.lost, flow.wrong) for flow in exchange.flows] == [([], []), ([], [])]
    with serving(networks, second, SAMPLE // 2) as file:
        assert Download(first, file, 3 * DEADLINE).wait() == file.checksum
    assert networks.lost_inside() == {}


def test_a_file_comes_whole_and_datagrams_are_lost_only_while_something_is_done(lab: Lab) -> None:
    networks = Networks(lab)
    with serving(networks, networks.nics[1], SAMPLE) as file, Exchange(networks) as exchange:
        download = Download(networks.nics[0], file, 3 * DEADLINE)
        for why, act in itertools.islice(disturbances(networks), len(ACTS)):
            download.wait_for(SAMPLE // 16)
            exchange.wait_for(50)
            exchange.disturbed(why, act)
        assert download.wait() == file.checksum
        exchange.wait_for(50)
    networks.settled()
    explained(exchange)


def explained(exchange: Exchange) -> None:
    """What was lost was lost while something was done; the rest came in order and undamaged."""
    for flow in exchange.flows:
        assert flow.unexplained() == [], (flow.gaps, flow.lost)
        assert flow.wrong == []


@pytest.mark.soak
@pytest.mark.parametrize("options", [{}, {"processors": 2, "checked": False}], ids=["checked", "free, 2 processors"])
def test_a_hundred_megabytes_while_everything_is_done_again_and_again(lab: Lab, options: dict[str, Any]) -> None:
    networks = Networks(lab, **options)
    done = 0
    with serving(networks, networks.nics[1], WHOLE) as file, Exchange(networks) as exchange:
        download = Download(networks.nics[0], file, 600.0)
        for why, act in disturbances(networks):
            if not download.wait_for(1 << 20):
                break
            exchange.wait_for(200)
            exchange.disturbed(why, act)
            done += 1
        assert download.wait() == file.checksum
        exchange.wait_for(100)
    networks.settled()
    explained(exchange)
    lost = [len(flow.lost) for flow in exchange.flows]
    sent = [flow.sent for flow in exchange.flows]
    print(f"100 MiB in {download.seconds:.0f} s, {done} disturbances; datagrams: {lost} lost of {sent}")


@pytest.mark.soak
@pytest.mark.parametrize("reverse", [False, True], ids=["there", "back"])
def test_tcp_and_udp_for_long(lab: Lab, reverse: bool) -> None:
    networks = Networks(lab, processors=2)
    server = networks.nics[1]
    if not IPERF:
        assert stream(networks, server, 200, reverse=reverse)
        return
    tcp = measure(networks, server, 200, udp=False, reverse=reverse)["sum_received"]
    udp = measure(networks, server, 50, udp=True, reverse=reverse)["sum"]
    assert networks.lost_inside() == {}
    print(f"TCP {tcp['bits_per_second'] / 1e6:.0f} Mbit/s; UDP {udp['lost_packets']} lost of {udp['packets']}")
