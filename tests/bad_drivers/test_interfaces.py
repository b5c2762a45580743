"""Network interfaces: those of adapters and filter modules, those of providers; their order; what is asked of them."""

from __future__ import annotations

from typing import Any

import emulator.ndis as surface
from emulator.layout.handles import HandleKind
from emulator.ndis.headers.status import (
    NDIS_STATUS_BUFFER_TOO_SHORT,
    NDIS_STATUS_DUPLICATE_OBJECTID,
    NDIS_STATUS_INTERFACE_NOT_FOUND,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structures import NDIS_IF_PROVIDER_CHARACTERISTICS, NDIS_OBJECT_HEADER, NET_IF_INFORMATION
from emulator.ndis.plug_and_play import pnp
from emulator.ndis.services import interface_providers, interfaces
from tests.bad_drivers.computer import Computer, Operation

ETHERNET = 6
INFORMATION = NDIS_OBJECT_HEADER(0x80, 1, 96)


def started(*filters: str, protocol: str = "base_protocol", plant: dict[str, dict[str, Any]] | None = None) -> Computer:
    machine = Computer("base_miniport", protocol, filters=filters, plant=plant)
    machine.load()
    assert machine.control(pnp.start_adapter, 0) == NDIS_STATUS_SUCCESS
    machine.settle()
    return machine


def order(machine: Computer) -> set[tuple[int, int]]:
    with machine.fake.running(machine.fake.pnp()) as context:
        return {(entry.higher, entry.lower) for _, entry in interfaces.order(context)}


def end(machine: Computer) -> None:
    machine.control(pnp.stop_adapter, 0)
    machine.settle()
    machine.control(pnp.unload)
    assert machine.left() == []


def test_an_adapter_and_its_filter_modules_are_interfaces_that_lie_on_each_other() -> None:
    told: dict[str, Any] = {}

    def note(name: str) -> Any:
        def hook(module: Any) -> int:
            told[name] = module.Handle
            return NDIS_STATUS_SUCCESS

        return hook

    plant = {name: {"OnAttach": note(name)} for name in ("base_filter", "second_filter")}
    machine = started("base_filter", "second_filter", plant=plant)
    objects = machine.fake.machine.objects
    adapter = objects[HandleKind.ADAPTER].records[0]
    lower, upper = sorted((module for _, module in objects[HandleKind.FILTER_MODULE].live()), key=lambda m: m.position)
    assert [adapter.interface, lower.interface, upper.interface] == [1, 2, 3]
    assert order(machine) == {(2, 1), (3, 2)}
    binding: Any = objects[HandleKind.BINDING].live()[0][0]
    with machine.fake.running(machine.fake.pnp()) as context:
        luids = [interfaces.luid_of(context, index) for index in (1, 2, 3)]
        assert luids == [surface.NDIS_MAKE_NET_LUID(ETHERNET, number) for number in (0x8000, 1, 2)]
        assert surface.NdisIfQueryBindingIfIndex(binding) == (NDIS_STATUS_SUCCESS, 3, luids[2], 1, luids[0])
        assert surface.NdisIfGetInterfaceIndexFromNetLuid(luids[1]) == (NDIS_STATUS_SUCCESS, 2)
        assert surface.NdisIfGetNetLuidFromInterfaceIndex(3) == (NDIS_STATUS_SUCCESS, luids[2])
        # The middle one goes: what lay on it lies on what it lay on.
        interfaces.remove_module(context, lower)
    assert order(machine) == {(3, 1)}
    # It comes back, and lies between its neighbours.
    with machine.fake.running(machine.fake.pnp()) as context:
        interfaces.add_module(context, adapter, lower)
    assert order(machine) == {(lower.interface, 1), (3, lower.interface)}
    end(machine)
    assert machine.fake.machine.objects[HandleKind.INTERFACE].live() == []


def test_drivers_are_told_of_their_interfaces() -> None:
    told: dict[str, Any] = {}

    class Noting(Computer):
        def _module(self, name: str) -> Any:
            module = super()._module(name)
            for routine, place in (("MPInitializeEx", 2), ("ProtocolBind", 2), ("FilterAttach", 2)):
                if hasattr(module, routine):
                    told[routine] = (module, place)
            return module

    machine = Noting("base_miniport", "base_protocol", filters=["base_filter"])
    machine.load()
    seen: dict[str, Any] = {}
    context = machine.fake.pnp()
    for name, (module, place) in told.items():
        number = getattr(module, name).__ndis_routine__
        before = context.routines[number]

        def noting(*arguments: Any, before: Any = before, name: str = name, place: int = place) -> Any:
            seen[name] = arguments[place]
            return before(*arguments)

        context.routines[number] = noting
    assert machine.control(pnp.start_adapter, 0) == NDIS_STATUS_SUCCESS
    adapter, module = (surface.NDIS_MAKE_NET_LUID(ETHERNET, index) for index in (0x8000, 1))
    assert (seen["MPInitializeEx"].IfIndex, seen["MPInitializeEx"].NetLuid) == (1, adapter)
    attach = seen["FilterAttach"]
    assert (attach.IfIndex, attach.NetLuid, attach.LowerIfIndex, attach.LowerIfNetLuid) == (2, module, 1, adapter)
    assert (attach.BaseMiniportIfIndex, attach.BaseMiniportNetLuid) == (1, adapter)
    bind = seen["ProtocolBind"]
    assert (bind.BoundIfIndex, bind.BoundIfNetluid) == (2, module)
    assert (bind.LowestIfIndex, bind.LowestIfNetluid) == (1, adapter)


def test_a_provider_s_interface_lies_above_and_is_asked() -> None:
    machine = started("base_filter", protocol="base_provider")
    assert order(machine) == {(2, 1), (3, 2)}

    def ask(act: Any, operation: Operation) -> int:
        return machine.control(lambda context: act(context, operation))

    given = Operation(3 << 48 | 7, (0x1234).to_bytes(8, "little"))
    assert ask(interface_providers.set_object, given) == NDIS_STATUS_SUCCESS
    asked = Operation(3 << 48 | 64 << 32 | 7)
    assert ask(interface_providers.query_object, asked) == NDIS_STATUS_SUCCESS
    assert asked.content == (7).to_bytes(4, "little") + (0x1234).to_bytes(8, "little")
    short = Operation(3 << 48 | 4 << 32 | 7)
    assert ask(interface_providers.query_object, short) == NDIS_STATUS_BUFFER_TOO_SHORT
    assert (short.content, short.needed) == (b"", 12)
    for own, told in ((1, "interface 1 is NDIS's own"), (9, "there is no interface 9")):
        for act in (interface_providers.query_object, interface_providers.set_object):
            asked = Operation(own << 48 | 7, b"given")
            assert ask(act, asked) == NDIS_STATUS_INTERFACE_NOT_FOUND
            assert asked.content.decode() == f"{told}; drivers provide 3 (above)"
    end(machine)


def test_what_is_refused() -> None:
    machine = started(protocol="base_provider")
    provider: Any = machine.fake.machine.objects[HandleKind.INTERFACE_PROVIDER].live()[0][0]
    wrong = NDIS_OBJECT_HEADER(0x81, 1, 96)
    with machine.fake.running(machine.fake.pnp()):
        given = NDIS_IF_PROVIDER_CHARACTERISTICS(Header=wrong)
        assert surface.NdisIfRegisterProvider(given, None) == (NDIS_STATUS_NOT_SUPPORTED, None)
        given = NDIS_IF_PROVIDER_CHARACTERISTICS(Header=INFORMATION)
        assert surface.NdisIfRegisterProvider(given, None) == (NDIS_STATUS_INVALID_PARAMETER, None)
        information = NET_IF_INFORMATION(Header=wrong)
        assert surface.NdisIfRegisterInterface(provider, 1, None, information) == (NDIS_STATUS_INVALID_PARAMETER, 0)
        luid = surface.NdisIfGetNetLuidFromInterfaceIndex(1).pNetLuid
        information = NET_IF_INFORMATION(Header=INFORMATION)
        taken = surface.NdisIfRegisterInterface(provider, luid, None, information)
        assert taken == (NDIS_STATUS_DUPLICATE_OBJECTID, 0)
        assert surface.NdisIfGetInterfaceIndexFromNetLuid(5) == (NDIS_STATUS_INTERFACE_NOT_FOUND, 0)
        assert surface.NdisIfGetNetLuidFromInterfaceIndex(50) == (NDIS_STATUS_INTERFACE_NOT_FOUND, 0)
        assert surface.NdisIfAddIfStackEntry(1, 50) == NDIS_STATUS_INTERFACE_NOT_FOUND
        surface.NdisIfDeleteIfStackEntry(1, 50)
        assert surface.NdisIfFreeNetLuidIndex(ETHERNET, 50) == NDIS_STATUS_INVALID_PARAMETER


def test_indices_are_counted_for_each_type_and_used_again() -> None:
    machine = started()
    with machine.fake.running(machine.fake.pnp()):
        numbers = [surface.NdisIfAllocateNetLuidIndex(71).pNetLuidIndex for _ in range(3)]
        assert numbers == [1, 2, 3]
        assert surface.NdisIfAllocateNetLuidIndex(ETHERNET).pNetLuidIndex == 1
        assert surface.NdisIfFreeNetLuidIndex(71, 2) == NDIS_STATUS_SUCCESS
        assert surface.NdisIfAllocateNetLuidIndex(71).pNetLuidIndex == 2
