"""DriverEntry runs once, in a context that no other ever meets: what it keeps in shared memory is there for all."""

from __future__ import annotations

import builtins
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from emulator.kernel.platform import current
from emulator.kernel.pointers import decode
from emulator.layout.machine import ContextKind, SlotState
from emulator.ndis import DRIVER_DISPATCH, DRIVER_UNLOAD
from emulator.ndis.built_in_types import BUILT_IN_TYPES
from emulator.ndis.executive import Executive
from emulator.ndis.headers.status import NDIS_STATUS_RESOURCES
from emulator.ndis.loader import import_plugin, load_images
from emulator.ndis.plug_and_play.pnp import unload
from emulator.rules.errors import BugCheck, ConfigurationError
from emulator.rules.limits import VnicLimit
from tests.fake_platform import FakeMachine, driver_module, surface

if TYPE_CHECKING:
    import types
    from pathlib import Path

KEEPER = """
    class SHARED(NONPAGED):
        Pool: NetBufferListPoolHandle
        Kept: Pointer

    Shared = SHARED()
    names = ["changed by DriverEntry"]

    def DriverEntry(DriverObject, RegistryPath):
        names.append("as it may")
        Shared.Pool = NdisAllocateNetBufferListPool(
            None,
            NET_BUFFER_LIST_POOL_PARAMETERS(
                Header=NDIS_OBJECT_HEADER(0x80, 1, NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1),
                fAllocateNetBuffer=True,
                PoolTag=0x4B656570,
                DataSize=256,
            ),
        )
        Shared.Kept = NdisAllocateNetBufferList(Shared.Pool, 0, 0)
        Shared.Kept.Status = NDIS_STATUS_RESOURCES  # which takes it home again
        return NDIS_STATUS_SUCCESS

    def let_go(shared):
        nbl, shared.Kept = shared.Kept, None
        status = nbl.Status
        NdisFreeNetBufferList(nbl)
        NdisFreeNetBufferListPool(shared.Pool)
        return status
"""


class Loaded:
    """A machine that has loaded drivers of these sources, named by their places, as the zygote does it."""

    def __init__(self, *sources: str) -> None:
        self.modules: dict[str, types.ModuleType] = {}
        self.sources = {f"driver{place}": source for place, source in enumerate(sources)}
        self.fake = FakeMachine(services=Executive(), builtin_types=BUILT_IN_TYPES, cooperative=True)
        with self.fake.running(self.fake.context(ContextKind.ZYGOTE)) as zygote:
            load_images(zygote, list(self.sources), self.load)
            zygote.enter_state(SlotState.EXITED)

    def load(self, name: str) -> types.ModuleType:
        made: types.ModuleType = driver_module(name, self.sources[name], **surface(checked=True))
        return self.modules.setdefault(name, made)


def test_what_driver_entry_stored_is_published_for_all() -> None:
    machine = Loaded(KEEPER, KEEPER)
    for image, module in enumerate(machine.modules.values(), 1):
        with machine.fake.dispatch(driver=image):
            shared: Any = decode(current.context, module.Shared._pointer)
            assert module.let_go(shared) == NDIS_STATUS_RESOURCES
    assert machine.fake.stop_report() is None


ALONE = """
    class SHARED(NONPAGED):
        Unloaded: u32

    Shared = SHARED()

    @DRIVER_UNLOAD
    def Unload(DriverObject):
        Shared.Unloaded = Shared.Unloaded + 1

    def DriverEntry(DriverObject, RegistryPath):
        DriverObject.DriverUnload = Unload
        return NDIS_STATUS_SUCCESS
"""


def test_a_driver_that_has_registered_nothing_is_unloaded_too() -> None:
    machine = Loaded(ALONE)
    with machine.fake.running(machine.fake.pnp()) as context:
        unload(context)
    assert machine.modules["driver0"].Shared.Unloaded == 1


def undeclared(*arguments: object) -> int:
    return 0


@DRIVER_UNLOAD
def unload_elsewhere(DriverObject: Any) -> None:
    pass


@DRIVER_DISPATCH
def dispatch_elsewhere(DeviceObject: Any, Irp: Any) -> int:
    return 0


ELSEWHERE: list[tuple[str, str, Any]] = [
    ("DriverUnload", "DRIVER_UNLOAD", unload_elsewhere),
    ("MajorFunction[0]", "DRIVER_DISPATCH", dispatch_elsewhere),
]


@pytest.mark.parametrize(("member", "role", "routine"), ELSEWHERE)
@pytest.mark.parametrize("declared", [False, True])
def test_a_routine_that_other_contexts_would_not_find_is_refused(
    member: str, role: str, routine: Any, declared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no role, or lies in a file that is none of the driver's."""
    given = routine if declared else undeclared
    monkeypatch.setattr(builtins, "routine_of_others", given, raising=False)
    source = (
        f"def DriverEntry(DriverObject, RegistryPath):\n    DriverObject.{member} = routine_of_others\n    return 0\n"
    )
    with pytest.raises(BugCheck) as caught:
        Loaded(source)
    assert caught.value.code == VnicLimit.VNIC_UNKNOWN_ROUTINE
    assert f"{given.__name__}, which is no {role} of a driver image" in str(caught.value.report)


def test_an_edit_within_a_second_that_keeps_the_length_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "edited_soon.py"
    for text in ("VALUE = 1\n", "VALUE = 2\n"):
        path.write_text(text, encoding="utf-8")
        os.utime(path, (1_000_000_000, 1_000_000_000))
        assert f"VALUE = {import_plugin(str(path)).VALUE}\n" == text
    assert not (tmp_path / "__pycache__").exists()


def test_a_module_and_its_code_are_of_one_file_however_its_path_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "written_shortly.py").write_text("def Callback():\n    pass\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    module = import_plugin("written_shortly.py")
    assert module.Callback.__code__.co_filename == module.__file__ == str(tmp_path / "written_shortly.py")


def test_an_entry_that_cannot_be_called_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "short.py"
    file.write_text("\n\ndef DriverEntry(DriverObject):\n    return 0\n")
    fake = FakeMachine(services=Executive(), builtin_types=BUILT_IN_TYPES)
    told = (
        f"^{re.escape(str(file))}:3: "
        r"DriverEntry\(DriverObject\) cannot be called as DriverEntry\(DriverObject, RegistryPath\)$"
    )
    with fake.running(fake.context(ContextKind.ZYGOTE)) as zygote, pytest.raises(ConfigurationError, match=told):
        load_images(zygote, [str(file)])
