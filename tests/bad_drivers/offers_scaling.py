"""A small miniport with receive side scaling, as far as its requests go; wrong ones it refuses."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_miniport import ADAPTER, GeneralAttributes, RegistrationAttributes
from tests.bad_drivers.include import include

include(globals(), "miniport")


def MPSetAttributes(adapter: ADAPTER) -> NDIS_STATUS:
    general = GeneralAttributes()
    general.RecvScaleCapabilities = ScaleCapabilities()
    status = NdisMSetMiniportAttributes(adapter.Handle, RegistrationAttributes(adapter))
    return status if status != NDIS_STATUS_SUCCESS else NdisMSetMiniportAttributes(adapter.Handle, general)


def ScaleCapabilities() -> NDIS_RECEIVE_SCALE_CAPABILITIES:
    """Two queues, TCP and UDP over IPv4."""
    return NDIS_RECEIVE_SCALE_CAPABILITIES(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_RSS_CAPABILITIES,
            NDIS_RECEIVE_SCALE_CAPABILITIES_REVISION_2,
            NDIS_SIZEOF_RECEIVE_SCALE_CAPABILITIES_REVISION_2,
        ),
        CapabilitiesFlags=(
            NdisHashFunctionToeplitz | NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV4 | NDIS_RSS_CAPS_HASH_TYPE_UDP_IPV4
        ),
        NumberOfInterruptMessages=1,
        NumberOfReceiveQueues=2,
        NumberOfIndirectionTableEntries=128,
    )


def OnOid(adapter: ADAPTER, request: NDIS_OID_REQUEST) -> NDIS_STATUS:
    given = request.DATA.SET_INFORMATION
    if given.Oid == OID_GEN_RECEIVE_SCALE_PARAMETERS:
        parameters = NDIS_RECEIVE_SCALE_PARAMETERS.from_bytes(
            given.InformationBuffer[0 : given.InformationBufferLength]
        )
        return OnParameters(adapter, parameters)
    return OnReceiveHash(adapter) if given.Oid == OID_GEN_RECEIVE_HASH else NDIS_STATUS_SUCCESS


def OnParameters(adapter: ADAPTER, parameters: NDIS_RECEIVE_SCALE_PARAMETERS) -> NDIS_STATUS:
    """A set of OID_GEN_RECEIVE_SCALE_PARAMETERS."""
    entries = parameters.IndirectionTableSize // 4
    return NDIS_STATUS_INVALID_DATA if entries & (entries - 1) else NDIS_STATUS_SUCCESS


def OnReceiveHash(adapter: ADAPTER) -> NDIS_STATUS:
    """A set of OID_GEN_RECEIVE_HASH, which comes when scaling is on."""
    return NDIS_STATUS_NOT_SUPPORTED
