"""What a machine may be, and the one line for what it may not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from emulator.host.adapters import mac_of
from emulator.host.specification import (
    FEW_ADAPTERS,
    OFFLOAD_QUEUE_SLOTS,
    OFFLOAD_SLOTS,
    AdapterSpecification,
    DriverKind,
    DriverSpecification,
    MachineSpecification,
)
from emulator.layout.arena import Geometry
from emulator.rules.errors import ConfigurationError
from sample_drivers.netvmini_nic import NIC_TRANSMIT_ENTRIES
from sample_drivers.netvmini_offload import OFFLOAD_HEADER_SHIFT, OFFLOAD_QUEUE_BUFFERS, OFFLOAD_SLOT_SHIFT
from vnic.wires.faults import parse_faults
from vnic.wires.wire import WireSpecification

KINDS: tuple[DriverKind, ...] = ("miniport", "filter", "protocol")
TAP: dict[str, Any] = {"wire": WireSpecification("tap", "ndis0")}


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ({"receive_throttle": -1}, "receive_throttle = -1: at least 1, or 0 for no limit"),
        ({"processors": 0}, "1 to 32 processors, not 0"),
        ({"processors": 33}, "1 to 32 processors, not 33"),
        ({"passive_workers": 0}, "1 to 16 passive workers, not 0"),
        ({"passive_workers": 17}, "1 to 16 passive workers, not 17"),
        ({"work_items": 0}, "work_items = 0"),
        ({"timers": "many"}, "Expected `int`, got `str`"),
    ],
)
def test_numbers_that_make_no_machine(numbers: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        MachineSpecification(name="wrong", geometry=Geometry(**numbers)).prepared()
    assert str(raised.value).startswith("machine wrong: ")
    assert text in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"mac": "02:00:00:00:00"}, "mac = 02:00:00:00:00: expected the address of one station"),
        ({"mac": "01:00:5e:00:00:01"}, "mac = 01:00:5e:00:00:01: expected the address of one station"),
        ({"link_speed": 1_500_000}, "link_speed = 1500000: expected a whole number of megabits"),
        ({"link_speed": 0}, "link_speed = 0: expected a whole number of megabits"),
        ({"messages": 17}, "messages = 17: an adapter has 0 to 16"),
        ({"queues": 0}, "queues = 0: an adapter has 1 to 16"),
        ({"queues": 17}, "queues = 17: an adapter has 1 to 16"),
        ({"queues": 4, "messages": 3}, "messages = 3: an adapter with 4 queues has none, or as many"),
        ({"offloads": True}, "offloads: the wire cable has none; a TAP has"),
        ({**TAP, "offloads": True, "capture": "x"}, "offloads: frames that are not finished cannot be written"),
        ({**TAP, "offloads": True, "faults": parse_faults("loss=0.1")}, "cannot be subjected to faults"),
    ],
)
def test_hardware_that_there_cannot_be(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        MachineSpecification(adapters=[AdapterSpecification(**values)]).prepared()


def test_there_is_room_for_the_large_frames_of_each_queue() -> None:
    (slots,) = {
        MachineSpecification(adapters=[AdapterSpecification(**TAP, queues=queues, messages=queues, offloads=True)])
        .prepared()
        .geometry.frame_slots
        - OFFLOAD_QUEUE_SLOTS * (queues - 1)
        for queues in (1, 2, 16)
    }
    assert slots == Geometry().frame_slots + OFFLOAD_SLOTS
    each = OFFLOAD_QUEUE_BUFFERS << OFFLOAD_SLOT_SHIFT
    assert each + (NIC_TRANSMIT_ENTRIES << OFFLOAD_HEADER_SHIFT) <= OFFLOAD_QUEUE_SLOTS * 2048


def test_a_machine_has_room_for_its_adapters_and_debug_makes_it_small() -> None:
    specification = MachineSpecification(
        geometry=Geometry(processors=4, passive_workers=8), adapters=[AdapterSpecification()] * 3, debug=True
    )
    geometry = specification.prepared().geometry
    assert (geometry.adapters, geometry.processors, geometry.passive_workers) == (3, 1, 1)


def test_each_adapter_beyond_a_few_brings_its_part_of_every_table() -> None:
    drivers = [DriverSpecification(kind=kind, module=f"{kind}{n}") for kind in KINDS for n in range(3)]
    few, many = (
        MachineSpecification(drivers=drivers, adapters=[AdapterSpecification()] * count).prepared().geometry
        for count in (FEW_ADAPTERS, 40)
    )
    assert few == msgspec.structs.replace(Geometry(), adapters=FEW_ADAPTERS)
    for name in ("driver_locks", "timers", "pools", "pool_bytes"):
        assert getattr(many, name) > getattr(few, name), name
    assert many.frame_slots >= 40 * 600
    assert min(many.interrupts, many.polls, many.dma_channels) >= 40
    assert (many.bindings, many.filters) == (3 * 40, 3 * 40)


def test_a_specification_survives_its_journey() -> None:
    specification = MachineSpecification(
        adapters=[AdapterSpecification(mac="02:00:00:00:00:05", registry={"Depth": 5, "Name": "x"})],
        environment={"A": "b"},
    ).prepared()
    encoded = msgspec.msgpack.encode(specification)
    assert msgspec.msgpack.decode(encoded, type=MachineSpecification) == specification


def test_addresses_of_hardware() -> None:
    assert mac_of(AdapterSpecification(mac="02:00:5e:00:00:05"), 1, 0) == bytes.fromhex("02005e000005")
    made = {mac_of(AdapterSpecification(), machine, number) for machine in range(4) for number in range(4)}
    assert len(made) == 16
    assert all(mac[0] & 3 == 2 for mac in made)  # locally administered, one station
