"""Subkeys of the registry, and what drivers write: who finds it, and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.host.specification import AdapterSpecification, DriverSpecification, MachineSpecification
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.ndis import (
    NDIS_CONFIGURATION_OBJECT,
    NDIS_CONFIGURATION_PARAMETER,
    NDIS_CONFIGURATION_PARAMETER_DATA,
    NDIS_OBJECT_HEADER,
    NDIS_PARAMETER_TYPE,
    NDIS_SIZEOF_CONFIGURATION_OBJECT_REVISION_1,
    UNICODE_STRING,
)
from emulator.ndis.headers.status import (
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from tests.fake_platform import FakeMachine
from tests.ndis.ungated import ddi

INTEGER = NDIS_PARAMETER_TYPE.NdisParameterInteger
HEX = NDIS_PARAMETER_TYPE.NdisParameterHexInteger
TEXT = NDIS_PARAMETER_TYPE.NdisParameterString
BINARY = NDIS_PARAMETER_TYPE.NdisParameterBinary


class Registry:
    """A machine with two adapters of one driver, and a binding to the first."""

    def __init__(self, pool_bytes: int = 1 << 16) -> None:
        self.fake = FakeMachine(pool_bytes=pool_bytes)
        self.fake.machine.configuration["specification"] = MachineSpecification(
            geometry=self.fake.geometry,
            drivers=[DriverSpecification(kind="miniport", module="one", registry={"Rings\\Size": 16, "Speed": 1})],
            adapters=[
                AdapterSpecification(
                    name="adapter0",
                    registry={"rings\\Deep\\Colour": "blue", "Rings\\Count": "2", "Names\\First": "x", "Flat": "7f"},
                ),
                AdapterSpecification(name="adapter1"),
            ],
        )
        self.fake.passive_worker()
        self.adapters = [self.allocate(HandleKind.ADAPTER, 1) for _ in range(2)]
        for number, (_, record) in enumerate(self.adapters):
            record.number = number
        self.binding, binding = self.allocate(HandleKind.BINDING, 2)
        binding.adapter = self.adapters[0][0] & INDEX_MASK

    def allocate(self, kind: HandleKind, driver: int) -> tuple[int, Any]:
        made = self.fake.machine.objects[kind].allocate(kind, driver=driver, parent=0, site=0)
        assert made is not None
        return made

    def open(self, parent: int) -> int:
        header = NDIS_OBJECT_HEADER(0xA9, 1, NDIS_SIZEOF_CONFIGURATION_OBJECT_REVISION_1)
        status, handle = ddi("NdisOpenConfigurationEx")(NDIS_CONFIGURATION_OBJECT(Header=header, NdisHandle=parent))
        assert status == NDIS_STATUS_SUCCESS
        return int(handle)


@pytest.fixture
def registry() -> Registry:
    return Registry()


def read(handle: int, keyword: str, kind: int = INTEGER) -> Any:
    status, value = ddi("NdisReadConfiguration")(handle, keyword, kind)
    if status != NDIS_STATUS_SUCCESS:
        assert (status, value) == (NDIS_STATUS_FAILURE, None)
        return None
    data = value.ParameterData
    by_kind: dict[int, Any] = {TEXT: data.StringData, BINARY: data.BinaryData}
    return by_kind.get(kind, data.IntegerData)


def write(handle: int, keyword: Any, kind: int, value: Any) -> Any:
    data = NDIS_CONFIGURATION_PARAMETER_DATA()
    member = "StringData" if kind == TEXT else "BinaryData" if kind == BINARY else "IntegerData"
    setattr(data, member, value)
    parameter = NDIS_CONFIGURATION_PARAMETER(ParameterType=kind, ParameterData=data)
    return ddi("NdisWriteConfiguration")(handle, keyword, parameter)


def subkey(handle: int, name: Any) -> int | None:
    status, opened = ddi("NdisOpenConfigurationKeyByName")(handle, name)
    assert (status == NDIS_STATUS_SUCCESS) == (opened is not None)
    return opened  # type: ignore[no-any-return]


def test_a_subkey_has_the_values_below_it(registry: Registry) -> None:
    key = registry.open(registry.adapters[0][0])
    rings = subkey(key, "RINGS")
    assert rings is not None
    assert (read(rings, "size"), read(rings, "Count"), read(rings, "Colour", TEXT)) == (16, 2, None)
    deep = subkey(rings, "Deep")
    assert deep is not None
    assert read(deep, "Colour", TEXT) == "blue"
    assert subkey(rings, "Size") is None
    assert subkey(key, "Nowhere") is None
    assert (read(key, "Flat", HEX), read(key, "Flat")) == (0x7F, None)
    for handle in (deep, rings, key):
        ddi("NdisCloseConfiguration")(handle)
    assert registry.fake.machine.pool.live() == []


def test_subkeys_by_number(registry: Registry) -> None:
    key = registry.open(registry.adapters[0][0])
    found: list[str] = []
    while True:
        status, name, handle = ddi("NdisOpenConfigurationKeyByIndex")(key, len(found))
        if status != NDIS_STATUS_SUCCESS:
            break
        found.append(name)
        ddi("NdisCloseConfiguration")(handle)
    assert [name.lower() for name in found] == ["names", "rings"]
    assert (status, name, handle) == (NDIS_STATUS_FAILURE, None, None)


@pytest.mark.parametrize(("kind", "value"), [(INTEGER, 5), (HEX, 0xFFFF_FFFF), (TEXT, "grün"), (BINARY, b"\x00\xff")])
def test_what_is_written_is_read(registry: Registry, kind: int, value: Any) -> None:
    key = registry.open(registry.adapters[0][0])
    keyword = UNICODE_STRING()
    ddi("NdisInitUnicodeString")(keyword, "New")
    assert write(key, keyword, kind, value) == NDIS_STATUS_SUCCESS
    ddi("NdisCloseConfiguration")(key)
    with registry.fake.running(registry.fake.pnp()):
        again = registry.open(registry.adapters[0][0])
        assert read(again, "new", kind) == value
        assert read(again, "new", BINARY if kind != BINARY else TEXT) is None


def test_a_value_is_replaced_and_leaves_nothing(registry: Registry) -> None:
    key = registry.open(registry.adapters[0][0])
    for number in range(20):
        assert write(key, "Other", INTEGER, number) == NDIS_STATUS_SUCCESS
        assert write(key, "Speed", INTEGER, number) == NDIS_STATUS_SUCCESS
    assert len(registry.fake.machine.pool.live()) == 2
    assert (read(key, "Speed"), read(key, "other")) == (19, 19)


def test_a_new_subkey_begins_with_what_is_written_in_it(registry: Registry) -> None:
    key = registry.open(registry.adapters[0][0])
    rings = subkey(key, "Rings")
    assert rings is not None
    assert write(rings, "Extra\\Depth", INTEGER, 3) == NDIS_STATUS_SUCCESS
    extra = subkey(rings, "Extra")
    assert extra is not None
    assert read(extra, "Depth") == 3


def test_each_adapter_and_each_binding_has_its_own(registry: Registry) -> None:
    keys = [registry.open(handle) for handle, _ in registry.adapters]
    bound = registry.open(registry.binding)
    assert write(keys[0], "Mine", INTEGER, 1) == NDIS_STATUS_SUCCESS
    assert write(bound, "Its", INTEGER, 2) == NDIS_STATUS_SUCCESS
    assert [read(key, "Mine") for key in (*keys, bound)] == [1, None, 1]
    assert [read(key, "Its") for key in (*keys, bound)] == [None, None, 2]


def test_a_type_that_does_not_exist(registry: Registry) -> None:
    key = registry.open(registry.adapters[0][0])
    assert write(key, "New", 9, 5) == NDIS_STATUS_NOT_SUPPORTED


def test_without_room_nothing_is_written_or_opened() -> None:
    registry = Registry(pool_bytes=1 << 12)
    key = registry.open(registry.adapters[0][0])
    pool = registry.fake.machine.pool
    while pool.allocate(64, tag=1, type_number=0, site=0, driver=0, owner=0) is not None:
        pass
    assert write(key, "New", INTEGER, 5) == NDIS_STATUS_RESOURCES
    assert subkey(key, "Rings") is None
