"""What the emulator does not have says so by name: when it is called, when it is used as a role, and on the screen."""

from __future__ import annotations

import pytest

import emulator.ndis as surface
from emulator.kernel.calls import call
from emulator.kernel.platform import current
from emulator.ndis.absent import ABSENT, Absent, Why, absent_family
from emulator.ndis.gates.ddi import declarations
from emulator.ndis.headers.callback_role import ROLES
from emulator.rules.errors import EXIT_STOP, BugCheck, NotImplementedByEmulator
from emulator.rules.limits import VnicLimit
from tests.fake_platform import FakeMachine, driver_module

NAMES = [name for family in ABSENT for name in family.names]
SOURCE = """
    @callback
    def Timer(context):
        try:
            absent(1, 2)
        except ValueError:
            pass
"""


def one_of(why: Why) -> str:
    """An absent function of a kind."""
    return next(
        name
        for family in ABSENT
        if family.why is why
        for name in family.names
        if name.startswith("Ndis") and isinstance(getattr(surface, name), Absent)
    )


def test_no_name_is_absent_twice() -> None:
    assert len(NAMES) == len(set(NAMES))


def test_what_exists_is_not_in_the_table() -> None:
    stale = [name for name in NAMES if not isinstance(getattr(surface, name), Absent)]
    assert stale == [], "these exist now: remove them from emulator/ndis/absent.py"


def test_nothing_absent_is_declared() -> None:
    assert [name for name in NAMES if name in declarations or name in ROLES] == []


def test_a_driver_sees_every_absent_name() -> None:
    space: dict[str, object] = {}
    exec("from emulator.ndis import *", space)
    assert [name for name in NAMES if name not in space] == []


def test_a_call_names_the_ddi_and_the_drivers_line() -> None:
    name = one_of(Why.ON_PURPOSE)
    with pytest.raises(NotImplementedByEmulator) as raised:
        getattr(surface, name)(1, 2, 3)
    assert raised.value.ddi == name
    assert "test_absent.py:" in raised.value.where
    assert "in test_a_call_names_the_ddi_and_the_drivers_line" in str(raised.value)


def test_an_absent_role_is_met_where_the_plugin_decorates() -> None:
    role = Absent("FILTER_OF_THIS_TEST", ABSENT[0])
    with pytest.raises(NotImplementedByEmulator, match=r"FILTER_OF_THIS_TEST .* called from <plug-in>:1 in <module>"):
        exec(compile("@role\ndef FilterAttach(): pass", "<plug-in>", "exec"), {"role": role})


def test_in_a_callback_it_is_a_limit_of_the_emulator() -> None:
    name = one_of(Why.ON_PURPOSE)
    driver = driver_module("drv", SOURCE, absent=getattr(surface, name))
    fake = FakeMachine([driver])
    with fake.dispatch() as context, pytest.raises(BugCheck) as raised:
        call(context, driver.Timer.__ndis_routine__, None)
    assert raised.value.exit_code == EXIT_STOP
    report = fake.stop_report()
    assert (report.code, report.family, report.ddi, report.driver) == (
        VnicLimit.VNIC_NOT_IMPLEMENTED,
        "emulator",
        name,
        "drv",
    )
    told = f"{name} is not implemented by this emulator, called from <driver drv>:5 in Timer. "
    assert report.text.startswith(told)
    assert f", {Why.ON_PURPOSE}: " in report.text
    assert report.traceback[-1] == "<driver drv>:5 in Timer: absent(1, 2)"
    assert "coverage.md" in report.remedy


def test_a_call_of_ndis_5_is_the_stop_that_windows_has_for_it() -> None:
    name = one_of(Why.NDIS_5)
    driver = driver_module("drv", SOURCE, absent=getattr(surface, name))
    fake = FakeMachine([driver])
    with fake.dispatch() as context, pytest.raises(BugCheck):
        call(context, driver.Timer.__ndis_routine__, None)
    report = fake.stop_report()
    assert (report.code, report.parameters[0], report.family, report.ddi) == (0x7C, 0x15, "windows", name)
    assert "<driver drv>:5 in Timer" in report.text


def test_a_call_of_ndis_5_outside_a_machine_is_only_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    if hasattr(current, "context"):
        monkeypatch.delattr(current, "context")
    with pytest.raises(NotImplementedByEmulator):
        getattr(surface, one_of(Why.NDIS_5))()


def test_the_table_answers_by_name() -> None:
    family = absent_family("NdisCmActivateVc")
    assert family is not None
    assert (family.title, family.why) == ("CoNDIS", Why.ON_PURPOSE)
    assert absent_family("NdisAllocateIoWorkItem") is None
    assert "left out on purpose" in repr(surface.NdisCmActivateVc)  # type: ignore[attr-defined]
