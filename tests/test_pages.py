"""The pages for who writes drivers and tests are true: what they show runs, and their tables leave nothing out."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from emulator import ndis
from emulator.testing.lab import Lab
from emulator.testing.machine import LabMachine
from emulator.testing.nic import Nic
from vnic import device
from vnic.device.registers import REGISTERS

DOCS = Path(__file__).resolve().parent.parent / "docs"
DRIVERS, TESTING, HARDWARE = (
    (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("drivers", "testing", "hardware")
)


def blocks(text: str) -> list[str]:
    """The fenced blocks of Python."""
    return re.findall(r"(?ms)^```python\n(.*?)^```$", text)


def test_the_driver_that_is_shown_passes_the_test_that_is_shown(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, shown = blocks(DRIVERS)
    (pytester.path / "udpdrop.py").write_text(driver, encoding="utf-8")
    monkeypatch.setenv("PYTEST_PLUGINS", "emulator.testing.plugin")
    pytester.makepyfile(shown)
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest").assert_outcomes(passed=1)


def test_the_test_that_is_shown_passes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = blocks(TESTING)
    monkeypatch.setenv("PYTEST_PLUGINS", "emulator.testing.plugin")
    pytester.makepyfile(shown)
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest").assert_outcomes(passed=1)


def test_the_integers_of_the_table_have_the_widths_that_it_names() -> None:
    (row,) = re.findall(r"(?m)^\| (`ULONG`.*?) \| (.*?);", DRIVERS)
    theirs, ours = (re.findall(r"`(\w+)`", cell) for cell in row)
    assert [getattr(ndis, name) for name in theirs] == [getattr(ndis, name) for name in ours]


def test_each_register_has_its_row() -> None:
    rows = re.findall(r"(?m)^\| `VNIC_REGISTER_(\w+)` \| (.*?) \| (.*?) \|$", HARDWARE)
    assert rows == [(row.name, "read, write" if row.writable else "read", row.meaning) for row in REGISTERS]


def test_each_function_of_the_hardware_is_there() -> None:
    functions = {name for name in device.__all__ if inspect.isfunction(getattr(device, name))}
    assert functions <= set(re.findall(r"`(Vnic\w+)", HARDWARE))


@pytest.mark.parametrize(("kind", "prefix"), [(Lab, "lab"), (Nic, "nic"), (LabMachine, "nic.machine")])
def test_each_member_is_named(kind: type, prefix: str) -> None:
    inside = {"finish", "close", "pump", "hear", "watched", "described_end", "start_machine", "console", "expected"}
    members = {name for name in vars(kind) if not name.startswith("_")} - inside
    if kind is LabMachine:
        members.discard("start")
    assert members - set(re.findall(rf"`{re.escape(prefix)}\.(\w+)", TESTING)) == set()


def test_each_option_of_start_is_named() -> None:
    parameters = inspect.signature(Lab.start).parameters.keys() - {"self", "miniport", "options"}
    assert parameters - set(re.findall(r"`(\w+)=", TESTING)) == set()
