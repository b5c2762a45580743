"""Receive side scaling as NDIS sees it: capabilities, what a set asks for, and what is in force after it.

Law: NDIS passes every set on, as Windows does, and the miniport judges it; here stands what a miniport must not accept,
and how a set changes what NDIS answers queries with.  All of it is about bytes, and none of it about drivers.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from emulator.ndis.headers import receive_scale_structures as rss
from emulator.ndis.headers.object_header import NDIS_OBJECT_TYPE_RSS_PARAMETERS
from emulator.ndis.headers.processor_numbers import GROUP_AFFINITY, PROCESSOR_NUMBER
from emulator.ndis.headers.receive_scale_structures import (
    NDIS_RECEIVE_HASH_PARAMETERS,
    NDIS_RECEIVE_SCALE_CAPABILITIES,
    NDIS_RECEIVE_SCALE_PARAMETERS,
)
from emulator.ndis.headers.structure_headers import STRUCTURE_HEADERS, header_fault
from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER

_SIZES: Final = STRUCTURE_HEADERS["NDIS_RECEIVE_SCALE_PARAMETERS"].sizes
_BYTES, _NUMBERS, _WITH_DEFAULT = 1, 2, 3
"""The revisions: processors of a byte, PROCESSOR_NUMBERs and masks, a default processor."""
_ENTRY: Final = {_BYTES: 1, _NUMBERS: 4, _WITH_DEFAULT: 4}
_MASK: Final = 16
_MOST_ENTRIES: Final = 128
_LONGEST_KEY: Final = rss.NDIS_RSS_HASH_SECRET_KEY_MAX_SIZE_REVISION_3
_TYPES_OF: Final = {
    rss.NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV4: rss.NDIS_HASH_IPV4 | rss.NDIS_HASH_TCP_IPV4,
    rss.NDIS_RSS_CAPS_HASH_TYPE_UDP_IPV4: rss.NDIS_HASH_IPV4 | rss.NDIS_HASH_UDP_IPV4,
    rss.NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV6: rss.NDIS_HASH_IPV6 | rss.NDIS_HASH_TCP_IPV6,
    rss.NDIS_RSS_CAPS_HASH_TYPE_UDP_IPV6: rss.NDIS_HASH_IPV6 | rss.NDIS_HASH_UDP_IPV6,
    rss.NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV6_EX: rss.NDIS_HASH_IPV6_EX | rss.NDIS_HASH_TCP_IPV6_EX,
    rss.NDIS_RSS_CAPS_HASH_TYPE_UDP_IPV6_EX: rss.NDIS_HASH_IPV6_EX | rss.NDIS_HASH_UDP_IPV6_EX,
}
"""The hash types that go with each capability."""


class Scaling(NamedTuple):
    """What is in force: no hash information, no scaling."""

    information: int = 0
    table: tuple[PROCESSOR_NUMBER, ...] = ()
    key: bytes = b""
    masks: tuple[GROUP_AFFINITY, ...] = ()
    default: PROCESSOR_NUMBER = PROCESSOR_NUMBER(0, 0)


def capabilities_fault(data: bytes) -> str | None:
    """Say what is wrong with the RecvScaleCapabilities of a miniport; None where nothing is."""
    fault = _structure_fault("NDIS_RECEIVE_SCALE_CAPABILITIES", data)
    if fault is not None:
        return fault
    given = NDIS_RECEIVE_SCALE_CAPABILITIES.from_bytes(data)
    if not given.CapabilitiesFlags & rss.NdisHashFunctionToeplitz:
        return "CapabilitiesFlags of NDIS_RECEIVE_SCALE_CAPABILITIES is without NdisHashFunctionToeplitz"
    entries = given.NumberOfIndirectionTableEntries
    if given.Header.Revision > 1 and not _is_power_of_two(entries):
        return f"NumberOfIndirectionTableEntries is {entries}, which is no power of 2"
    return None


def types_of(capabilities: bytes | None) -> int:
    """The hash types that an adapter with these capabilities can be asked for."""
    flags = NDIS_RECEIVE_SCALE_CAPABILITIES.from_bytes(capabilities).CapabilitiesFlags if capabilities else 0
    types = 0
    for capability, with_it in _TYPES_OF.items():
        types |= with_it if flags & capability else 0
    return types


def parameters_fault(data: bytes, types: int, processors: int, *, scaled: bool = True) -> str | None:
    """Say why no miniport may accept this set of OID_GEN_RECEIVE_SCALE_PARAMETERS; None where it may.

    ``types`` are the hash types that its adapter can, ``processors`` those that the machine has, ``scaled`` says
    whether scaling is on before: while it is off and stays off nothing in a set counts.
    """
    fault = _structure_fault("NDIS_RECEIVE_SCALE_PARAMETERS", data)
    if fault is not None:
        return fault
    given = NDIS_RECEIVE_SCALE_PARAMETERS.from_bytes(data)
    flags = given.Flags
    if not turns_on(given, scaled=scaled):
        return None
    if not flags & rss.NDIS_RSS_PARAM_FLAG_HASH_INFO_UNCHANGED:
        fault = _information_fault(given.HashInformation, types)
    if fault is None and not flags & rss.NDIS_RSS_PARAM_FLAG_ITABLE_UNCHANGED:
        fault = _table_fault(data, given, processors)
    if fault is None and not flags & rss.NDIS_RSS_PARAM_FLAG_HASH_KEY_UNCHANGED:
        fault = _key_fault(data, given, _SIZES[given.Header.Revision])
    return fault


def hash_parameters_fault(data: bytes, types: int) -> str | None:
    """Say why no miniport may accept this set of OID_GEN_RECEIVE_HASH; None where it may."""
    fault = _structure_fault("NDIS_RECEIVE_HASH_PARAMETERS", data)
    if fault is not None or not hashes(data):
        return fault
    given = NDIS_RECEIVE_HASH_PARAMETERS.from_bytes(data)
    if not given.Flags & rss.NDIS_RECEIVE_HASH_FLAG_HASH_INFO_UNCHANGED:
        fault = _information_fault(given.HashInformation, types)
    if fault is None and not given.Flags & rss.NDIS_RECEIVE_HASH_FLAG_HASH_KEY_UNCHANGED:
        fault = _key_fault(data, given, given.Header.Size)
    return fault


def hashes(data: bytes | None) -> bool:
    """Does this set of OID_GEN_RECEIVE_HASH, the last one, leave hashes on?"""
    flags = NDIS_RECEIVE_HASH_PARAMETERS.from_bytes(data).Flags if data else 0
    return bool(flags & rss.NDIS_RECEIVE_HASH_FLAG_ENABLE_HASH)


def scales(remembered: bytes | None) -> bool:
    """Is receive side scaling on with what NDIS remembers?"""
    return bool(read(remembered).information) if remembered else False


def after(remembered: bytes | None, data: bytes, processors: int) -> bytes | None:
    """What is in force after a set, as NDIS remembers it; None for a set that cannot be read."""
    if parameters_fault(data, rss.NDIS_HASH_TYPE_MASK, processors) is not None:
        return None
    before = read(remembered) if remembered else Scaling()
    structure = NDIS_RECEIVE_SCALE_PARAMETERS.from_bytes(data)
    if not turns_on(structure, scaled=True):
        return write(before._replace(information=0))
    given, flags = read(data), structure.Flags
    if not flags & rss.NDIS_RSS_PARAM_FLAG_HASH_INFO_UNCHANGED:
        before = before._replace(information=given.information)
    if not flags & rss.NDIS_RSS_PARAM_FLAG_ITABLE_UNCHANGED:
        before = before._replace(table=given.table, masks=given.masks)
    if not flags & rss.NDIS_RSS_PARAM_FLAG_HASH_KEY_UNCHANGED:
        before = before._replace(key=given.key)
    known = structure.Header.Revision >= _WITH_DEFAULT
    if known and not flags & rss.NDIS_RSS_PARAM_FLAG_DEFAULT_PROCESSOR_UNCHANGED:
        before = before._replace(default=given.default)
    return write(before)


def revision_of(minor_version: int) -> int:
    """The revision of NDIS_RECEIVE_SCALE_PARAMETERS that a driver of this version of NDIS 6 knows."""
    return _BYTES if minor_version < 20 else _NUMBERS if minor_version < 60 else _WITH_DEFAULT


def translated(data: bytes, revision: int) -> bytes | None:
    """A set in the revision of the miniport; None where its table is the miniport's already, or it cannot be read."""
    if _structure_fault("NDIS_RECEIVE_SCALE_PARAMETERS", data) is not None:
        return None
    given = NDIS_RECEIVE_SCALE_PARAMETERS.from_bytes(data)
    if (given.Header.Revision == _BYTES) == (revision == _BYTES):
        return None
    if parameters_fault(data, rss.NDIS_HASH_TYPE_MASK, _MOST_ENTRIES * 2) is not None:
        return None
    return write(read(data) if turns_on(given, scaled=True) else Scaling(), revision, given.Flags)


def read(data: bytes) -> Scaling:
    """What these parameters say, which have no fault and turn nothing off; a part that is unchanged is empty."""
    given = NDIS_RECEIVE_SCALE_PARAMETERS.from_bytes(data)
    revision, flags = given.Header.Revision, given.Flags
    information = 0 if flags & rss.NDIS_RSS_PARAM_FLAG_HASH_INFO_UNCHANGED else given.HashInformation
    table: tuple[PROCESSOR_NUMBER, ...] = ()
    masks: tuple[GROUP_AFFINITY, ...] = ()
    key = b""
    if not flags & rss.NDIS_RSS_PARAM_FLAG_ITABLE_UNCHANGED:
        table = _table(data, given)
        masks = _masks(data, given)
    if not flags & rss.NDIS_RSS_PARAM_FLAG_HASH_KEY_UNCHANGED:
        key = data[given.HashSecretKeyOffset :][: given.HashSecretKeySize]
    default = given.DefaultProcessorNumber
    if revision < _WITH_DEFAULT:
        return Scaling(information, table, key, masks)
    return Scaling(information, table, key, masks, PROCESSOR_NUMBER(default.Group, default.Number))


def write(scaling: Scaling, revision: int = _WITH_DEFAULT, flags: int = 0) -> bytes:
    """Parameters of a revision that say this: the structure, the table, the key, the masks."""
    size = _SIZES[revision]
    if revision == _BYTES:
        table, masks = bytes(each.Number for each in scaling.table), b""
    else:
        table = b"".join(each.to_bytes() for each in scaling.table)
        masks = b"".join(each.to_bytes() for each in scaling.masks)
    at_key = size + len(table)
    made = NDIS_RECEIVE_SCALE_PARAMETERS(
        Header=NDIS_OBJECT_HEADER(NDIS_OBJECT_TYPE_RSS_PARAMETERS, revision, size),
        Flags=flags,
        HashInformation=scaling.information,
        IndirectionTableSize=len(table),
        IndirectionTableOffset=size if table else 0,
        HashSecretKeySize=len(scaling.key),
        HashSecretKeyOffset=at_key if scaling.key else 0,
        ProcessorMasksOffset=at_key + len(scaling.key) if masks else 0,
        NumberOfProcessorMasks=len(masks) // _MASK,
        ProcessorMasksEntrySize=_MASK if masks else 0,
        DefaultProcessorNumber=scaling.default,
    )
    return made.to_bytes() + table + scaling.key + masks


def turns_on(given: NDIS_RECEIVE_SCALE_PARAMETERS, *, scaled: bool) -> bool:
    """Is scaling on after this set?"""
    if given.Flags & rss.NDIS_RSS_PARAM_FLAG_DISABLE_RSS:
        return False
    if given.Flags & rss.NDIS_RSS_PARAM_FLAG_HASH_INFO_UNCHANGED:
        return scaled
    return bool(given.HashInformation & rss.NDIS_HASH_FUNCTION_MASK)


def _structure_fault(structure: str, data: bytes) -> str | None:
    if len(data) < 4:
        return f"{len(data)} bytes are no {structure}"
    kind, revision, size = data[0], data[1], int.from_bytes(data[2:4], "little")
    fault = header_fault(structure, kind, revision, size)
    if fault is not None:
        return fault
    if len(data) < STRUCTURE_HEADERS[structure].sizes[revision]:
        return f"{len(data)} bytes are less than {structure} has"
    return None


def _information_fault(information: int, types: int) -> str | None:
    function = information & rss.NDIS_HASH_FUNCTION_MASK
    asked = information & ~rss.NDIS_HASH_FUNCTION_MASK
    if function != rss.NdisHashFunctionToeplitz:
        return f"hash function 0x{function:X} is not NdisHashFunctionToeplitz"
    if not asked:
        return "HashInformation names no type"
    if asked & ~types:
        return f"the adapter cannot hash by the types 0x{asked & ~types:X}"
    return None


def _table_fault(data: bytes, given: NDIS_RECEIVE_SCALE_PARAMETERS, processors: int) -> str | None:
    revision = given.Header.Revision
    size, entry = given.IndirectionTableSize, _ENTRY[revision]
    if size % entry or not _is_power_of_two(size // entry) or size // entry > _MOST_ENTRIES:
        return f"{size} bytes of indirection table, {entry} for an entry, hold no power of 2 up to {_MOST_ENTRIES}"
    if not _SIZES[revision] <= given.IndirectionTableOffset <= len(data) - size:
        return f"the indirection table, {size} bytes at {given.IndirectionTableOffset}, is not in the buffer"
    for each in _table(data, given):
        if each.Group or each.Number >= processors:
            return f"processor {each.Number} of group {each.Group} is in the indirection table, and does not exist"
    return None


def _key_fault(
    data: bytes, given: NDIS_RECEIVE_SCALE_PARAMETERS | NDIS_RECEIVE_HASH_PARAMETERS, structure: int
) -> str | None:
    size, offset = given.HashSecretKeySize, given.HashSecretKeyOffset
    if not 0 < size <= _LONGEST_KEY:
        return f"a secret key has up to {_LONGEST_KEY} bytes, and not {size}"
    if not structure <= offset <= len(data) - size:
        return f"the secret key, {size} bytes at {offset}, is not in the buffer"
    return None


def _table(data: bytes, given: NDIS_RECEIVE_SCALE_PARAMETERS) -> tuple[PROCESSOR_NUMBER, ...]:
    entry, start = _ENTRY[given.Header.Revision], given.IndirectionTableOffset
    if entry == 1:
        return tuple(PROCESSOR_NUMBER(0, number) for number in data[start : start + given.IndirectionTableSize])
    places = range(start, start + given.IndirectionTableSize, entry)
    return tuple(PROCESSOR_NUMBER.from_bytes(data[place : place + entry]) for place in places)


def _masks(data: bytes, given: NDIS_RECEIVE_SCALE_PARAMETERS) -> tuple[GROUP_AFFINITY, ...]:
    """The processor masks; none where they are not in the buffer, since miniports need not look at them."""
    start, each, count = given.ProcessorMasksOffset, given.ProcessorMasksEntrySize, given.NumberOfProcessorMasks
    if given.Header.Revision == _BYTES or each < _MASK or start + count * each > len(data):
        return ()
    places = range(start, start + count * each, each)
    return tuple(GROUP_AFFINITY.from_bytes(data[place : place + _MASK]) for place in places)


def _is_power_of_two(number: int) -> bool:
    return number > 0 and not number & (number - 1)
