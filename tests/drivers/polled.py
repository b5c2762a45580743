"""netvmini in poll mode for the rig, whose adapters ask for a driver of that name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.drivers.rig import ROOT
from tests.fake_platform import fresh_module

if TYPE_CHECKING:
    import types


def netvmini() -> types.ModuleType:
    """The driver, for one machine."""
    return fresh_module("netvmini", ROOT / "tests" / "scenarios" / "drivers" / "poll_mode.py")
