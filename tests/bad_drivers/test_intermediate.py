"""Virtual miniports: when they are started and halted, what is refused, and what a driver leaves to NDIS."""

from __future__ import annotations

from typing import Any

import pytest

import emulator.ndis as surface
from emulator.layout.handles import HandleKind
from emulator.ndis.data_path import ledger
from emulator.ndis.headers.enumerations import NDIS_HALT_ACTION
from emulator.ndis.headers.status import (
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_NOT_ACCEPTED,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play import pnp
from emulator.ndis.plug_and_play.adapters import text_of
from emulator.rules.states import AdapterState
from tests.bad_drivers.computer import Computer

NAME = "base_intermediate"
VIRTUAL = 2
"""Its number: the machine has room for two with hardware."""


def computer(**hooks: Any) -> Computer:
    """A machine whose intermediate driver has some other hooks, loaded."""
    rooms = {"virtual_adapters": hooks.pop("room", 1)}
    planted = {name: value for name, value in hooks.items() if name != "protocol"}
    plant = {NAME: planted, "base_protocol": hooks.get("protocol", {})}
    made = Computer("base_miniport", "base_protocol", intermediate_driver=NAME, plant=plant, **rooms)
    made.load()
    return made


def module_of(machine: Computer) -> Any:
    return machine.fake.machine.images.images[1].module


def adapters(machine: Computer) -> list[str]:
    live = machine.fake.machine.objects[HandleKind.ADAPTER].live()
    return sorted(text_of(adapter.name) for _, adapter in live if adapter.state == AdapterState.RUNNING)


def start(machine: Computer) -> None:
    assert machine.control(pnp.start_adapter, 0) == 0
    machine.settle()


def end(machine: Computer) -> None:
    """Stop and unload: nothing is left."""
    assert machine.control(pnp.stop_adapter, 0) == 0
    machine.settle()
    machine.control(pnp.unload)
    assert machine.left() == []


def test_frames_go_through_both_edges_of_a_small_intermediate_driver() -> None:
    machine = computer()
    start(machine)
    assert adapters(machine) == ["adapter0", "virtual0"]
    for index in range(2):
        sent, completed, indicated, returned = ledger.layer_counts(machine.fake.machine, index)[:4]
        assert sent == completed > 0
        assert indicated == returned > 0
    end(machine)


def test_what_is_refused_and_with_which_status() -> None:
    found: dict[str, int] = {}

    def on_bind(adapt: Any) -> None:
        driver, ask = module_of(machine).MiniportDriver, surface.NdisIMInitializeDeviceInstanceEx
        plain = machine.fake.machine.objects[HandleKind.MINIPORT_DRIVER].live()[0][0]
        found["empty"] = ask(driver, "", adapt)
        found["long"] = ask(driver, "n" * 64, adapt)
        found["of a plain miniport"] = ask(surface.MiniportDriverHandle(plain), "x", adapt)
        found["good"] = ask(driver, "virtual0", adapt)
        found["again"] = ask(driver, "virtual0", adapt)
        found["of the adapter below"] = ask(driver, "adapter0", adapt)

    machine = computer(OnBind=on_bind, room=2)
    start(machine)
    assert found == {
        "empty": NDIS_STATUS_FAILURE,
        "long": NDIS_STATUS_FAILURE,
        "of a plain miniport": NDIS_STATUS_FAILURE,
        "good": NDIS_STATUS_SUCCESS,
        "again": NDIS_STATUS_NOT_ACCEPTED,
        "of the adapter below": NDIS_STATUS_NOT_ACCEPTED,
    }
    end(machine)


def test_a_machine_without_room_says_so() -> None:
    found: list[Any] = []

    def on_bind(adapt: Any) -> None:
        driver, ask = module_of(machine).MiniportDriver, surface.NdisIMInitializeDeviceInstanceEx
        found.extend(ask(driver, name, adapt) for name in ("virtual0", "virtual1"))

    machine = computer(OnBind=on_bind)
    start(machine)
    assert found == [NDIS_STATUS_SUCCESS, NDIS_STATUS_RESOURCES]
    assert "the machine has no room for another virtual adapter" in " ".join(machine.logs)
    end(machine)


def test_what_is_cancelled_is_never_started_and_what_is_started_cannot_be_cancelled() -> None:
    found: list[Any] = []

    def cancel() -> Any:
        return surface.NdisIMCancelInitializeDeviceInstance(module_of(machine).MiniportDriver, "virtual0")

    def on_bind(adapt: Any) -> None:
        ask = surface.NdisIMInitializeDeviceInstanceEx
        found.append(cancel())
        found.append(ask(module_of(machine).MiniportDriver, "virtual0", adapt))
        found.append(cancel())
        if adapt.Status:
            ask(module_of(machine).MiniportDriver, "virtual0", adapt)

    machine = computer(OnBind=on_bind)
    start(machine)
    assert found == [NDIS_STATUS_FAILURE, NDIS_STATUS_SUCCESS, NDIS_STATUS_SUCCESS]
    assert adapters(machine) == ["adapter0"]
    end(machine)


def test_a_virtual_adapter_that_fails_to_initialize_is_gone_and_its_name_free() -> None:
    machine = computer()

    def fail(*arguments: Any) -> Any:
        return NDIS_STATUS_FAILURE

    module, routine = module_of(machine), module_of(machine).MPInitializeEx.__ndis_routine__
    for context in machine.fake.contexts.values():
        context.routines[routine] = fail
    machine.fake.pnp().routines[routine] = fail
    start(machine)
    assert adapters(machine) == ["adapter0"]
    assert "virtual0: MiniportInitializeEx returned NDIS_STATUS_FAILURE" in " ".join(machine.logs)
    machine.fake.pnp().routines[routine] = module.MPInitializeEx
    assert machine.control(pnp.stop_adapter, 0) == 0
    start(machine)
    assert adapters(machine) == ["adapter0", "virtual0"]
    end(machine)


def test_what_a_driver_leaves_is_halted_before_it_is_unloaded() -> None:
    actions: list[Any] = []
    machine = computer(OnUnbind=lambda adapt: actions.append("unbound"), OnHalt=lambda adapt: actions.append("halted"))
    start(machine)
    kept = surface.NdisFreeMemory

    def keep(memory: Any, *rest: Any) -> None:
        if type(memory).__name__ != "ADAPT":
            kept(memory, *rest)

    module_of(machine).NdisFreeMemory = keep
    assert machine.control(pnp.stop_adapter, 0) == 0
    assert actions == ["unbound"]
    assert adapters(machine) == ["virtual0"]


def test_unbinding_the_adapter_below_halts_the_one_above_first() -> None:
    order: list[Any] = []

    def on_unbind(adapt: Any) -> None:
        order.append("unbind below")
        order.append(surface.NdisIMDeInitializeDeviceInstance(adapt.Handle))
        order.append(surface.NdisIMDeInitializeDeviceInstance(adapt.Handle))

    machine = computer(
        OnUnbind=on_unbind,
        OnHalt=lambda adapt: order.append("halt above"),
        protocol={"OnUnbind": lambda binding: order.append("unbind above")},
    )
    start(machine)
    end(machine)
    assert order == ["unbind below", "unbind above", "halt above", NDIS_STATUS_SUCCESS, NDIS_STATUS_FAILURE]


def test_a_virtual_adapter_is_halted_from_a_work_item_by_a_pnp_thread() -> None:
    found: list[Any] = []
    machine = computer()
    start(machine)
    handle, adapter = pnp.find_adapter(machine.fake.pnp(), VIRTUAL) or (0, None)
    assert adapter is not None
    worker = next(context for context in machine.fake.contexts.values() if context.name == "passive worker 0")
    with machine.fake.running(worker, driver=adapter.head.driver):
        found.append(surface.NdisIMDeInitializeDeviceInstance(surface.AdapterHandle(handle)))
    assert found == [NDIS_STATUS_SUCCESS]
    assert adapters(machine) == ["adapter0"]


def test_only_its_own_virtual_adapters_and_not_from_inside_one() -> None:
    found: list[Any] = []

    def on_halt(adapt: Any) -> None:
        found.append(surface.NdisIMDeInitializeDeviceInstance(adapt.Handle))

    machine = computer(OnHalt=on_halt)
    start(machine)
    below = machine.fake.machine.objects[HandleKind.ADAPTER].live()[0][0]
    with machine.fake.running(machine.fake.pnp(), driver=2):
        found.append(surface.NdisIMDeInitializeDeviceInstance(surface.AdapterHandle(below)))
        found.append(surface.NdisIMDeInitializeDeviceInstance(surface.AdapterHandle(0)))
    end(machine)
    assert found == [NDIS_STATUS_FAILURE] * 3


def test_a_protocol_above_finds_the_context_of_the_adapter() -> None:
    found: list[Any] = []

    def on_bind(binding: Any, bind_context: Any) -> None:
        found.append(surface.NdisIMGetBindingContext(binding.Handle))

    machine = computer(protocol={"OnBind": on_bind})
    start(machine)
    below = machine.fake.machine.objects[HandleKind.BINDING].live()[0][0]
    assert [type(context).__name__ for context in found] == ["ADAPT"]
    with machine.fake.running(machine.fake.pnp()):
        assert surface.NdisIMGetBindingContext(surface.BindingHandle(below)) is None
    end(machine)


def test_the_halt_says_why() -> None:
    actions: list[Any] = []
    machine = computer()
    start(machine)
    routine = module_of(machine).MPHaltEx.__ndis_routine__
    machine.fake.pnp().routines[routine] = lambda adapt, action: actions.append(action)
    end(machine)
    assert actions == [NDIS_HALT_ACTION.NdisHaltDeviceInstanceDeInitialized]


@pytest.mark.parametrize("target", [0, VIRTUAL])
def test_each_stack_is_paused_and_restarted_by_itself(target: int) -> None:
    machine = computer()
    start(machine)
    assert machine.control(pnp.pause, target) == 0
    assert adapters(machine) == ["virtual0" if target == 0 else "adapter0"]
    machine.settle()
    assert machine.control(pnp.restart, target) == 0
    machine.settle()
    assert adapters(machine) == ["adapter0", "virtual0"]
    end(machine)
