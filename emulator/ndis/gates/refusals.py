"""What NDIS says in the log: a warning, and of a call that it refuses with a status why.

Law: the line of a refusal names the driver, the function, why, and in the checked build where it was called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.kernel.sites import describe_site
from emulator.ndis.headers.structures_common import structure_fault

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.headers.structures_common import HasHeader

WARNING = 30


def tell_refusal(context: Context, function: str, why: str) -> None:
    """Log that a function has refused what it was given."""
    machine = context.machine
    where = f"; called at {describe_site(machine, context.site)[0]}" if context.site else ""
    warn(context, f"{machine.images.driver_name(context.driver)}: {function}: {why}{where}")


def header_refused(context: Context, function: str, given: HasHeader) -> bool:
    """Is the header of what a function was given wrong?  The log says how."""
    fault = structure_fault(given)
    if fault is not None:
        tell_refusal(context, function, fault)
    return fault is not None


def warn(context: Context, text: str) -> None:
    """Log what somebody who looks after the machine wants to know."""
    context.platform.log(WARNING, "ndis", text)
