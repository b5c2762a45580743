"""Receive side scaling and receive hashes: what an adapter can, and what a protocol asks of it.

Law: Microsoft's members in Microsoft's layout on x64, since these structures travel as bytes.  A table of processors,
the key and the processor masks follow the structure, each at the offset from its start that it names.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from emulator.ndis.headers.packed_structures import HEADER as _HEADER
from emulator.ndis.headers.packed_structures import U8 as _U8
from emulator.ndis.headers.packed_structures import U16 as _U16
from emulator.ndis.headers.packed_structures import U32 as _U32
from emulator.ndis.headers.packed_structures import PackedStructure as _Packed
from emulator.ndis.headers.packed_structures import part as _part

# Hash information, of parameters and of NetBufferListHashInfo: a function in the lowest byte, types above.
NdisHashFunctionToeplitz: Final = 0x1
NdisHashFunctionReserved1: Final = 0x2
NdisHashFunctionReserved2: Final = 0x4
NdisHashFunctionReserved3: Final = 0x8
NDIS_HASH_FUNCTION_MASK: Final = 0x0000_00FF
NDIS_HASH_TYPE_MASK: Final = 0x00FF_FF00
NDIS_HASH_IPV4: Final = 0x0000_0100
NDIS_HASH_TCP_IPV4: Final = 0x0000_0200
NDIS_HASH_IPV6: Final = 0x0000_0400
NDIS_HASH_IPV6_EX: Final = 0x0000_0800
NDIS_HASH_TCP_IPV6: Final = 0x0000_1000
NDIS_HASH_TCP_IPV6_EX: Final = 0x0000_2000
NDIS_HASH_UDP_IPV4: Final = 0x0000_4000
NDIS_HASH_UDP_IPV6: Final = 0x0000_8000
NDIS_HASH_UDP_IPV6_EX: Final = 0x0001_0000

# CapabilitiesFlags, which also say the functions; their types have other numbers than the hash information's.
NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV4: Final = 0x0000_0100
NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV6: Final = 0x0000_0200
NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV6_EX: Final = 0x0000_0400
NDIS_RSS_CAPS_HASH_TYPE_UDP_IPV4: Final = 0x0000_0800
NDIS_RSS_CAPS_HASH_TYPE_UDP_IPV6: Final = 0x0000_1000
NDIS_RSS_CAPS_HASH_TYPE_UDP_IPV6_EX: Final = 0x0000_2000
NDIS_RSS_CAPS_MESSAGE_SIGNALED_INTERRUPTS: Final = 0x0100_0000
NDIS_RSS_CAPS_CLASSIFICATION_AT_ISR: Final = 0x0200_0000
NDIS_RSS_CAPS_CLASSIFICATION_AT_DPC: Final = 0x0400_0000
NDIS_RSS_CAPS_USING_MSI_X: Final = 0x0800_0000
NDIS_RSS_CAPS_RSS_AVAILABLE_ON_PORTS: Final = 0x1000_0000
NDIS_RSS_CAPS_SUPPORTS_MSI_X: Final = 0x2000_0000
NDIS_RSS_CAPS_SUPPORTS_INDEPENDENT_ENTRY_MOVE: Final = 0x4000_0000

NDIS_RSS_PARAM_FLAG_BASE_CPU_UNCHANGED: Final = 0x01
NDIS_RSS_PARAM_FLAG_HASH_INFO_UNCHANGED: Final = 0x02
NDIS_RSS_PARAM_FLAG_ITABLE_UNCHANGED: Final = 0x04
NDIS_RSS_PARAM_FLAG_HASH_KEY_UNCHANGED: Final = 0x08
NDIS_RSS_PARAM_FLAG_DISABLE_RSS: Final = 0x10
NDIS_RSS_PARAM_FLAG_DEFAULT_PROCESSOR_UNCHANGED: Final = 0x20

NDIS_RECEIVE_HASH_FLAG_ENABLE_HASH: Final = 0x1
NDIS_RECEIVE_HASH_FLAG_HASH_INFO_UNCHANGED: Final = 0x2
NDIS_RECEIVE_HASH_FLAG_HASH_KEY_UNCHANGED: Final = 0x4

NDIS_RSS_INDIRECTION_TABLE_SIZE_REVISION_1: Final = 128
NDIS_RSS_HASH_SECRET_KEY_SIZE_REVISION_1: Final = 40
# Of a table of the first revision each entry is one byte; since then a PROCESSOR_NUMBER, four bytes.
NDIS_RSS_INDIRECTION_TABLE_MAX_SIZE_REVISION_1: Final = 128
NDIS_RSS_INDIRECTION_TABLE_MAX_SIZE_REVISION_2: Final = 128 * 4
NDIS_RSS_INDIRECTION_TABLE_MAX_SIZE_REVISION_3: Final = 128 * 4
NDIS_RSS_HASH_SECRET_KEY_MAX_SIZE_REVISION_1: Final = 40
NDIS_RSS_HASH_SECRET_KEY_MAX_SIZE_REVISION_2: Final = 40
NDIS_RSS_HASH_SECRET_KEY_MAX_SIZE_REVISION_3: Final = 40


class NDIS_RECEIVE_SCALE_CAPABILITIES(_Packed):
    """What an adapter can of receive side scaling; NumberOfIndirectionTableEntries since the second revision."""

    _fields_: ClassVar[Any] = [
        ("Header", _HEADER),
        ("CapabilitiesFlags", _U32),
        ("NumberOfInterruptMessages", _U32),
        ("NumberOfReceiveQueues", _U32),
        ("NumberOfIndirectionTableEntries", _U16),
    ]
    CapabilitiesFlags: int
    NumberOfInterruptMessages: int
    NumberOfReceiveQueues: int
    NumberOfIndirectionTableEntries: int


class NDIS_RECEIVE_SCALE_PARAMETERS(_Packed):
    """What OID_GEN_RECEIVE_SCALE_PARAMETERS sets: hash, key, and which processor takes which hashes.

    The masks came with the second revision, DefaultProcessorNumber (of a frame without a hash) with the third.  A
    PROCESSOR_NUMBER may be assigned to it; what is read has the same members.
    """

    _fields_: ClassVar[Any] = [
        ("Header", _HEADER),
        ("Flags", _U16),
        ("BaseCpuNumber", _U16),
        ("HashInformation", _U32),
        ("IndirectionTableSize", _U16),
        ("IndirectionTableOffset", _U32),
        ("HashSecretKeySize", _U16),
        ("HashSecretKeyOffset", _U32),
        ("ProcessorMasksOffset", _U32),
        ("NumberOfProcessorMasks", _U32),
        ("ProcessorMasksEntrySize", _U32),
        ("DefaultProcessorNumber", _part("_PROCESSOR", [("Group", _U16), ("Number", _U8), ("Reserved", _U8)])),
    ]
    Flags: int
    BaseCpuNumber: int
    HashInformation: int
    IndirectionTableSize: int
    IndirectionTableOffset: int
    HashSecretKeySize: int
    HashSecretKeyOffset: int
    ProcessorMasksOffset: int
    NumberOfProcessorMasks: int
    ProcessorMasksEntrySize: int
    DefaultProcessorNumber: Any


class NDIS_RECEIVE_HASH_PARAMETERS(_Packed):
    """What OID_GEN_RECEIVE_HASH sets: hashes of received frames without receive side scaling."""

    _fields_: ClassVar[Any] = [
        ("Header", _HEADER),
        ("Flags", _U32),
        ("HashInformation", _U32),
        ("HashSecretKeySize", _U16),
        ("HashSecretKeyOffset", _U32),
    ]
    Flags: int
    HashInformation: int
    HashSecretKeySize: int
    HashSecretKeyOffset: int


def NDIS_RSS_HASH_FUNC_FROM_HASH_INFO(_HashInfo: int, /) -> int:
    """The function in hash information."""
    return _HashInfo & NDIS_HASH_FUNCTION_MASK


def NDIS_RSS_HASH_TYPE_FROM_HASH_INFO(_HashInfo: int, /) -> int:
    """The types in hash information."""
    return _HashInfo & NDIS_HASH_TYPE_MASK


def NDIS_RSS_HASH_INFO_FROM_TYPE_AND_FUNC(_HashType: int, _HashFunction: int, /) -> int:
    """Hash information of types and a function."""
    return _HashType | _HashFunction
