"""What a driver is told of a call that NDIS refuses with a status: a line in the log.

Law: the line names the driver, the function, why, and in the checked build where it was called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.kernel.sites import describe_site

if TYPE_CHECKING:
    from emulator.kernel.context import Context

WARNING = 30


def tell_refusal(context: Context, function: str, why: str) -> None:
    """Log that a function has refused what it was given."""
    machine = context.machine
    where = f"; called at {describe_site(machine, context.site)[0]}" if context.site else ""
    context.platform.log(WARNING, "ndis", f"{machine.images.driver_name(context.driver)}: {function}: {why}{where}")
