"""A small miniport whose adapter may be suspended while it is idle: the common part of the bad ones.

Law: as base_miniport.py, which it includes; it confirms and completes at once.
"""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER
from tests.bad_drivers.include import include

include(globals(), "miniport")
AllGeneralAttributes = globals()["GeneralAttributes"]


def OnIdle(adapter: ADAPTER, force: bool) -> NDIS_STATUS:
    """Inside MiniportIdleNotification, at PASSIVE_LEVEL."""
    NdisCancelTimerObject(adapter.Timer)
    NdisMIdleNotificationConfirm(adapter.Handle, NDIS_DEVICE_POWER_STATE.NdisDeviceStateD2)
    return NDIS_STATUS_PENDING


def OnCancelIdle(adapter: ADAPTER) -> None:
    """Inside MiniportCancelIdleNotification, at PASSIVE_LEVEL."""
    NdisMIdleNotificationComplete(adapter.Handle)


@MINIPORT_IDLE_NOTIFICATION
def MPIdleNotification(MiniportAdapterContext: ADAPTER, ForceIdle: bool) -> NDIS_STATUS:
    """Nobody uses the adapter."""
    return OnIdle(MiniportAdapterContext, ForceIdle)


@MINIPORT_CANCEL_IDLE_NOTIFICATION
def MPCancelIdleNotification(MiniportAdapterContext: ADAPTER) -> None:
    """Somebody does."""
    OnCancelIdle(MiniportAdapterContext)


def IdleCharacteristics() -> NDIS_MINIPORT_SS_CHARACTERISTICS:
    """What NDIS is told inside SetOptions."""
    return NDIS_MINIPORT_SS_CHARACTERISTICS(
        Header=NDIS_OBJECT_HEADER(0xB4, 1, NDIS_SIZEOF_MINIPORT_SS_CHARACTERISTICS_REVISION_1),
        IdleNotificationHandler=MPIdleNotification,
        CancelIdleNotificationHandler=MPCancelIdleNotification,
    )


def OnSetOptions(handle: MiniportDriverHandle) -> NDIS_STATUS:
    return NdisSetOptionalHandlers(handle, IdleCharacteristics())


def GeneralAttributes() -> NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES:
    """With the capabilities of power management of NDIS 6.30."""
    attributes: NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES = AllGeneralAttributes()
    attributes.Header = NDIS_OBJECT_HEADER(0x9F, 2, NDIS_SIZEOF_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES_REVISION_2)
    attributes.PowerManagementCapabilitiesEx = NDIS_PM_CAPABILITIES(
        Header=NDIS_OBJECT_HEADER(0x80, NDIS_PM_CAPABILITIES_REVISION_2, NDIS_SIZEOF_NDIS_PM_CAPABILITIES_REVISION_2),
        Flags=NDIS_PM_SELECTIVE_SUSPEND_SUPPORTED,
    )
    return attributes
