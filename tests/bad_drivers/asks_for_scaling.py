"""A protocol that asks for receive side scaling at each pause: as it should, then as no miniport may accept it."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, TAG, ProtocolFreeRequest, ProtocolRequest
from tests.bad_drivers.include import include

include(globals(), "protocol")


def OnPause(binding: BINDING) -> None:
    ProtocolSet(binding, OID_GEN_RECEIVE_SCALE_PARAMETERS, ScaleParameters(entries=4))
    ProtocolSet(binding, OID_GEN_RECEIVE_SCALE_PARAMETERS, ScaleParameters(entries=3))
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_DEFAULT,
        NDIS_RECEIVE_HASH_PARAMETERS_REVISION_1,
        NDIS_SIZEOF_RECEIVE_HASH_PARAMETERS_REVISION_1,
    )
    hashes = NDIS_RECEIVE_HASH_PARAMETERS(
        Header=header,
        Flags=NDIS_RECEIVE_HASH_FLAG_ENABLE_HASH,
        HashInformation=HashInformation(),
        HashSecretKeySize=40,
        HashSecretKeyOffset=header.Size,
    )
    ProtocolSet(binding, OID_GEN_RECEIVE_HASH, hashes.to_bytes() + bytes(40))


def HashInformation() -> int:
    """TCP over IPv4."""
    return NDIS_RSS_HASH_INFO_FROM_TYPE_AND_FUNC(NDIS_HASH_TCP_IPV4, NdisHashFunctionToeplitz)


def ScaleParameters(entries: int) -> bytes:
    """A table of so many entries, all of them processor 0, and a key of zeros."""
    header = NDIS_OBJECT_HEADER(
        NDIS_OBJECT_TYPE_RSS_PARAMETERS,
        NDIS_RECEIVE_SCALE_PARAMETERS_REVISION_2,
        NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_2,
    )
    table = PROCESSOR_NUMBER(0, 0).to_bytes() * entries
    parameters = NDIS_RECEIVE_SCALE_PARAMETERS(
        Header=header,
        HashInformation=HashInformation(),
        IndirectionTableSize=len(table),
        IndirectionTableOffset=header.Size,
        HashSecretKeySize=40,
        HashSecretKeyOffset=header.Size + len(table),
    )
    return parameters.to_bytes() + table + bytes(40)


def ProtocolSet(binding: BINDING, oid: int, data: bytes) -> None:
    """Set these bytes and wait for the answer."""
    request = ProtocolRequest(binding, NDIS_REQUEST_TYPE.NdisRequestSetInformation, oid)
    given = request.DATA.SET_INFORMATION
    NdisFreeMemory(given.InformationBuffer, 0, 0)
    given.InformationBuffer = NdisAllocateMemoryWithTagPriority(binding.Handle, len(data), TAG, 0)
    given.InformationBuffer[0 : len(data)] = data
    given.InformationBufferLength = len(data)
    NdisResetEvent(binding.Asked)
    if NdisOidRequest(binding.Handle, request) == NDIS_STATUS_PENDING:
        NdisWaitEvent(binding.Asked, 0)
    ProtocolFreeRequest(request)
