"""PROCESSOR_NUMBER and GROUP_AFFINITY: which processors are meant.

Law: values, not memory; `to_bytes` and `from_bytes` say how each lies in a table of them on x64.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from typing import Self

_PROCESSOR_NUMBER: Final = struct.Struct("<HBB")
_GROUP_AFFINITY: Final = struct.Struct("<QH6x")


class PROCESSOR_NUMBER(NamedTuple):
    """A processor: its group, and its number in the group."""

    Group: int = 0
    Number: int = 0
    Reserved: int = 0

    def to_bytes(self) -> bytes:
        """The four bytes in memory."""
        return _PROCESSOR_NUMBER.pack(*self)

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> Self:
        """Read one from the start of a buffer."""
        return cls(*_PROCESSOR_NUMBER.unpack_from(data))


class GROUP_AFFINITY(NamedTuple):
    """Processors of one group, one bit each."""

    Mask: int = 0
    Group: int = 0

    def to_bytes(self) -> bytes:
        """The sixteen bytes in memory."""
        return _GROUP_AFFINITY.pack(*self)

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> Self:
        """Read one from the start of a buffer."""
        return cls(*_GROUP_AFFINITY.unpack_from(data))
