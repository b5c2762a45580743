"""A small filter driver that keeps every rule: the common part of the bad ones.

Law: correct by itself.  The functions that begin with ``On`` are hooks, which a driver that includes this one replaces.
"""

from __future__ import annotations

from typing import Final

from emulator.ndis import *

TAG: Final = int.from_bytes(b"tliF", "little")

FilterDriver: FilterDriverHandle | None = None


class FILTER(NONPAGED):
    """The context of one module, with room for what a bad driver needs."""

    Handle: FilterModuleHandle
    Item: WorkItemHandle
    Lock: NDIS_SPIN_LOCK
    Running: u32
    Cookie: u64


def OnAttach(filter: FILTER) -> NDIS_STATUS:
    """Inside FilterAttach, the attributes set."""
    return NDIS_STATUS_SUCCESS


def OnDetach(filter: FILTER) -> None:
    """Inside FilterDetach."""


def OnRestart(filter: FILTER) -> NDIS_STATUS:
    """Inside FilterRestart."""
    return NDIS_STATUS_SUCCESS


def OnPause(filter: FILTER) -> NDIS_STATUS:
    """Inside FilterPause."""
    return NDIS_STATUS_SUCCESS


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    """Inside DriverUnload, before the registration is taken back."""


def OnCharacteristics(given: NDIS_FILTER_DRIVER_CHARACTERISTICS) -> None:
    """Before the driver is registered."""


@FILTER_ATTACH
def FilterAttach(
    NdisFilterHandle: FilterModuleHandle, FilterDriverContext: None, AttachParameters: NDIS_FILTER_ATTACH_PARAMETERS
) -> NDIS_STATUS:
    """Make the module's context."""
    filter = NdisAllocateMemoryWithTagPriority(NdisFilterHandle, sizeof(FILTER), TAG, 0)
    if filter is None:
        return NDIS_STATUS_RESOURCES
    NdisZeroMemory(filter, sizeof(FILTER))
    filter.Handle = NdisFilterHandle
    attributes = NDIS_FILTER_ATTRIBUTES(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_FILTER_ATTRIBUTES,
            NDIS_FILTER_ATTRIBUTES_REVISION_1,
            NDIS_SIZEOF_FILTER_ATTRIBUTES_REVISION_1,
        )
    )
    status = NdisFSetAttributes(NdisFilterHandle, filter, attributes)
    if status == NDIS_STATUS_SUCCESS:
        status = OnAttach(filter)
    if status != NDIS_STATUS_SUCCESS:
        NdisFreeMemory(filter, 0, 0)
    return status


@FILTER_DETACH
def FilterDetach(filter: FILTER) -> None:
    """Free the module's context."""
    OnDetach(filter)
    NdisFreeMemory(filter, 0, 0)


@FILTER_RESTART
def FilterRestart(filter: FILTER, RestartParameters: NDIS_FILTER_RESTART_PARAMETERS) -> NDIS_STATUS:
    """From here on frames pass."""
    filter.Running = 1
    return OnRestart(filter)


@FILTER_PAUSE
def FilterPause(filter: FILTER, PauseParameters: NDIS_FILTER_PAUSE_PARAMETERS) -> NDIS_STATUS:
    """From here on none do."""
    filter.Running = 0
    return OnPause(filter)


@DRIVER_UNLOAD
def FilterUnload(DriverObject: DRIVER_OBJECT) -> None:
    """Take the registration back."""
    OnUnload(DriverObject)
    if FilterDriver is not None:
        NdisFDeregisterFilterDriver(FilterDriver)


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    """Register the filter."""
    global FilterDriver
    DriverObject.DriverUnload = FilterUnload
    given = NDIS_FILTER_DRIVER_CHARACTERISTICS(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_FILTER_DRIVER_CHARACTERISTICS,
            NDIS_FILTER_CHARACTERISTICS_REVISION_2,
            NDIS_SIZEOF_FILTER_DRIVER_CHARACTERISTICS_REVISION_2,
        ),
        MajorNdisVersion=NDIS_FILTER_MAJOR_VERSION,
        MinorNdisVersion=NDIS_FILTER_MINOR_VERSION,
        FriendlyName="Small filter",
        UniqueName="{5cbf81bd-5055-47cd-9055-a76b2b4e3698}",
        ServiceName="SMALLLWF",
        AttachHandler=FilterAttach,
        DetachHandler=FilterDetach,
        RestartHandler=FilterRestart,
        PauseHandler=FilterPause,
    )
    OnCharacteristics(given)
    status, FilterDriver = NdisFRegisterFilterDriver(DriverObject, None, given)
    return status
