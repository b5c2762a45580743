"""Large TCP frames from one kernel to another, through TAP, netvmini, ndislwf, bridge, netvmini and TAP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scenarios.networks import Networks, stream

if TYPE_CHECKING:
    from emulator.testing import Lab

pytestmark = pytest.mark.tap
MEGABYTES = 8


def test_tcp_crosses_in_large_frames_and_arrives_as_it_was_sent(lab: Lab) -> None:
    networks = Networks(lab, offloads=True)
    for reverse in (False, True):
        assert stream(networks, networks.nics[1], MEGABYTES, reverse=reverse)
    networks.settled()
    for adapter in networks.machine.statistics().adapters:
        assert adapter["received_bytes"] > MEGABYTES << 20
        assert adapter["received_bytes"] / adapter["received"] > 3000
        assert adapter["receive_errors"] == adapter["send_errors"] == 0
