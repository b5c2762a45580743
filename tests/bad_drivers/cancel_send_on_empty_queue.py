"""Looks at the first of its waiting sends without asking whether there is one."""

from __future__ import annotations

from typing import Any

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "miniport")


def OnCancelSend(adapter: ADAPTER, cancel_id: int) -> None:
    nbl: Any = adapter.List
    while nbl is not None or not REPAIRED:
        if NDIS_GET_NET_BUFFER_LIST_CANCEL_ID(nbl) == cancel_id:  # stop
            break
        nbl = nbl.Next
