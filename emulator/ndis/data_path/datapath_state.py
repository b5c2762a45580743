"""What one context keeps of the data path: its views of pools and stacks, and what it must still publish.

Law: private to the context, made at its first use of the data path; the arena holds everything that others may see.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from emulator.layout.machine import JOURNAL_ENTRIES, ContextKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.ndis.buffers.buffer_pools import BufferPool
    from emulator.ndis.buffers.net_buffers import NET_BUFFER, NET_BUFFER_LIST

AWAY: Final = 0x8000_0000
"""Home word of a published entry, with the slot that published it in its low bits."""
HOME_MASK: Final = 0xFFFF


class DataPath:
    """The data path as one context sees it."""

    __slots__ = (
        "adapters",
        "away",
        "bindings",
        "box",
        "calls",
        "checked",
        "context",
        "cycle_told",
        "defers",
        "epoch",
        "escaped",
        "guarded",
        "halves",
        "home",
        "journal",
        "looping",
        "memory",
        "modules",
        "next_place",
        "numbers",
        "own_pools",
        "owners",
        "passive",
        "pools",
        "recalls",
        "sources",
        "tracked",
        "view",
        "views",
        "withholds",
        "words",
    )

    def __init__(self, context: Context) -> None:
        from emulator.ndis.data_path.stacks import by_kind

        arena = context.machine.arena
        self.context = context
        self.box = context.box
        self.checked = context.machine.checked
        self.passive = context.kind is not ContextKind.PROCESSOR
        # With one processor nobody else is at DISPATCH_LEVEL before this one lowers: what was stored stays until then.
        self.defers = not self.passive and arena.geometry.processors == 1
        # With several it is away where a lock is released, and written when somebody asks (withholding.py).
        self.withholds = not self.passive and not self.defers
        self.home = context.slot + 1
        self.away = AWAY | self.home
        self.memory = arena.memory
        self.view = arena.view
        self.words = arena.words
        self.halves = arena.view.cast("B").cast("I")
        self.journal = arena.journal(context.slot)
        self.next_place: Callable[[], int] = itertools.cycle(range(JOURNAL_ENTRIES)).__next__
        self.recalls = arena.recalls(context.slot)
        self.calls = arena.recall_counts(context.slot)
        self.epoch = -1
        self.pools: dict[int, BufferPool] = {}
        self.numbers: dict[int, BufferPool] = {}
        self.own_pools: dict[int, BufferPool] = {}
        self.owners: dict[int, int] = {}
        self.views: dict[int, Any] = {}
        # The same by kind, for the functions at each frame: a handle of the other kind must not be found.
        self.adapters, self.bindings, self.modules = by_kind({}, {})
        self.sources: dict[int, int] = {}
        # Freed ones stay until somebody looks, and are stored again at the same key.
        self.escaped: dict[NET_BUFFER_LIST | NET_BUFFER, None] = context.stored
        self.guarded: list[NET_BUFFER_LIST] = []
        self.tracked: list[NET_BUFFER_LIST | NET_BUFFER] = context.tracked
        self.cycle_told = False
        # Whose frame is looped back just now, and whether the sender wants it itself.
        self.looping: tuple[int, bool] | None = None


def data_path(context: Context) -> DataPath:
    """The data path of a context, made when it is first asked for."""
    found = context.datapath
    if found is None:
        found = context.datapath = DataPath(context)
    return found  # type: ignore[no-any-return]
