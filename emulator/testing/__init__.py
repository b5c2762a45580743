"""Tests of drivers with pytest: the fixture ``lab`` starts machines, and fails the test for whatever it leaves behind.

Law: importing this package or its plug-in imports nothing else of the emulator; a test that does not ask for ``lab``
pays nothing for it.  The names below are for annotations: ``def test_echo(lab: Lab) -> None``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.testing.device import Device, DeviceError, DeviceGone, DeviceTimeout
    from emulator.testing.expectation import Expectation
    from emulator.testing.lab import Lab
    from emulator.testing.machine import LabMachine, UnexpectedStop
    from emulator.testing.nic import Nic, NothingReceived

_HOMES = {
    "Device": "device",
    "DeviceError": "device",
    "DeviceGone": "device",
    "DeviceTimeout": "device",
    "Expectation": "expectation",
    "Lab": "lab",
    "LabMachine": "machine",
    "Nic": "nic",
    "NothingReceived": "nic",
    "UnexpectedStop": "machine",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)


__all__ = [
    "Device",
    "DeviceError",
    "DeviceGone",
    "DeviceTimeout",
    "Expectation",
    "Lab",
    "LabMachine",
    "Nic",
    "NothingReceived",
    "UnexpectedStop",
]
