"""mux: virtual adapters over one, told apart by VLAN tags; what goes up and down, and what PnP does to both stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from emulator.host.specification import AdapterSpecification, DriverSpecification, MachineSpecification
from emulator.layout.arena import Geometry
from emulator.ndis.plug_and_play import pnp, pnp_power
from emulator.ndis.plug_and_play.adapters import text_of
from emulator.rules.control import ControlOperation
from emulator.rules.states import AdapterState
from emulator.simulated.machine import SimulatedMachine
from tests.drivers.rig import MAC, PEER, Rig, frame

if TYPE_CHECKING:
    from emulator.testing import Lab

MAC_TEXT, PEER_TEXT = MAC.hex(":"), PEER.hex(":")
VIRTUAL = 1
D0, D3 = 1, 4
VLANS = {"VlanIds": "10,20"}


def over(vlan: int, payload: bytes = b"", *, priority: int = 0, size: int = 64) -> bytes:
    """A tagged frame for the adapter."""
    tag = b"\x81\x00" + (priority << 13 | vlan).to_bytes(2, "big")
    return (MAC + PEER + tag + b"\x88\xb5" + payload).ljust(size, b"\0")


def swapped(sent: bytes) -> bytes:
    return sent[6:12] + sent[:6] + sent[12:]


def started(*above: str) -> Rig:
    bound = {"hello": ["*.*"], "mux": ["adapter0"]}
    made = Rig("netvmini", "mux", *above, virtual_adapters=2, driver_registry=VLANS, bound=bound)
    made.start()
    return made


@pytest.fixture
def rig() -> Rig:
    return started("hello")


def test_a_virtual_adapter_for_each_vlan_runs_when_the_start_is_over(rig: Rig) -> None:
    names = [text_of(rig.adapter(number).name) for number in range(3)]
    assert names == ["adapter0", "adapter0.10", "adapter0.20"]
    assert [rig.adapter(number).state for number in range(3)] == [AdapterState.RUNNING] * 3
    assert rig.adapter(1).mtu == 1496


def test_a_tagged_frame_is_answered_with_its_tag(rig: Rig) -> None:
    sent = over(10, b"ten"), over(20, b"twenty", size=1514)
    assert rig.receive(*sent) == [swapped(each) for each in sent]
    assert [rig.outstanding(number) for number in range(3)] == [0, 0, 0]


def test_other_vlans_and_frames_without_a_tag_are_for_nobody(rig: Rig) -> None:
    assert rig.receive(over(30), over(0), frame()) == []
    assert rig.outstanding() == 0


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("filters", [(), ("ndislwf",)])
def test_frames_without_a_tag_go_up_and_down_as_they_are(filters: tuple[str, ...], checked: bool) -> None:
    rig = Rig(
        "netvmini",
        "mux",
        *filters,
        "hello",
        virtual_adapters=1,
        registry={"VlanIds": "0"},
        bound={"hello": ["*.0"]},
        checked=checked,
    )
    rig.start()
    sent = frame(payload=b"plain", size=1514)
    assert rig.receive(sent, over(10)) == [swapped(sent)]
    assert [rig.outstanding(number) for number in range(2)] == [0, 0]
    rig.stop()


def test_priorities_and_groups_and_many_frames_at_once(rig: Rig) -> None:
    sent = [over(10 + number % 2 * 10, number.to_bytes(2, "big"), priority=5) for number in range(900)]
    answers = rig.receive(*sent)
    expected = [swapped(over(10 + number % 2 * 10, number.to_bytes(2, "big"))) for number in range(900)]
    assert [each for each in answers if each[15] == 10] == expected[::2]
    assert [each for each in answers if each[15] == 20] == expected[1::2]
    assert [rig.outstanding(number) for number in range(3)] == [0, 0, 0]


def test_the_adapter_below_is_asked_for_what_all_together_want(rig: Rig) -> None:
    assert rig.adapter(0).packet_filter == 1
    assert rig.adapter(1).packet_filter == 1
    assert rig.context_of(0).PacketFilter == 1


def test_nothing_is_left_when_the_adapter_below_has_been_stopped(rig: Rig) -> None:
    rig.receive(over(10))
    assert rig.control(pnp.pause) == 0
    assert rig.receive(over(20)) == []
    assert rig.control(pnp.restart) == 0
    assert rig.receive(over(20)) == [swapped(over(20))]
    rig.stop()
    assert [pnp.find_adapter(rig.pnp, number) for number in range(3)] == [None, None, None]
    rig.start()
    assert rig.receive(over(20)) == [swapped(over(20))]
    rig.stop()
    assert rig.control(lambda context, _: pnp.unload(context)) == 0


@pytest.mark.parametrize("number", [VIRTUAL, VIRTUAL + 1])
def test_a_virtual_adapter_is_paused_and_restarted_by_itself(rig: Rig, number: int) -> None:
    assert rig.control(pnp.pause, number) == 0
    answers = rig.receive(over(10), over(20))
    assert answers == [swapped(over(20 if number == VIRTUAL else 10))]
    assert rig.control(pnp.restart, number) == 0
    assert len(rig.receive(over(10), over(20))) == 2


def test_the_link_below_is_the_link_above(rig: Rig) -> None:
    for up in (False, True):
        rig.nic.vnic.set_link(up)
        rig.settle()
        assert [rig.adapter(number).media_connect_state for number in range(3)] == [1 if up else 2] * 3


def test_a_surprise_removal_takes_the_virtual_adapters_along(rig: Rig) -> None:
    assert rig.control(pnp.surprise_remove) == 0
    assert pnp.find_adapter(rig.pnp, VIRTUAL) is None


def test_filters_above_and_below() -> None:
    rig = started("ndislwf", "hello")
    assert rig.receive(over(10), over(20)) == [swapped(over(10)), swapped(over(20))]
    rig.stop()


def test_a_station_answers_on_each_vlan_for_its_own_address() -> None:
    registry = {**VLANS, "adapter0.10\\IpAddress": "10.0.10.2/24", "adapter0.20\\IpAddress": "10.0.20.2/24"}
    rig = Rig(
        "netvmini", "mux", "responder", virtual_adapters=2, driver_registry=registry, bound={"responder": ["*.*"]}
    )
    rig.start()
    for vlan in (10, 20):
        tagged = Ether(dst="ff:ff:ff:ff:ff:ff", src=PEER_TEXT) / Dot1Q(vlan=vlan)
        (sent,) = rig.receive(bytes(tagged / ARP(hwsrc=PEER_TEXT, psrc=f"10.0.{vlan}.1", pdst=f"10.0.{vlan}.2")))
        answer = Ether(sent)
        assert (answer[Dot1Q].vlan, answer[ARP].hwsrc, answer[ARP].psrc) == (vlan, MAC_TEXT, f"10.0.{vlan}.2")
        ping = Ether(dst=MAC_TEXT, src=PEER_TEXT) / Dot1Q(vlan=vlan, prio=3) / IP(src="10.0.1.1", dst=f"10.0.{vlan}.2")
        (sent,) = rig.receive(bytes(ping / ICMP(id=7) / Raw(b"x" * 100)))
        assert (Ether(sent)[Dot1Q].vlan, Ether(sent)[ICMP].type, Ether(sent)[Raw].load) == (vlan, 0, b"x" * 100)
        assert rig.receive(bytes(tagged / IP(dst="10.0.30.2") / UDP())) == []
    rig.stop()


def machine(**geometry: Any) -> MachineSpecification:
    """Two VLANs over one adapter, and hello on them alone."""
    return MachineSpecification(
        name="vlans",
        geometry=Geometry(
            **{"passive_workers": 1, "work_items": 256, "frame_slots": 1024, "pool_bytes": 8 << 20, **geometry}
        ),
        drivers=[
            DriverSpecification(kind="miniport", module="sample_drivers.netvmini"),
            DriverSpecification(kind="intermediate", module="sample_drivers.mux", adapters=["adapter0"]),
            DriverSpecification(kind="protocol", module="sample_drivers.hello", adapters=["*.*"]),
        ],
        adapters=[AdapterSpecification(name="adapter0", mac=MAC_TEXT)],
        registry={"VlanIds": "10,20"},
    ).prepared()


def test_room_for_virtual_adapters_comes_with_an_intermediate_driver() -> None:
    assert machine().geometry.virtual_adapters == 8
    assert machine(virtual_adapters=2).geometry.virtual_adapters == 2


@pytest.mark.parametrize("seed", range(3))
def test_simulated_traffic_goes_on_while_the_stack_is_paused_and_halted(seed: int) -> None:
    simulated = SimulatedMachine(machine(processors=2), seed=seed, defines={"NIC_RECEIVE_BUFFERS": 64})
    simulated.wait_running()
    cable = simulated.cables[0]
    assert cable.wait_carrier(True, 5.0)
    for operation, target in (
        (ControlOperation.PAUSE, VIRTUAL),
        (ControlOperation.RESTART, VIRTUAL),
        (ControlOperation.PAUSE, 0),
        (ControlOperation.RESTART, 0),
        (ControlOperation.STOP_ADAPTER, 0),
        (ControlOperation.START_ADAPTER, 0),
    ):
        for number in range(8):
            cable.send(over(10 + number % 2 * 10, number.to_bytes(2, "big")))
            simulated.run_for(100 * simulated.choose(40))
        assert simulated.control(operation, target) == 0
    while cable.receive(0.01) is not None:
        pass
    cable.send(over(10))
    assert cable.receive(1.0) == swapped(over(10))
    assert simulated.control(ControlOperation.STOP_ADAPTER, 0) == 0
    simulated.close()


def test_live_traffic_of_two_vlans_while_the_stack_is_paused_and_halted(lab: Lab) -> None:
    nic = lab.start_machine(machine(processors=2, frame_slots=4096, pool_bytes=16 << 20))
    known = [
        (each.name, each.state, [layer.driver for layer in each.protocols]) for each in nic.machine.status().adapters
    ]
    above = [(name, "running", ["hello"]) for name in ("adapter0.10", "adapter0.20")]
    assert known == [("adapter0", "running", ["mux"]), *above]
    for vlan in (10, 20):
        sent = [over(vlan, number.to_bytes(2, "big")) for number in range(100)]
        nic.send(sent)
        assert [nic.poll(20.0) for _ in sent] == [swapped(each) for each in sent]
    for operation, target in (
        (ControlOperation.PAUSE, VIRTUAL),
        (ControlOperation.RESTART, VIRTUAL),
        (ControlOperation.PAUSE, 0),
        (ControlOperation.RESTART, 0),
        (ControlOperation.STOP_ADAPTER, 0),
        (ControlOperation.START_ADAPTER, 0),
    ):
        for number in range(50 if operation != ControlOperation.START_ADAPTER else 0):
            nic.send(over(10 + number % 2 * 10, number.to_bytes(2, "big")))
        assert nic.machine.control(operation, target) == 0
    nic.wait_carrier(True)
    nic.send(over(20, b"last"))
    wanted = swapped(over(20, b"last"))
    assert any(nic.poll(20.0) == wanted for _ in range(400))
    nic.machine.wait(lambda now: now.counters["lists_outstanding"] == 0, "lists that are on their way")


@pytest.mark.parametrize("number", [0, 1])
def test_adapters_above_and_below_sleep_and_wake_up_each_for_itself(rig: Rig, number: int) -> None:
    assert rig.control(lambda context, _: pnp_power.power(context, number, D3)) == 0
    states = [(rig.adapter(each).power_state, rig.adapter(each).state) for each in range(3)]
    slept = (D3, AdapterState.PAUSED)
    assert [each == slept for each in states] == [each == number for each in range(3)]
    answers = rig.receive(over(10), over(20))
    assert answers == ([] if number == 0 else [swapped(over(20))])
    assert rig.control(lambda context, _: pnp_power.power(context, number, D0)) == 0
    assert rig.receive(over(10), over(20)) == [swapped(over(10)), swapped(over(20))]
    rig.stop()
