"""Structures that begin with a header and go on with numbers: how they lie in memory.

Law: the order of the fields is that of the layout; x64, lowest byte first, padded as the C compiler does.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar

from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER

if TYPE_CHECKING:
    from typing import Self


def layout_of(numbers: str) -> struct.Struct:
    """The layout of a header and of these numbers behind it, as the module struct writes them."""
    return struct.Struct(f"<BBH{numbers}")


class Packed:
    """What a msgspec structure adds to be packed; its first field is its header."""

    __slots__ = ()

    LAYOUT: ClassVar[struct.Struct]
    __struct_fields__: ClassVar[tuple[str, ...]]

    def to_bytes(self) -> bytes:
        """Return the structure as it lies in memory on x64."""
        header, *numbers = (getattr(self, name) for name in self.__struct_fields__)
        return self.LAYOUT.pack(header.Type, header.Revision, header.Size, *numbers)

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> Self:
        """Read the structure from the start of a buffer."""
        kind, revision, size, *numbers = cls.LAYOUT.unpack_from(data)
        members = dict(zip(cls.__struct_fields__[1:], numbers, strict=True))
        return cls(Header=NDIS_OBJECT_HEADER(kind, revision, size), **members)  # type: ignore[call-arg]
