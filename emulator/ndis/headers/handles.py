"""Handle types: what Microsoft calls NDIS_HANDLE, told apart by kind so that types can say which one is meant.

Law: a handle is a number at run time; the kind that the type promises is checked by whoever decodes it.
"""

from __future__ import annotations

from emulator.kernel.pointers import HandleField


class NDIS_HANDLE(int):
    """Any NDIS handle."""

    __slots__ = ()
    __field_type__ = HandleField


class MiniportDriverHandle(NDIS_HANDLE):
    """From NdisMRegisterMiniportDriver."""

    __slots__ = ()


class FilterDriverHandle(NDIS_HANDLE):
    """From NdisFRegisterFilterDriver."""

    __slots__ = ()


class FilterModuleHandle(NDIS_HANDLE):
    """A filter module; given to FilterAttach."""

    __slots__ = ()


class ProtocolDriverHandle(NDIS_HANDLE):
    """From NdisRegisterProtocolDriver."""

    __slots__ = ()


class AdapterHandle(NDIS_HANDLE):
    """A miniport adapter; given to MiniportInitializeEx."""

    __slots__ = ()


class BindingHandle(NDIS_HANDLE):
    """A protocol binding; from NdisOpenAdapterEx."""

    __slots__ = ()


class WorkItemHandle(NDIS_HANDLE):
    """From NdisAllocateIoWorkItem."""

    __slots__ = ()


class PIO_WORKITEM(NDIS_HANDLE):
    """From IoAllocateWorkItem."""

    __slots__ = ()


class TimerHandle(NDIS_HANDLE):
    """From NdisAllocateTimerObject."""

    __slots__ = ()


class InterruptHandle(NDIS_HANDLE):
    """From NdisMRegisterInterruptEx."""

    __slots__ = ()


class NDIS_POLL_HANDLE(NDIS_HANDLE):
    """From NdisRegisterPoll."""

    __slots__ = ()


class DmaHandle(NDIS_HANDLE):
    """From NdisMRegisterScatterGatherDma."""

    __slots__ = ()


class NetBufferListPoolHandle(NDIS_HANDLE):
    """From NdisAllocateNetBufferListPool."""

    __slots__ = ()


class NetBufferPoolHandle(NDIS_HANDLE):
    """From NdisAllocateNetBufferPool."""

    __slots__ = ()


class ConfigurationHandle(NDIS_HANDLE):
    """From NdisOpenConfigurationEx."""

    __slots__ = ()


class DeviceHandle(NDIS_HANDLE):
    """From NdisRegisterDeviceEx."""

    __slots__ = ()


class InterfaceProviderHandle(NDIS_HANDLE):
    """From NdisIfRegisterProvider."""

    __slots__ = ()


class FileHandle(NDIS_HANDLE):
    """From NdisOpenFile."""

    __slots__ = ()


class LogHandle(NDIS_HANDLE):
    """From NdisMCreateLog."""

    __slots__ = ()


class BindContext(NDIS_HANDLE):
    """The BindContext that NDIS gives to ProtocolBindAdapterEx."""

    __slots__ = ()
