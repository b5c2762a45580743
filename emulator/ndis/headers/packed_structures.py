"""Structures that travel as bytes and have bit fields, or parts of their own: how they are written with ctypes.

Law: what is left out is zero; a structure of an earlier revision is read as one whose later members are zero.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from typing import Self

    from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER

Fields = list[tuple[Any, ...]]
U8: Any = ctypes.c_uint8
U16: Any = ctypes.c_uint16
U32: Any = ctypes.c_uint32


def part(name: str, fields: Fields) -> Any:
    """A structure that has no name in C."""
    return type(name, (ctypes.Structure,), {"_fields_": fields, "__module__": __name__})


HEADER = part("_HEADER", [("Type", U8), ("Revision", U8), ("Size", U16)])


class PackedStructure(ctypes.Structure):
    """A structure that begins with an NDIS_OBJECT_HEADER and travels as bytes."""

    _fields_: ClassVar[Any]
    Header: Any

    def __init__(self, *, Header: NDIS_OBJECT_HEADER | None = None, **members: Any) -> None:
        super().__init__(**members)
        if Header is not None:
            self.Header = HEADER(Header.Type, Header.Revision, Header.Size)

    def to_bytes(self) -> bytes:
        """As many bytes as the header says, or all."""
        size: int = self.Header.Size
        return bytes(self)[: size or None]

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> Self:
        """Read what is there; the rest is zero."""
        size = ctypes.sizeof(cls)
        return cls.from_buffer_copy(bytes(data[:size]).ljust(size, b"\0"))
