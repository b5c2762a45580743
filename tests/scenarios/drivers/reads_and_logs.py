"""A miniport that reads its own file when it initializes and logs how it begins."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include

LOGGED = 46
include(globals(), "miniport")


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    status, file, _ = NdisOpenFile("reads_and_logs.py", -1)
    if file is None:
        return status
    status, mapped = NdisMapFile(file)
    if mapped is not None:
        status, log = NdisMCreateLog(adapter.Handle, LOGGED)
        if log is not None:
            NdisMWriteLogData(log, b"before", 6)
            NdisMWriteLogData(log, mapped, LOGGED)
            adapter.Log = log
    NdisCloseFile(file)
    return status


def OnHalt(adapter: ADAPTER) -> None:
    NdisMCloseLog(adapter.Log)
