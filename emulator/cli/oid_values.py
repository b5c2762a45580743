"""What an OID's buffer says, for people: a structure's members by name, an address, a number, names of flags.

Law: the table of OIDs says what a buffer is, and the structures say how they lie; what neither knows, or what is
shorter than it should be, is shown as bytes. Programs take the bytes (`--json`).
"""

from __future__ import annotations

import ctypes
import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import emulator.ndis as surface
from emulator.ndis.control_path.oid_table import OIDS
from emulator.ndis.headers.oids import OID_GEN_CURRENT_PACKET_FILTER, OID_GEN_SUPPORTED_LIST, oid_name

if TYPE_CHECKING:
    from collections.abc import Iterator

_ADDRESS: Final = 6
_LARGE: Final = 0x1_0000
"""From here on a number is told in hexadecimal too."""
_MEMBERS: Final = {
    "MediaConnectState": surface.NDIS_MEDIA_CONNECT_STATE,
    "MediaDuplexState": surface.NDIS_MEDIA_DUPLEX_STATE,
    "PauseFunctions": surface.NDIS_SUPPORTED_PAUSE_FUNCTIONS,
    "InterruptModeration": surface.NDIS_INTERRUPT_MODERATION,
}
"""Members whose numbers have names."""
_BITS: Final = ("Flags", "Information", "Encapsulation", "EncapsulationTypes", "SupportedStatistics")
"""How the names of members end that are made of bits."""


def oid_lines(oid: int, data: bytes) -> list[str]:
    """The buffer of an OID, in lines."""
    kind = next((entry.buffer for entry in OIDS if entry.oid == oid), "")
    try:
        found = list(_told(oid, kind, data))
    except (struct.error, IndexError, ValueError):  # it is not what it should be
        found = []
    return found or [data.hex(" ")]


def _told(oid: int, kind: str, data: bytes) -> Iterator[str]:
    """A buffer as the table describes it; nothing where that is not known."""
    name = kind.partition(" ")[0]
    known: Any = getattr(surface, name, None)
    if oid == OID_GEN_SUPPORTED_LIST:
        yield from (oid_name(each) for each in _numbers(data))
    elif oid == OID_GEN_CURRENT_PACKET_FILTER:
        yield from (_packet_types(each) for each in _numbers(data))
    elif isinstance(known, type) and issubclass(known, IntEnum):
        yield from (_number(number, known) for number in _numbers(data))
    elif hasattr(known, "from_bytes"):
        yield f"{name}, {len(data)} bytes"
        yield from (f"  {member}: {value}" for member, value in _members("", known.from_bytes(data)))
        if name == "NDIS_RECEIVE_SCALE_PARAMETERS":
            yield from (f"  {member}: {value}" for member, value in _scaling(known.from_bytes(data), data))
    elif kind.startswith("NUL-ended ANSI"):
        yield data.rstrip(b"\0").decode("ascii", "replace")
    elif "6 bytes" in kind or "6-byte addresses" in kind:
        yield from (data[at : at + _ADDRESS].hex(":") for at in range(0, len(data), _ADDRESS))
    elif kind.startswith(("ULONG", "enum")):
        yield from (_number(number) for number in _numbers(data))
    elif kind.startswith("counter"):
        yield _number(int.from_bytes(data, "little"))
    elif kind.startswith("USHORT major"):
        yield f"{data[1]}.{data[0]}"
    elif name == "NDIS_LINK_SPEED":
        transmit, receive = struct.unpack("<QQ", data)
        yield from (f"XmitLinkSpeed: {transmit}", f"RcvLinkSpeed: {receive}")


def _members(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """The members of a structure, those of its parts behind the names of these."""
    fields = value._fields_ if isinstance(value, ctypes.Structure) else ((name,) for name in value.__struct_fields__)
    for name, *_ in fields:
        member = getattr(value, name)
        if name.startswith(("Reserved", "Unused", "_")):
            continue
        if name == "Header":
            yield f"{prefix}Header", f"Type 0x{member.Type:02X}, Revision {member.Revision}, Size {member.Size}"
        elif isinstance(member, list):
            for number, each in enumerate(member):
                yield from _members(f"{prefix}{name}[{number}].", each)
        elif isinstance(member, int):
            yield f"{prefix}{name}", f"0x{member:X}" if name.endswith(_BITS) else _number(member, _MEMBERS.get(name))
        elif hasattr(member, "_fields_") or hasattr(member, "__struct_fields__"):
            yield from _members(f"{prefix}{name}.", member)
        else:
            yield f"{prefix}{name}", bytes(member).hex(" ")


def _scaling(parameters: Any, data: bytes) -> Iterator[tuple[str, str]]:
    """What follows an NDIS_RECEIVE_SCALE_PARAMETERS: its table, as processors, and its key."""
    table, key = parameters.IndirectionTableOffset, parameters.HashSecretKeyOffset
    size = 4 if parameters.Header.Revision > 1 else 1
    entries = range(table, table + parameters.IndirectionTableSize, size)
    # A PROCESSOR_NUMBER is a group in two bytes and a number; before NDIS 6.20 an entry was the number alone.
    yield "indirection table", " ".join(str(data[at + size // 2]) for at in entries)
    yield "secret key", data[key : key + parameters.HashSecretKeySize].hex(" ")


def _numbers(data: bytes) -> list[int]:
    return [number for (number,) in struct.iter_unpack("<I", data)]


def _number(number: int, names: type[IntEnum] | None = None) -> str:
    """A number, by its name where it has one."""
    if isinstance(names, str):
        names = getattr(surface, names, None)
    if names is not None and number in names._value2member_map_:
        return f"{names(number).name} ({number})"
    return f"{number} (0x{number:X})" if number >= _LARGE else str(number)


def _packet_types(number: int) -> str:
    """A packet filter, by the names of its bits."""
    prefix = "NDIS_PACKET_TYPE_"
    names = [name for name, bit in vars(surface).items() if name.startswith(prefix) and number & bit]
    return f"0x{number:08X} {' | '.join(names)}".rstrip()


__all__ = ["oid_lines"]
