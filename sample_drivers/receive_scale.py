"""What a protocol asks of an adapter that scales receive: all hashes that it can, over all the processors there are.

Law: as in a header file, nothing here calls the DDI and nothing keeps state.
"""

from __future__ import annotations

from typing import Final

from emulator.ndis import *

_KEY: Final = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")
"""The published one; a protocol that meets strangers takes a random key, or they choose where its frames go."""
_TYPES: Final = (
    (NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV4, NDIS_HASH_IPV4 | NDIS_HASH_TCP_IPV4),
    (NDIS_RSS_CAPS_HASH_TYPE_UDP_IPV4, NDIS_HASH_IPV4 | NDIS_HASH_UDP_IPV4),
    (NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV6, NDIS_HASH_IPV6 | NDIS_HASH_TCP_IPV6),
    (NDIS_RSS_CAPS_HASH_TYPE_UDP_IPV6, NDIS_HASH_IPV6 | NDIS_HASH_UDP_IPV6),
)
_STRUCTURE: Final = NDIS_SIZEOF_RECEIVE_SCALE_PARAMETERS_REVISION_2
_ENTRIES: Final = 128


def ScaleParameters(Capabilities: NDIS_RECEIVE_SCALE_CAPABILITIES, Processors: list[PROCESSOR_NUMBER]) -> bytes:
    """OID_GEN_RECEIVE_SCALE_PARAMETERS: the structure, behind it the table and the key."""
    types = 0
    for capability, with_it in _TYPES:
        types |= with_it if Capabilities.CapabilitiesFlags & capability else 0
    entries = Capabilities.NumberOfIndirectionTableEntries or _ENTRIES
    table = b"".join(Processors[place % len(Processors)].to_bytes() for place in range(entries))
    parameters = NDIS_RECEIVE_SCALE_PARAMETERS(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_RSS_PARAMETERS, NDIS_RECEIVE_SCALE_PARAMETERS_REVISION_2, _STRUCTURE
        ),
        HashInformation=NDIS_RSS_HASH_INFO_FROM_TYPE_AND_FUNC(types, NdisHashFunctionToeplitz),
        IndirectionTableSize=len(table),
        IndirectionTableOffset=_STRUCTURE,
        HashSecretKeySize=len(_KEY),
        HashSecretKeyOffset=_STRUCTURE + len(table),
    )
    return parameters.to_bytes() + table + _KEY


__all__ = ["ScaleParameters"]
