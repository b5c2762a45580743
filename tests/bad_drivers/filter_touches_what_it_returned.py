"""Touches a list after it has given it back."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "filter")


def OnReturn(filter: FILTER, nbl: NET_BUFFER_LIST, flags: int) -> None:
    following = nbl.Next
    NdisFReturnNetBufferLists(filter.Handle, nbl, flags)
    if not REPAIRED:
        following = nbl.Next  # stop
    del following
