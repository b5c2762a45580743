"""Live machines with an intermediate driver: stations on two VLANs of one cable, and what ends when the stack does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.host.specification import AdapterSpecification, DriverSpecification, MachineSpecification
from emulator.layout.arena import Geometry
from tests.scenarios.traffic import MINIPORT, RESPONDER

if TYPE_CHECKING:
    from emulator.testing import Lab, Nic

MUX = "sample_drivers.mux"
VLANS = (10, 20)


def machine(**geometry: Any) -> MachineSpecification:
    """responder on both VLANs of the adapter, each with an address of its own."""
    addresses = {f"lan.{vlan}\\IpAddress": f"10.0.{vlan}.2/24" for vlan in VLANS}
    return MachineSpecification(
        name="vlans",
        geometry=Geometry(**geometry),
        drivers=[
            DriverSpecification(kind="miniport", module=MINIPORT),
            DriverSpecification(
                kind="intermediate", module=MUX, adapters=["lan"], registry={"VlanIds": "10,20", **addresses}
            ),
            DriverSpecification(kind="protocol", module=RESPONDER, adapters=["lan.*"]),
        ],
        adapters=[AdapterSpecification(name="lan")],
    )


def ping(nic: Nic, vlan: int, address: str, priority: int = 0) -> Any:
    """An echo request over a VLAN, and what comes back; None for nothing."""
    scapy = pytest.importorskip("scapy.all")
    tagged = scapy.Ether(dst=nic.mac, src="02:00:00:00:00:02") / scapy.Dot1Q(vlan=vlan, prio=priority)
    return nic.srp1(tagged / scapy.IP(src="10.0.1.1", dst=address) / scapy.ICMP(id=vlan) / scapy.Raw(bytes(100)))


@pytest.mark.parametrize("split", ["off", "anywhere"])
def test_scapy_pings_a_station_on_each_vlan(lab: Lab, split: str) -> None:
    scapy = pytest.importorskip("scapy.all")
    nic = lab.start_machine(machine(split_frames=split))
    for vlan in VLANS:
        answer = ping(nic, vlan, f"10.0.{vlan}.2", priority=5)
        assert (answer[scapy.Dot1Q].vlan, answer[scapy.ICMP].type, answer[scapy.ICMP].id) == (vlan, 0, vlan)
        assert answer[scapy.IP].src == f"10.0.{vlan}.2"


def test_a_station_is_away_while_its_adapter_is_paused_and_the_other_one_stays(lab: Lab) -> None:
    nic = lab.start_machine(machine())
    assert nic.machine.perform("pause", adapter="lan.10").done
    scapy = pytest.importorskip("scapy.all")
    nic.send(scapy.Ether(dst=nic.mac) / scapy.Dot1Q(vlan=10) / scapy.IP(dst="10.0.10.2") / scapy.ICMP())
    assert ping(nic, 20, "10.0.20.2")[scapy.Dot1Q].vlan == 20
    assert nic.machine.perform("restart", adapter="lan.10").done
    assert ping(nic, 10, "10.0.10.2")[scapy.Dot1Q].vlan == 10
    nic.halt()
    assert [each.name for each in nic.machine.status().adapters] == ["lan"]
    nic.start()
    assert ping(nic, 20, "10.0.20.2")[scapy.Dot1Q].vlan == 20


def test_a_filter_that_is_loaded_later_is_on_the_virtual_adapters_too(lab: Lab) -> None:
    nic = lab.start_machine(machine())
    for act, name, filters in (
        (nic.machine.load, "sample_drivers.ndislwf", ["ndislwf"]),
        (nic.machine.unload, "ndislwf", []),
    ):
        act(name)
        status = nic.machine.status()
        assert [each.name for each in status.adapters] == ["lan", "lan.10", "lan.20"]
        assert {each.state for each in status.adapters} == {"running"}
        assert all([layer.driver for layer in each.filters] == filters for each in status.adapters)
        for vlan in VLANS:
            assert ping(nic, vlan, f"10.0.{vlan}.2") is not None
