"""netvmini and the standardized keywords of the registry: which offloads are on from the beginning."""

from __future__ import annotations

import re
from operator import attrgetter

import pytest

from emulator.ndis.headers import oids
from tests.drivers.test_netvmini_offload import HEADERS, Offloads

EVERY = frozenset(
    (
        *(f"Checksum.IPv4{way}.{what}Checksum" for way in ("Transmit", "Receive") for what in ("Ip", "Tcp", "Udp")),
        *(f"Checksum.IPv6{way}.{what}Checksum" for way in ("Transmit", "Receive") for what in ("Tcp", "Udp")),
        *("LsoV1.IPv4.Encapsulation", "LsoV2.IPv4.Encapsulation", "LsoV2.IPv6.Encapsulation"),
        *("UdpSegmentation.IPv4.Encapsulation", "UdpSegmentation.IPv6.Encapsulation"),
        *("Rsc.IPv4.Enabled", "Rsc.IPv6.Enabled"),
    )
)


@pytest.mark.parametrize(
    ("registry", "off"),
    [
        ({}, ""),
        ({"*IPChecksumOffloadIPv4": 0}, r"Checksum\.IPv4.*\.Ip"),
        ({"*TCPChecksumOffloadIPv4": 1}, r"Checksum\.IPv4Receive\.Tcp"),
        ({"*UDPChecksumOffloadIPv4": 2}, r"Checksum\.IPv4Transmit\.Udp"),
        ({"*TCPChecksumOffloadIPv6": 0}, r"Checksum\.IPv6.*\.Tcp"),
        ({"*UDPChecksumOffloadIPv6": 3}, ""),
        ({"*TCPUDPChecksumOffloadIPv4": 2}, r"Checksum\.IPv4Transmit"),
        ({"*TCPUDPChecksumOffloadIPv6": 0, "*UDPChecksumOffloadIPv6": 3}, r"Checksum\.IPv6"),
        ({"*LsoV1IPv4": 0}, r"LsoV1"),
        ({"*LsoV2IPv4": 0, "*LsoV2IPv6": 1}, r"LsoV2\.IPv4"),
        ({"*LsoV2IPv6": 0}, r"LsoV2\.IPv6"),
        ({"*UsoIPv4": 0, "*UsoIPv6": 0}, r"UdpSegmentation"),
        ({"*RscIPv4": 0}, r"Rsc\.IPv4"),
        ({"*RscIPv6": 0}, r"Rsc\.IPv6"),
    ],
    ids=lambda given: (
        "-".join(f"{name.lstrip('*')}={value}" for name, value in given.items()) or "nothing"
        if isinstance(given, dict)
        else ""
    ),
)
def test_a_keyword_of_the_registry_switches_off_what_the_hardware_can_do(registry: dict[str, int], off: str) -> None:
    offloads = Offloads(on=False, registry=registry)

    def found(oid: int) -> set[str]:
        return {path for path in EVERY if attrgetter(path)(offloads.config(oid))}

    wanted = {path for path in EVERY if not off or not re.match(off, path)}
    assert found(oids.OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES) == EVERY
    assert found(oids.OID_TCP_OFFLOAD_CURRENT_CONFIG) == wanted
    assert offloads.encapsulate() == 0
    assert found(oids.OID_TCP_OFFLOAD_CURRENT_CONFIG) == wanted
    offloads.rig.stop()


def test_a_protocol_switches_on_what_the_registry_has_off() -> None:
    offloads = Offloads(registry={"*RscIPv4": 0})
    assert offloads.rig.nic.offloads == HEADERS | 0x05
    assert offloads.switch(RscIPv4=2) == 0
    assert offloads.rig.nic.offloads == HEADERS | 0x07
    offloads.rig.stop()
