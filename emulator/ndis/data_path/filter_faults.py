"""What a filter driver may not do on the data path: the stops, and its own lists, which are no fault.

Law: a list without the owner that a call expects comes here, and the first of each run with one SourceHandle
(hand_offs); whoever returns from here has found it to be right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from emulator.kernel.stop import stop
from emulator.ndis.buffers.ownership import came_home, was_parent, wrong_link, wrong_owner
from emulator.rules.nbl import INDICATE, RETURN, SEND, SEND_COMPLETE
from emulator.rules.states import FILTER, FilterEvent, FilterState

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST
    from emulator.ndis.data_path.filter_views import Module


def look_at_send(context: Context, nbl: NET_BUFFER_LIST, module: Module) -> None:
    """Let the module's own list pass; stop for another that is not on its way through the module."""
    source = nbl.SourceHandle or 0
    if nbl._owner == module.driver or was_parent(context, nbl, module.driver):
        path = module.path
        if source != module.handle and (source in path.views or source in path.modules):
            return
        wrong_link(
            context,
            nbl,
            f"A NET_BUFFER_LIST was sent on whose SourceHandle is {source:#x}, neither a binding nor a filter above. A "
            "filter sets SourceHandle only on the lists that it originates.",
        )
    _own(context, nbl, module, SEND, "sent", module.complete.function is not None, "FilterSendNetBufferListsComplete")


def look_at_indicate(context: Context, nbl: NET_BUFFER_LIST, module: Module) -> None:
    """Let the module's own list pass; stop for another that is not on its way through the module."""
    if nbl._owner == module.received or was_parent(context, nbl, module.received):
        return
    _own(context, nbl, module, INDICATE, "indicated", module.returns.function is not None, "FilterReturnNetBufferLists")


def look_at_complete(context: Context, nbl: NET_BUFFER_LIST, module: Module) -> None:
    """Stop for a completion of what is not on its way through the module."""
    if nbl._owner == module.driver or was_parent(context, nbl, module.driver):
        return
    if nbl._owner == module.image and nbl.SourceHandle == module.handle:
        wrong_link(context, nbl, "A filter completed a NET_BUFFER_LIST that it originated itself; it ends there.")
    wrong_owner(
        context,
        nbl,
        "A NET_BUFFER_LIST was completed by a filter",
        SEND_COMPLETE,
        "A filter completes each list that it was given to send once, unless it has sent it on and it is not back.",
    )


def look_at_return(context: Context, nbl: NET_BUFFER_LIST, module: Module) -> None:
    """Stop for a return of what is not on its way through the module, or of the module's own."""
    if nbl.SourceHandle == module.handle:
        wrong_link(context, nbl, "A filter returned a NET_BUFFER_LIST that it originated itself; it ends there.")
    if nbl._owner == module.received or was_parent(context, nbl, module.received):
        return
    wrong_owner(
        context,
        nbl,
        "A NET_BUFFER_LIST was returned by a filter",
        RETURN,
        "A filter returns each list that was indicated to it once, and none that it was only lent.",
    )


def may_not_now(handle: int, state: int, name: str) -> NoReturn:
    """Stop for what a module may not do in its state (0x7C/0x1F, our choice)."""
    offence = FILTER.offences[FilterEvent.PAUSE_COMPLETED]
    stop(
        offence.code,
        offence.subcode,
        0,
        handle,
        text=f"{name} was called in state {FilterState(state).name.capitalize()}, in which a filter module may not.",
        ddi=name,
    )


def _own(
    context: Context, nbl: NET_BUFFER_LIST, module: Module, operation: int, done: str, ends: bool, handler: str
) -> None:
    if nbl._owner != module.image and not came_home(context, nbl):
        wrong_owner(
            context,
            nbl,
            f"A NET_BUFFER_LIST was {done} by a filter",
            operation,
            "A filter passes on what it was given, or what it has made itself, once at a time.",
        )
    if nbl.SourceHandle != module.handle:
        wrong_link(
            context,
            nbl,
            f"A filter {done} a NET_BUFFER_LIST of its own whose SourceHandle is {nbl.SourceHandle or 0:#x}; it must "
            f"be the filter handle {module.handle:#x}, by which its way back ends there.",
        )
    if not ends:
        wrong_link(
            context, nbl, f"A filter without {handler} {done} a NET_BUFFER_LIST of its own; it would not come back."
        )
