"""What ``from emulator.ndis import *`` gives a driver: enumerators as C has them, and nothing of the emulator's own."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from emulator import ndis

SURFACE: dict[str, Any] = {name: getattr(ndis, name) for name in vars(ndis)["__all__"]}
OURS = {"HandleField", "Memory", "SizeOf", "Literal"}
"""Layout types that no header of the WDK has, beside those in emulator.layout."""


def test_every_enumerator_stands_alone_as_in_c() -> None:
    kinds = [kind for kind in SURFACE.values() if isinstance(kind, type) and issubclass(kind, IntEnum)]
    assert len(kinds) > 20
    missing = [f"{kind.__name__}.{one.name}" for kind in kinds for one in kind if SURFACE.get(one.name) is not one]
    assert missing == []


def test_nothing_of_the_kernel_or_the_rules_is_a_drivers_name() -> None:
    allowed = ("emulator.ndis", "emulator.kernel.lists", "emulator.kernel.pointers", "emulator.layout")
    strange = {
        name: value.__module__
        for name, value in SURFACE.items()
        if isinstance(value, type) and value.__module__ != "ctypes" and not value.__module__.startswith(allowed)
    }
    assert {name for name in strange if name not in OURS} == set()
    assert not {"ContextKind", "VnicLimit"} & SURFACE.keys()
