"""DRIVER_OBJECT: what DriverEntry is given, and where a protocol leaves its unload routine.

Law: one per image, made by the loader; filled in DriverEntry and read-only afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from emulator.kernel.platform import current
from emulator.kernel.stop import stop_limit
from emulator.layout.machine import ContextKind
from emulator.rules.limits import VnicLimit

MAJOR_FUNCTIONS: Final = 0x1C


class MajorFunctions:
    """The dispatch routines of a driver by IRP_MJ_...; None for a function that it does not serve."""

    __slots__ = ("_driver", "_routines")

    def __init__(self, driver: str) -> None:
        self._driver = driver
        self._routines: list[Callable[[Any, Any], int] | None] = [None] * MAJOR_FUNCTIONS

    def __len__(self) -> int:
        return MAJOR_FUNCTIONS

    def __getitem__(self, major: int) -> Callable[[Any, Any], int] | None:
        return self._routines[major]

    def __setitem__(self, major: int, routine: Callable[[Any, Any], int] | None) -> None:
        _in_driver_entry(self._driver, "MajorFunction")
        _has_role(routine, "MajorFunction", "DRIVER_DISPATCH")
        self._routines[major] = routine


class DRIVER_OBJECT:
    """The driver object of one image.  DriverUnload and MajorFunction are the driver's to set, in DriverEntry."""

    __slots__ = ("DriverName", "MajorFunction", "_unload", "image")

    def __init__(self, name: str, image: int) -> None:
        self.DriverName = name
        self.image = image
        self.MajorFunction = MajorFunctions(name)
        self._unload: Callable[[Any], None] | None = None

    @property
    def DriverUnload(self) -> Callable[[Any], None] | None:
        """What is called before the image is unloaded."""
        return self._unload

    @DriverUnload.setter
    def DriverUnload(self, routine: Callable[[Any], None] | None) -> None:
        _in_driver_entry(self.DriverName, "DriverUnload")
        _has_role(routine, "DriverUnload", "DRIVER_UNLOAD")
        self._unload = routine


def _in_driver_entry(driver: str, member: str) -> None:
    if current.context.kind is not ContextKind.ZYGOTE:
        stop_limit(
            VnicLimit.VNIC_PRIVATE_DATA,
            f"{driver} set {member} of its driver object outside DriverEntry, where no other context would see it.",
            remedy="Set it in DriverEntry.",
        )


def _has_role(routine: Any, member: str, role: str) -> None:
    declared = getattr(getattr(routine, "__ndis_role__", None), "name", "") == role
    # What lies in a file that is none of the driver's has a role and no number.
    if routine is not None and not (declared and getattr(routine, "__ndis_routine__", 0)):
        stop_limit(
            VnicLimit.VNIC_UNKNOWN_ROUTINE,
            f"{member} is {getattr(routine, '__qualname__', routine)!s}, which is no {role} of a driver image.",
            remedy=f"Make it a module-level function of the driver's own files and declare it with @{role}.",
        )


__all__ = ["DRIVER_OBJECT"]
