"""Numbering what driver images hold: every number fits where it is kept, or loading ends with a clear word."""

from __future__ import annotations

import types

import pytest

from emulator.kernel.images import MOST_ROUTINES, Images
from emulator.kernel.pointers import NONPAGED
from emulator.layout.machine import WORK_ITEM
from emulator.rules.errors import ConfigurationError
from tests.fake_platform import callback


def driver(routines: int) -> types.ModuleType:
    """A driver image with so many callbacks."""
    module = types.ModuleType("many")
    module.__file__ = "many.py"
    code = compile("def routine(context, handle): pass\ndef DriverEntry(driver, path): return 0\n", "many.py", "exec")
    exec(code, vars(module))
    body = module.routine.__code__
    for number in range(routines):
        function = callback(types.FunctionType(body, vars(module), f"routine{number}"))
        function.__qualname__ = f"routine{number}"
        vars(module)[f"routine{number}"] = function
    del module.routine
    return module


def test_the_number_of_every_routine_fits_into_the_record_of_a_work_item() -> None:
    images = Images()
    images.add("many", driver(MOST_ROUTINES))
    images.seal(NONPAGED)
    last = images.routines[-1]
    assert last is not None
    item = WORK_ITEM.at(bytearray(WORK_ITEM.size()), 0)
    item.routine = last.number
    assert item.routine == last.number == MOST_ROUTINES


def test_one_routine_too_many_is_said_when_the_images_are_loaded() -> None:
    images = Images()
    images.add("many", driver(MOST_ROUTINES + 1))
    with pytest.raises(ConfigurationError, match=f"have {MOST_ROUTINES + 1} callbacks; .* {MOST_ROUTINES} in one"):
        images.seal(NONPAGED)
