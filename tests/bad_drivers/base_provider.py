"""A small protocol that provides a network interface above each binding: the common part of the bad providers.

Law: as base_protocol.py, which it includes; the interface comes with the bind and goes with the unbind.
"""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include

include(globals(), "protocol")
RegisterProtocol = globals()["DriverEntry"]
InterfaceProvider: InterfaceProviderHandle | None = None


@IF_QUERY_OBJECT
def ProviderQuery(
    ProviderIfContext: BINDING, ObjectId: int, pOutputBufferLength: int
) -> tuple[NDIS_STATUS, int, bytes]:
    """What the interface is."""
    answer = ObjectId.to_bytes(4, "little") + ProviderIfContext.Cookie.to_bytes(8, "little")
    if pOutputBufferLength < len(answer):
        return NDIS_STATUS_BUFFER_TOO_SHORT, len(answer), b""
    return NDIS_STATUS_SUCCESS, len(answer), answer


@IF_SET_OBJECT
def ProviderSet(ProviderIfContext: BINDING, ObjectId: int, InputBufferLength: int, pInputBuffer: bytes) -> NDIS_STATUS:
    """What the interface shall be."""
    ProviderIfContext.Cookie = int.from_bytes(pInputBuffer[:InputBufferLength], "little")
    return NDIS_STATUS_SUCCESS


def OnBind(binding: BINDING, bind_context: BindContext) -> None:
    if InterfaceProvider is None:
        return
    _, index = NdisIfAllocateNetLuidIndex(IF_TYPE_ETHERNET_CSMACD)
    luid = NDIS_MAKE_NET_LUID(IF_TYPE_ETHERNET_CSMACD, index)
    information = NET_IF_INFORMATION(
        Header=NDIS_OBJECT_HEADER(0x80, 1, NDIS_SIZEOF_NET_IF_INFORMATION_REVISION_1), FriendlyName="above"
    )
    status, interface = NdisIfRegisterInterface(InterfaceProvider, luid, binding, information)
    if status == NDIS_STATUS_SUCCESS:
        binding.Interface = interface
        bound = NdisIfQueryBindingIfIndex(binding.Handle)
        NdisIfAddIfStackEntry(interface, bound.pBoundIfIndex)


def OnUnbind(binding: BINDING) -> None:
    ProviderRemove(binding)


def ProviderRemove(binding: BINDING) -> None:
    """Take the interface of a binding back, and its index."""
    _, luid = NdisIfGetNetLuidFromInterfaceIndex(binding.Interface)
    NdisIfDeregisterInterface(binding.Interface)
    NdisIfFreeNetLuidIndex(IF_TYPE_ETHERNET_CSMACD, luid >> 24 & 0xFFFFFF)


def OnUnload(DriverObject: DRIVER_OBJECT) -> None:
    if InterfaceProvider is not None:
        NdisIfDeregisterProvider(InterfaceProvider)


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    """Register the protocol and the provider."""
    global InterfaceProvider
    given = NDIS_IF_PROVIDER_CHARACTERISTICS(
        Header=NDIS_OBJECT_HEADER(0x80, 1, NDIS_SIZEOF_IF_PROVIDER_CHARACTERISTICS_REVISION_1),
        QueryObjectHandler=ProviderQuery,
        SetObjectHandler=ProviderSet,
    )
    status, InterfaceProvider = NdisIfRegisterProvider(given, None)
    return status if status != NDIS_STATUS_SUCCESS else RegisterProtocol(DriverObject, RegistryPath)
