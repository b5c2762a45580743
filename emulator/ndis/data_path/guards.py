"""Touch by a driver that does not own a list, in the checked build: the list that a call was given is guarded after it.

Law: a guard costs one change of class at the call and one look at the first touch; the owner's first touch takes it
away, anybody else's is a stop.  Only the first list of a chain is guarded: it is the one that the caller still has in
its hand.  Whatever publishes takes all guards away first.
"""

from __future__ import annotations

import functools
from itertools import compress
from typing import TYPE_CHECKING, Any, Final, NoReturn

from emulator.kernel.platform import current
from emulator.kernel.stop import site_of, stop
from emulator.layout.machine import DRIVER_SHIFT, ROUTINE_CELL
from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST, NOBODY, list_owner, list_site, list_word, set_class
from emulator.ndis.buffers.ownership import describe_owner
from emulator.rules.nbl import TOUCHED

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.data_path.datapath_state import DataPath


def take_guards_away(path: DataPath) -> None:
    """Make every guarded list an ordinary one."""
    guarded = path.guarded
    # Most of them have been touched meanwhile by their owner: to find that out costs no step for each.
    still = map(_GUARDS.__contains__, map(type, guarded))
    for nbl in compress(guarded, still):
        set_class(nbl, NET_BUFFER_LIST)
    guarded.clear()


def _other_touch(nbl: NET_BUFFER_LIST, name: str, written: int) -> None:
    """A guarded list is touched first by another than the driver that it was handed to: a stop, but for NDIS itself."""
    context = current.context
    owner, driver = list_owner(nbl), context.driver
    if owner != driver and context.datapath.owners.get(owner, owner) != driver and driver and owner != NOBODY:
        _touched(context, nbl, name, written)


def _touched(context: Context, nbl: NET_BUFFER_LIST, name: str, written: int) -> NoReturn:
    owner, site = list_owner(nbl), list_site(nbl)
    driver = context.machine.images.driver_name(context.driver)
    stop(
        TOUCHED.code,
        list_word(nbl),
        written,
        context.box.site,
        text=f"{driver} {'wrote' if written else 'read'} NET_BUFFER_LIST.{name} after it had handed the list on; the "
        f"list {describe_owner(context, owner)}.",
        sites=[site_of(context, "handed on", site)] if site else [],
    )


def _guarded(name: str, driver: int) -> property:
    """A member as a guarded list has it; what is NDIS's own it has as any other list."""
    member: Any = getattr(NET_BUFFER_LIST, name)
    get, put = member.__get__, member.__set__

    def read(nbl: Any) -> Any:
        if current.context.cells[ROUTINE_CELL] >> DRIVER_SHIFT != driver:
            _other_touch(nbl, name, 0)
        nbl.__class__ = NET_BUFFER_LIST
        return get(nbl)

    def write(nbl: Any, value: Any) -> None:
        if current.context.cells[ROUTINE_CELL] >> DRIVER_SHIFT != driver:
            _other_touch(nbl, name, 1)
        nbl.__class__ = NET_BUFFER_LIST
        put(nbl, value)

    return property(read, write)


@functools.cache
def guard_of(driver: int) -> Any:
    """The class of a list that was handed to this driver: its owner's first touch makes it an ordinary one."""
    names = [name for base in NET_BUFFER_LIST.__mro__ for name in getattr(base, "__slots__", ()) if name[0] != "_"]
    members = {name: _guarded(name, driver) for name in names}
    made = type("NET_BUFFER_LIST", (NET_BUFFER_LIST,), {"__slots__": (), "__doc__": guard_of.__doc__, **members})
    _GUARDS.add(made)
    return made


_GUARDS: Final[set[type]] = set()
