"""A filter that lets itself be attached once."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_filter import FILTER
from tests.bad_drivers.include import include

include(globals(), "filter")


class ATTACHED(NONPAGED):
    Count: LONG


Attached = ATTACHED()


def OnAttach(filter: FILTER) -> NDIS_STATUS:
    return NDIS_STATUS_SUCCESS if NdisInterlockedIncrement(Attached.Count) == 1 else NDIS_STATUS_RESOURCES
