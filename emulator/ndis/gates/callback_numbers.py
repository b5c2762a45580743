"""The number of a callback that a driver gives NDIS: how every context finds it.

Law: a callback that carries no role has no number, and no other process could find it.
"""

from __future__ import annotations

from typing import Any, NoReturn

from emulator.kernel.stop import stop_limit
from emulator.rules.limits import VnicLimit


def number_of(function: Any, ddi_name: str, role: str) -> int:
    """The number of a callback, 0 for NULL; VNIC_UNKNOWN_ROUTINE for what is none."""
    number: int = getattr(function, "__ndis_routine__", 0)
    if function is not None and not number:
        unknown_routine(function, ddi_name, role)
    return number


def unknown_routine(function: Any, ddi_name: str, role: str) -> NoReturn:
    """VNIC_UNKNOWN_ROUTINE: a function was given what is no callback of this role."""
    name = getattr(function, "__qualname__", repr(function))
    stop_limit(
        VnicLimit.VNIC_UNKNOWN_ROUTINE,
        f"{ddi_name} was given {name}, which is no {role} of a driver image.",
        remedy=f"Make it a module-level function and decorate it with @{role}.",
    )
