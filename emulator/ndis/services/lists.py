"""Lists: LIST_ENTRY, SINGLE_LIST_ENTRY and SLIST_HEADER in the driver's structures, and what is done to them.

Law: an entry is a member of a nonpaged structure, found again with CONTAINING_RECORD; what is interlocked is so under
the spin lock that the caller names, at any IRQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.kernel import lists
from emulator.kernel.lists import LIST_ENTRY, SINGLE_LIST_ENTRY, SLIST_HEADER
from emulator.kernel.platform import current
from emulator.ndis.gates.ddi import ddi
from emulator.rules.irql import ANY, AT_MOST_DISPATCH

if TYPE_CHECKING:
    from emulator.ndis.headers.layout import LONG, NDIS_SPIN_LOCK


SLIST_ENTRY = SINGLE_LIST_ENTRY
"""An entry of a sequenced list."""


@ddi(irql=ANY)
def NdisInitializeListHead(ListHead: LIST_ENTRY, /) -> None:
    """Make a list empty."""
    lists.initialize(current.context, ListHead)


@ddi(irql=ANY, page="nf-wdm-initializelisthead")
def InitializeListHead(ListHead: LIST_ENTRY, /) -> None:
    """Make a list empty."""
    lists.initialize(current.context, ListHead)


@ddi(irql=ANY, page="nf-wdm-islistempty")
def IsListEmpty(ListHead: LIST_ENTRY, /) -> bool:
    """Is there nothing in the list?"""
    return ListHead.flink == ListHead._pointer


@ddi(irql=ANY, page="nf-wdm-insertheadlist")
def InsertHeadList(ListHead: LIST_ENTRY, Entry: LIST_ENTRY, /) -> None:
    """Put an entry in front.  Bug check 0x139/3 for a list that does not fit together."""
    lists.insert(current.context, ListHead, Entry, tail=False)


@ddi(irql=ANY, page="nf-wdm-inserttaillist")
def InsertTailList(ListHead: LIST_ENTRY, Entry: LIST_ENTRY, /) -> None:
    """Put an entry at the end.  Bug check 0x139/3 for a list that does not fit together."""
    lists.insert(current.context, ListHead, Entry, tail=True)


@ddi(irql=ANY, page="nf-wdm-removeheadlist")
def RemoveHeadList(ListHead: LIST_ENTRY, /) -> LIST_ENTRY:
    """Take the first entry out; of an empty list the head itself, so ask IsListEmpty first."""
    return lists.remove_end(current.context, ListHead, tail=False)


@ddi(irql=ANY, page="nf-wdm-removetaillist")
def RemoveTailList(ListHead: LIST_ENTRY, /) -> LIST_ENTRY:
    """Take the last entry out; of an empty list the head itself, so ask IsListEmpty first."""
    return lists.remove_end(current.context, ListHead, tail=True)


@ddi(irql=ANY, page="nf-wdm-removeentrylist")
def RemoveEntryList(Entry: LIST_ENTRY, /) -> bool:
    """Take an entry out of whatever list it is in; is that list empty now?  Bug check 0x139/3 when it is in none."""
    context = current.context
    return lists.remove(context, lists.place_of(context, Entry) >> 3)


@ddi(irql=ANY, page="nf-wdm-pushentrylist")
def PushEntryList(ListHead: SINGLE_LIST_ENTRY, Entry: SINGLE_LIST_ENTRY, /) -> None:
    """Put an entry in front."""
    lists.push(current.context, ListHead, Entry)


@ddi(irql=ANY, page="nf-wdm-popentrylist")
def PopEntryList(ListHead: SINGLE_LIST_ENTRY, /) -> SINGLE_LIST_ENTRY | None:
    """Take the first entry out; None (NULL) when there is none."""
    return lists.pop(current.context, ListHead)


@ddi(irql=ANY)
def NdisInterlockedInsertHeadList(
    ListHead: LIST_ENTRY, ListEntry: LIST_ENTRY, SpinLock: NDIS_SPIN_LOCK, /
) -> LIST_ENTRY | None:
    """Put an entry in front; the one that was the first, None (NULL) if the list was empty."""
    context = current.context
    with lists.Guarded(context, SpinLock):
        return lists.insert(context, ListHead, ListEntry, tail=False)


@ddi(irql=ANY)
def NdisInterlockedInsertTailList(
    ListHead: LIST_ENTRY, ListEntry: LIST_ENTRY, SpinLock: NDIS_SPIN_LOCK, /
) -> LIST_ENTRY | None:
    """Put an entry at the end; the one that was the last, None (NULL) if the list was empty."""
    context = current.context
    with lists.Guarded(context, SpinLock):
        return lists.insert(context, ListHead, ListEntry, tail=True)


@ddi(irql=ANY)
def NdisInterlockedRemoveHeadList(ListHead: LIST_ENTRY, SpinLock: NDIS_SPIN_LOCK, /) -> LIST_ENTRY | None:
    """Take the first entry out; None (NULL) when the list is empty."""
    context = current.context
    with lists.Guarded(context, SpinLock):
        found = lists.remove_end(context, ListHead, tail=False)
    return None if found == ListHead else found


@ddi(irql=ANY)
def NdisInitializeSListHead(SListHead: SLIST_HEADER, /) -> None:
    """Make a sequenced list empty."""
    SListHead.next = SListHead.depth = SListHead.sequence = 0


@ddi(irql=ANY)
def NdisInterlockedPushEntrySList(
    SListHead: SLIST_HEADER, SListEntry: SINGLE_LIST_ENTRY, Lock: NDIS_SPIN_LOCK, /
) -> SLIST_ENTRY | None:
    """Put an entry in front; the one that was the first, None (NULL) if the list was empty."""
    context = current.context
    with lists.Guarded(context, Lock):
        before = lists.push(context, SListHead, SListEntry)
        SListHead.depth += 1
        SListHead.sequence += 1
    return before


@ddi(irql=ANY)
def NdisInterlockedPopEntrySList(SListHead: SLIST_HEADER, Lock: NDIS_SPIN_LOCK, /) -> SINGLE_LIST_ENTRY | None:
    """Take the first entry out; None (NULL) when there is none."""
    context = current.context
    with lists.Guarded(context, Lock):
        found = lists.pop(context, SListHead)
        if found is not None:
            SListHead.depth -= 1
    return found


@ddi(irql=AT_MOST_DISPATCH, rules=("Irql_Miscellaneous_Function",))
def NdisQueryDepthSList(SListHead: SLIST_HEADER, /) -> int:
    """How many entries a sequenced list has; it may have changed since."""
    return SListHead.depth


@ddi(irql=ANY)
def NdisInterlockedAddUlong(Addend: LONG, Increment: int, SpinLock: NDIS_SPIN_LOCK, /) -> int:
    """Add to a cell under a spin lock; the value before."""
    context = current.context
    with lists.Guarded(context, SpinLock):
        return context.platform.fetch_add(Addend, Increment) & 0xFFFF_FFFF


__all__ = [
    "LIST_ENTRY",
    "SINGLE_LIST_ENTRY",
    "SLIST_ENTRY",
    "SLIST_HEADER",
    "InitializeListHead",
    "InsertHeadList",
    "InsertTailList",
    "IsListEmpty",
    "NdisInitializeListHead",
    "NdisInitializeSListHead",
    "NdisInterlockedAddUlong",
    "NdisInterlockedInsertHeadList",
    "NdisInterlockedInsertTailList",
    "NdisInterlockedPopEntrySList",
    "NdisInterlockedPushEntrySList",
    "NdisInterlockedRemoveHeadList",
    "NdisQueryDepthSList",
    "PopEntryList",
    "PushEntryList",
    "RemoveEntryList",
    "RemoveHeadList",
    "RemoveTailList",
]
