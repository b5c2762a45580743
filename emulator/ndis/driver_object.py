"""DRIVER_OBJECT: what DriverEntry is given, and where a protocol leaves its unload routine.

Law: one per image, made by the loader; filled in DriverEntry and read-only afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.kernel.platform import current
from emulator.kernel.stop import stop_limit
from emulator.layout.machine import ContextKind
from emulator.rules.limits import VnicLimit


class DRIVER_OBJECT:
    """The driver object of one image.  ``DriverUnload`` is the driver's to set, in DriverEntry."""

    __slots__ = ("DriverName", "_unload", "image")

    def __init__(self, name: str, image: int) -> None:
        self.DriverName = name
        self.image = image
        self._unload: Callable[[Any], None] | None = None

    @property
    def DriverUnload(self) -> Callable[[Any], None] | None:
        """What is called before the image is unloaded."""
        return self._unload

    @DriverUnload.setter
    def DriverUnload(self, routine: Callable[[Any], None] | None) -> None:
        if current.context.kind is not ContextKind.ZYGOTE:
            stop_limit(
                VnicLimit.VNIC_PRIVATE_DATA,
                f"{self.DriverName} set DriverUnload of its driver object outside DriverEntry, where no other context "
                "would see it.",
                remedy="Set it in DriverEntry.",
            )
        if routine is not None and not hasattr(routine, "__ndis_routine__"):
            stop_limit(
                VnicLimit.VNIC_UNKNOWN_ROUTINE,
                f"DriverUnload is {getattr(routine, '__qualname__', routine)!s}, which carries no role.",
                remedy="Make it a module-level function and declare it with @DRIVER_UNLOAD.",
            )
        self._unload = routine
