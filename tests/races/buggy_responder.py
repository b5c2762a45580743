"""buggy_responder: the sample ``responder`` with one race in it.

Law: everything but RespAge is the sample's own source.  To hold the lock for a shorter time, this RespAge looks for old
neighbours without it, and does not look again before it forgets them: one that was heard meanwhile is forgotten too.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.ndis import *

if TYPE_CHECKING:
    from sample_drivers.responder import AGE_MS, BINDING, NEIGHBOURS, RespDereference

SAMPLE_LINES = 1000
"""Lines of the sample are shown as these and the following ones."""

_tree = ast.parse((Path(__file__).parents[2] / "sample_drivers" / "responder.py").read_text(encoding="utf-8"))
ast.increment_lineno(_tree, SAMPLE_LINES)
exec(compile(_tree, __file__, "exec", dont_inherit=True), globals())


@IO_WORKITEM_ROUTINE
def RespAge(DeviceObject: DEVICE_OBJECT, Binding: BINDING) -> None:
    """Forget the neighbours of which nothing was heard for a while: the race."""
    InterlockedExchange(Binding.AgingQueued, 0)
    oldest = max(0, NdisGetSystemUpTimeEx() - AGE_MS)
    old = []
    for place in range(NEIGHBOURS):
        neighbour = Binding.Neighbours[place]
        if neighbour.Used and neighbour.Seen < oldest:
            old.append(place)
    NdisAcquireSpinLock(Binding.Lock)
    for place in old:
        Binding.Neighbours[place].Used = 0
        Binding.Aged += 1
    NdisReleaseSpinLock(Binding.Lock)
    RespDereference(Binding, 1)
