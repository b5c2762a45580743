"""Functions of the DDI without their gates, for tests that are about what they do and not about who may call them."""

from __future__ import annotations

from typing import Any

from emulator.ndis.gates.ddi import declarations


def ddi(name: str) -> Any:
    """The function of this name as it is written."""
    return declarations[name].function
