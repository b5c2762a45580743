"""A Python exception that leaves a callback of whatever kind is a stop with the driver's own lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.kernel.meant import meant
from emulator.kernel.pointers import sizeof
from emulator.layout.cells import LONG
from emulator.layout.records import LayoutError, Record, u32
from emulator.ndis.adapter_hardware.hardware import hardware_of
from emulator.ndis.plug_and_play import pnp
from emulator.rules.errors import BugCheck
from emulator.rules.irql import DIRQL
from tests.bad_drivers.computer import Computer
from tests.bad_drivers.test_rules import line_of, marks
from vnic.device import VNIC_INTERRUPT_LINK, VNIC_REGISTER_INTERRUPT_MASK, VnicWriteRegister
from vnic.device.hardware import HostVnic

if TYPE_CHECKING:
    import types


class KEPT(Record):
    """What a driver keeps."""

    Handle: u32
    Count: LONG


def NdisTake(VirtualAddress: object, Length: int, /) -> None:
    """A function of ours."""


# Where, at which IRQL, in which callback.
PLACES = [
    ("raises", "initialize", 0, "MPInitializeEx"),
    ("raises", "restart", 0, "MPRestart"),
    ("raises", "work item", 0, "Work"),
    ("raises", "synchronized", None, "Synchronized"),
    ("raises", "interrupt DPC", 2, "Dpc"),
    ("raises", "timer", 2, "MPTimer"),
    ("raises", "send", 2, "MPSendNetBufferLists"),
    ("raises", "return", 2, "MPReturnNetBufferLists"),
    ("raises", "OID request", 0, "MPOidRequest"),
    ("raises", "pause", 0, "MPPause"),
    ("raises", "halt", 0, "MPHaltEx"),
    ("raises", "unload", 0, "MPUnload"),
    ("raises_above", "bind", 0, "ProtocolBind"),
    ("raises_above", "receive", 2, "ProtocolReceive"),
    ("raises_above", "send complete", 2, "ProtocolSendComplete"),
    ("raises_above", "PnP event", 0, "ProtocolNetPnPEvent"),
    ("raises_above", "unbind", 0, "ProtocolUnbind"),
]


def computer(driver: str, where: str) -> Computer:
    names = ("raises", "base_protocol") if driver == "raises" else ("base_miniport", driver)
    return Computer(*names, plant={driver: {"WHERE": where}})


@pytest.mark.parametrize(("driver", "where", "irql", "callback"), PLACES, ids=[place[1] for place in PLACES])
def test_an_exception(driver: str, where: str, irql: int | None, callback: str) -> None:
    machine = computer(driver, where)
    with pytest.raises(BugCheck):
        machine.life()
    report = machine.report
    assert irql is None or report.irql == irql
    assert report.code == (0x7E if report.irql < 2 else 0x1E)
    assert report.parameters[0] == 0xC0000144  # STATUS_UNHANDLED_EXCEPTION
    assert f"ValueError: planted in {where}" in report.text
    assert report.callback == f"{driver}!{callback}"
    assert line_of(driver, report.traceback[-1]) == marks(driver)["stop"]


REACHED = {
    "base_miniport": "MPSetOptions MPCheckForHangEx MPShutdownEx",
    "base_protocol": "ProtocolTimer ProtocolStatus ProtocolUnload",
    "base_filter": (
        "FilterAttach FilterSetModuleOptions FilterDetach FilterRestart FilterPause FilterSend FilterSendComplete "
        "FilterReceive FilterReturn FilterOid FilterStatus FilterUnload"
    ),
}
"""Further callbacks that a whole life reaches."""


def raises(*arguments: object) -> None:
    raise ValueError("planted here")


class Raising(Computer):
    """One callback of one driver raises instead of what it does."""

    def __init__(self, driver: str, callback: str) -> None:
        self.driver, self.callback = driver, callback
        super().__init__("base_miniport", "base_protocol", filters=["base_filter"])

    def _module(self, name: str) -> types.ModuleType:
        module = super()._module(name)
        if name.endswith(f".{self.driver}"):
            routine = getattr(module, self.callback)
            code = routine.__code__
            routine.__code__ = raises.__code__.replace(
                co_name=code.co_name, co_qualname=code.co_qualname, co_filename=code.co_filename
            )
        return module


@pytest.mark.parametrize(
    ("driver", "callback"), [(driver, name) for driver, names in REACHED.items() for name in names.split()]
)
def test_an_exception_in_a_callback_that_comes_seldom(driver: str, callback: str) -> None:
    machine = Raising(driver, callback)
    with pytest.raises(BugCheck):
        machine.life(6, shuts_down=callback == "MPShutdownEx")
    report = machine.report
    assert report.code == (0x7E if report.irql < 2 else 0x1E)
    assert (report.callback, report.driver) == (f"{driver}!{callback}", driver)
    assert "ValueError: planted here" in report.text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("NdisQueueIoWorkItme", "is not defined (did you mean NdisQueueIoWorkItem?); nothing in it"),
        ("ADAPTER.Handel", "has no attribute 'Handel' (did you mean Handle?); nothing in it"),
        ("nothing_like_it", "'nothing_like_it' is not defined; nothing in it"),
        ("ADAPTER.Handel = 1", "has no attribute 'Handel' (did you mean Handle?); nothing in it"),
        ("ADAPTER.Handle = ADAPTER.Count", "c_uint instance (a LONG or a LONGLONG is a cell: read it with .value, "),
        ("ADAPTER.Count + 1", "'LONG' and 'int' (a LONG or a LONGLONG is a cell: read it with .value, "),
        ("while ADAPTER.Count != 0: pass", "'LONG' and 'int' (a LONG or a LONGLONG is a cell: read it with .value, "),
        ("NdisTake(1)", "positional argument: 'Length' (it takes VirtualAddress, Length); nothing in it"),
        ("NdisTake(1, 2, 3)", "but 3 were given (it takes VirtualAddress, Length); nothing in it"),
        ("sizeof(Plain)", "Plain has no layout: a class in nonpaged memory derives from NONPAGED; nothing in it"),
        ("ADAPTER.Count == ADAPTER.Count", "'LONG' and 'LONG' (a LONG or a LONGLONG is a cell: read it with .value, "),
    ],
)
def test_a_misspelt_name_is_told_with_what_was_meant(text: str, told: str) -> None:
    names: dict[str, Any] = {"NdisQueueIoWorkItem": None, "KEPT": KEPT, "ADAPTER": KEPT.at(memoryview(bytearray(8)), 0)}
    names |= {"NdisTake": NdisTake, "sizeof": sizeof, "Plain": type("Plain", (), {})}

    def raise_in(where: str) -> None:
        if where == "restart":
            exec(text, names)

    machine = Computer("raises", "base_protocol", plant={"raises": {"raise_in": raise_in}})
    with pytest.raises(BugCheck):
        machine.life()
    assert told in machine.report.text


def test_a_layout_that_speaks_of_a_cell_is_no_mistake_with_one() -> None:
    assert meant(LayoutError("list is pageable (ULONG, LONG, PVOID can)")) == ""


@pytest.mark.parametrize("where", ["ISR", ""])
def test_an_exception_at_the_level_of_the_device(where: str) -> None:
    machine = computer("raises", where)
    arena = machine.fake.arena
    hardware = HostVnic(arena.view, arena.hardware_offset(0), arena.hardware_layout, [arena.frames], [arena.pool])
    hardware.power_on(bytes.fromhex("020000000001"), True)
    machine.load()
    assert machine.control(pnp.start_adapter, 0) == 0
    with machine.fake.running(machine.fake.processor()) as processor:
        VnicWriteRegister(hardware_of(processor, 0), VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_LINK)
    hardware.set_link(False)
    if not where:
        machine.fake.round()
        assert machine.fake.stop_report() is None
        return
    with pytest.raises(BugCheck):
        machine.fake.round()
    report = machine.report
    assert (report.code, report.irql, report.callback) == (0x1E, DIRQL, "raises!Isr")
    assert "ValueError: planted in ISR" in report.text
    assert line_of("raises", report.traceback[-1]) == marks("raises")["stop"]


@pytest.mark.parametrize("driver", ["raises", "raises_above"])
def test_the_same_driver_that_raises_nowhere(driver: str) -> None:
    machine = computer(driver, "")
    assert machine.life() == 0
    assert machine.left() == []
