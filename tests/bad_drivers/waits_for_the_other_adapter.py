"""A miniport for two adapters that keeps every rule: in the callback that WHERE names each waits for the other's."""

from __future__ import annotations

import os

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, MPCharacteristics
from tests.bad_drivers.include import include

WHERE = os.environ.get("WAITS", "")
MiniportDriver: MiniportDriverHandle | None = None
include(globals(), "miniport")


class MEETING(NONPAGED):
    Arrived: LONG
    Both: NDIS_EVENT


Meeting = MEETING()


def Meet() -> None:
    if NdisInterlockedIncrement(Meeting.Arrived) == 2:
        NdisSetEvent(Meeting.Both)
    NdisWaitEvent(Meeting.Both, 0)


def OnInitialize(adapter: ADAPTER) -> NDIS_STATUS:
    if WHERE == "initialize":
        Meet()
    return NDIS_STATUS_SUCCESS


def OnOid(adapter: ADAPTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    if WHERE == "request" and request.DATA.SET_INFORMATION.Oid == OID_GEN_INTERRUPT_MODERATION:
        Meet()
    return NDIS_STATUS_SUCCESS


def OnHalt(adapter: ADAPTER) -> None:
    if WHERE == "halt":
        Meet()


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    global MiniportDriver
    NdisInitializeEvent(Meeting.Both)
    status, MiniportDriver = NdisMRegisterMiniportDriver(DriverObject, RegistryPath, None, MPCharacteristics())
    return status
