"""DRIVER_OBJECT: what DriverEntry is given, and where a protocol leaves its unload routine.

Law: one per image, made by the loader; filled in DriverEntry and read-only afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class DRIVER_OBJECT:
    """The driver object of one image.  ``DriverUnload`` is the driver's to set, in DriverEntry."""

    __slots__ = ("DriverName", "DriverUnload", "image")

    def __init__(self, name: str, image: int) -> None:
        self.DriverName = name
        self.DriverUnload: Callable[[Any], None] | None = None
        self.image = image
