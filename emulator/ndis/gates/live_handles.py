"""The object behind a handle that a driver gives back or goes on with, or the stop that says what became of it.

Law: of what is gone the stop shows where it was made and where it went.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.objects import handle_in_words
from emulator.kernel.stop import site_of, stop

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.layout.handles import HandleKind


ALLOCATION: Final = ("allocated", "freed")
REGISTRATION: Final = ("registered", "deregistered")
"""What begins and what ends an object's life."""


def find_live(
    context: Context,
    handle: int | None,
    kind: HandleKind,
    thing: str,
    done: str,
    life: tuple[str, str] = ALLOCATION,
    *,
    code: tuple[int, int] = (0x7C, 0x21),
    rule: str = "",
) -> Any:
    """The record of a live handle; for anything else the stop that a driver has ``done`` something with it."""
    table = context.machine.objects[kind]
    record = table.find(handle, kind)
    if record is not None:
        return record
    freed = table.freed(handle, kind) if handle else None
    if freed is None:
        text = f"What was {done} as {thing} is {handle_in_words(context.machine.objects, handle)}."
        stop(*code, handle or 0, rule=rule, text=text)
    begun, ended = life
    twice = done == ended
    stop(
        *code,
        handle or 0,
        rule=rule,
        text=f"{thing[0].upper()}{thing[1:]} was {done} {'twice' if twice else f'after it had been {ended}'}.",
        sites=[
            site_of(context, begun, freed.head.allocated_site),
            site_of(context, f"{ended} the first time" if twice else ended, freed.head.freed_site),
        ],
    )
