"""What NDIS says in the log: a warning, and of a call that it refuses with a status why.

Law: the line of a refusal names the driver, the function, why, and in the checked build where it was called.
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
    warn(context, f"{machine.images.driver_name(context.driver)}: {function}: {why}{where}")


def warn(context: Context, text: str) -> None:
    """Log what somebody who looks after the machine wants to know."""
    context.platform.log(WARNING, "ndis", text)
