"""What a driver's routine returns: its NDIS_STATUS, or the stop that says that it is none.

Law: in C a compiler sees to it that there is one; here a routine that ends without ``return`` gives None, and that is
said to be the driver's, where it happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from emulator.kernel.calls import call
from emulator.kernel.stop import stop_limit
from emulator.layout.machine import ROUTINE_CELL
from emulator.rules.limits import VnicLimit

if TYPE_CHECKING:
    from types import CodeType

    from emulator.kernel.context import Context
    from emulator.ndis.headers.status import NDIS_STATUS


def call_for_status(context: Context, routine: int, *arguments: Any) -> NDIS_STATUS:
    """``kernel.calls.call`` for a routine that returns a status; VNIC_NO_STATUS when it returns anything else."""
    status = call(context, routine, *arguments)
    if not isinstance(status, int) or isinstance(status, bool):
        wrong_result(context, routine, status, "an NDIS_STATUS")
    return status  # type: ignore[return-value]


def wrong_result(context: Context, routine: int, found: object, wanted: str) -> NoReturn:
    """The stop for a routine that returned what it must not."""
    images = context.machine.images
    # For the screen the routine is in progress once more: it is the one to look at.
    context.cells[ROUTINE_CELL] = images.marks[routine]
    stop_limit(
        VnicLimit.VNIC_NO_STATUS,
        f"{images.routine_name(routine)} returned {found!r}; it must return {wanted}.",
        frames=[where_it_begins(context, routine)],
    )


def code_of(context: Context, routine: int) -> CodeType:
    """The code of a routine."""
    return context.machine.images.routines[routine].function.__code__  # type: ignore[union-attr]


def where_it_begins(context: Context, routine: int) -> str:
    """The line of a routine that has returned, for a stop about what it left behind."""
    code = code_of(context, routine)
    return f"{context.machine.images.short_path(code.co_filename)}:{code.co_firstlineno} in {code.co_qualname}"
