"""A driver in several files: what it includes is bound to the build's functions, and its lines are told."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import emulator.ndis as surface
import sample_drivers.mux_vlan
from emulator.kernel.images import included_files
from emulator.ndis.gates import ddi
from tests.drivers.rig import Rig


def mux_of(rig: Rig) -> Any:
    return rig.fake.machine.images.images[1].module


def included(rig: Rig) -> dict[str, Any]:
    """The globals of the file that handles tags, as this machine's driver has it."""
    found: dict[str, Any] = mux_of(rig).MuxLink.__globals__
    return found


def test_its_files_are_those_of_its_folder_from_which_it_takes_functions() -> None:
    files = included_files(mux_of(Rig("netvmini", "mux")))
    assert sorted(path.rpartition("/")[2] for path in files) == ["mux.py", "mux_adapters.py", "mux_vlan.py"]


@pytest.mark.parametrize("checked", [True, False])
def test_each_machine_has_them_with_the_functions_of_its_build(checked: bool) -> None:
    before = sys.modules["sample_drivers.mux_vlan"]
    rig = Rig("netvmini", "mux", checked=checked)
    function = included(rig)["NdisFreeNetBufferList"]
    assert function is mux_of(rig).NdisFreeNetBufferList
    plain = ddi.declarations["NdisFreeNetBufferList"].function
    assert (function is plain) == (not checked)
    assert sys.modules["sample_drivers.mux_vlan"] is before is sample_drivers.mux_vlan
    assert surface.NdisFreeNetBufferList is plain


def test_a_line_of_an_included_file_is_told() -> None:
    rig = Rig("netvmini", "mux")
    images, code = rig.fake.machine.images, included(rig)["MuxFreeTagged"].__code__
    assert images.owns(code)
    assert images.describe_code(images.code_number(code), 2).endswith(" in MuxFreeTagged")
    assert "sample_drivers/mux_vlan.py:" in images.describe_code(images.code_number(code), 2)
