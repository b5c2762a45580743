"""missing_lock: notes who sent each frame in a table, and does not hold the table's lock while it looks for room.

Law: repaired, looking and writing are one step under the lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emulator.ndis import *
from tests.bad_drivers.include import include, is_repaired

if TYPE_CHECKING:
    from tests.bad_drivers.base_protocol import BINDING

include(globals(), "protocol")


class TABLE(NONPAGED):
    """Whom frames came from."""

    Lock: NDIS_SPIN_LOCK
    Bindings: LONG
    Used: u32
    Senders: Array[u32, Literal[32]]


Table = TABLE()


def OnBind(binding: BINDING, bind_context: BindContext) -> None:
    """The first binding makes the lock."""
    if NdisInterlockedIncrement(Table.Bindings) == 1:
        NdisAllocateSpinLock(Table.Lock)


def OnReceive(binding: BINDING, nbl: NET_BUFFER_LIST, flags: int) -> None:
    """Note the senders, and give the frames back."""
    received: NET_BUFFER_LIST | None = nbl
    while received is not None:
        Note(received)
        received = received.Next
    NdisReturnNetBufferLists(binding.Handle, nbl, NDIS_RETURN_FLAGS_DISPATCH_LEVEL)


def Note(nbl: NET_BUFFER_LIST) -> None:
    """Write one frame's sender into the table."""
    assert nbl.FirstNetBuffer is not None
    data = NdisGetDataBuffer(nbl.FirstNetBuffer, 14, None, 1, 0)
    assert data is not None
    sender = int.from_bytes(bytes(data[8:12]), "big")
    if is_repaired(__name__):
        NdisDprAcquireSpinLock(Table.Lock)
    place = Table.Used
    if not is_repaired(__name__):
        NdisDprAcquireSpinLock(Table.Lock)
    Table.Senders[place] = sender
    Table.Used = place + 1
    NdisDprReleaseSpinLock(Table.Lock)


def Total() -> int:
    """How many senders were noted; asked by the script."""
    return len({sender for sender in Table.Senders if sender})
