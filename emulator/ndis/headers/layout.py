"""What a driver declares its contexts with: nonpaged structures, their fields, pointers and lists.

Law: only what the layout of a structure needs; the rest of this package is NDIS.  Integers have the WDK's names and, by
width and sign, short ones; LONG and LONGLONG alone are interlocked cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from emulator.kernel.events import KEVENT
from emulator.kernel.pointers import NONPAGED, HandleField, Memory, PointerField, SizeOf, sizeof
from emulator.kernel.spinlocks import KSPIN_LOCK
from emulator.layout.cells import LONG, LONGLONG
from emulator.layout.records import Array, Bytes, i32, i64, u8, u16, u32, u64

T = TypeVar("T")

BOOLEAN = u8
UCHAR = u8
UINT8 = u8
USHORT = u16
UINT16 = u16
UINT = u32
UINT32 = u32
ULONG = u32
ULONG32 = u32
ULONG64 = u64
ULONGLONG = u64
ULONG_PTR = u64
UINT64 = u64
SIZE_T = u64
INT = i32
INT32 = i32
INT64 = i64

if TYPE_CHECKING:

    class Pointer(Generic[T]):
        """``Pointer[NEIGHBOUR]``: NULL (None) or a reference to a structure; the same object again in one context."""

        def __get__(self, instance: object, owner: type | None = None) -> T | None: ...
        def __set__(self, instance: object, value: T | None) -> None: ...

else:

    class Pointer:
        """``Pointer[NEIGHBOUR]``: NULL (None) or a reference to a structure; the same object again in one context."""

        def __class_getitem__(cls, target: Any) -> PointerField:
            return PointerField()

        __field_type__ = PointerField


class NDIS_SPIN_LOCK(KSPIN_LOCK):
    """A spin lock inside a context; initialise it with NdisAllocateSpinLock."""


class NDIS_EVENT(KEVENT):
    """An event inside a context; initialise it with NdisInitializeEvent."""


if TYPE_CHECKING:
    PVOID = Any
else:

    class PVOID:
        """Any reference."""

        __field_type__ = PointerField


__all__ = [
    "BOOLEAN",
    "INT",
    "INT32",
    "INT64",
    "LONG",
    "LONGLONG",
    "NDIS_EVENT",
    "NDIS_SPIN_LOCK",
    "NONPAGED",
    "PVOID",
    "SIZE_T",
    "UCHAR",
    "UINT",
    "UINT16",
    "UINT32",
    "UINT64",
    "UINT8",
    "ULONG",
    "ULONG32",
    "ULONG64",
    "ULONGLONG",
    "ULONG_PTR",
    "USHORT",
    "Array",
    "Bytes",
    "HandleField",
    "Literal",
    "Memory",
    "Pointer",
    "SizeOf",
    "i32",
    "i64",
    "sizeof",
    "u16",
    "u32",
    "u64",
    "u8",
]
