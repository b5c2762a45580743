"""Typed records over shared memory, declared by annotations alone.

Law: a record is a view; it owns no memory, makes no system call and holds nothing that another process could not see.

A field's annotation is its layout.  Integers are ctypes integers and read as plain numbers; everything else is a
:class:`FieldType`, which says how many bytes it stores and which descriptor reads and writes them.
"""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Literal, TypeVar, get_args, get_origin, overload

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

    u8 = int
    u16 = int
    u32 = int
    u64 = int
    i32 = int
    i64 = int
else:
    u8 = ctypes.c_uint8
    u16 = ctypes.c_uint16
    u32 = ctypes.c_uint32
    u64 = ctypes.c_uint64
    i32 = ctypes.c_int32
    i64 = ctypes.c_int64

INTEGERS: frozenset[Any] = frozenset(
    (
        ctypes.c_uint8,
        ctypes.c_uint16,
        ctypes.c_uint32,
        ctypes.c_uint64,
        ctypes.c_int8,
        ctypes.c_int16,
        ctypes.c_int32,
        ctypes.c_int64,
    )
)


class LayoutError(TypeError):
    """A record was declared with a field that cannot live in shared memory."""


STORED: Final = "_stored_"
"""In front of the name of a field with a descriptor: the plain one below it."""


class FieldType:
    """How one kind of field is stored, and how a driver reads and writes it."""

    storage: Any

    def descriptor(self, name: str, raw: Any) -> Any:
        """The object to be found under ``name``; ``raw`` is the ctypes field below it (None: use the field itself)."""
        return None

    def elements(self, array: Any) -> Any:
        """A view of an array of this kind by its elements; None: through their descriptor."""
        return None


class Cell(FieldType):
    """A ctypes subclass used as it stands: reading the field gives the cell itself, as C's ``&field`` does."""

    def __init__(self, storage: Any) -> None:
        self.storage = storage


T = TypeVar("T")
N = TypeVar("N")


class _BytesField(FieldType):
    def __init__(self, length: int) -> None:
        self.storage: Any = ctypes.c_uint8 * length
        self.length = length

    def descriptor(self, name: str, raw: Any) -> Any:
        length = self.length

        def read(record: Any) -> bytes:
            return bytes(raw.__get__(record))

        def write(record: Any, value: bytes) -> None:
            if len(value) != length:
                raise ValueError(f"{type(record).__name__}.{name} holds {length} bytes, not {len(value)}")
            raw.__get__(record)[:] = value

        return property(read, write)


class _ArrayField(FieldType):
    def __init__(self, element: Any, length: int) -> None:
        self.element = element
        self.length = length
        inner = field_type(element)
        self.inner = inner
        self.storage = (inner.storage if inner is not None else element) * length

    def descriptor(self, name: str, raw: Any) -> Any:
        inner = self.inner
        if inner is None or isinstance(inner, Cell):
            return None
        below = STORED + name
        holder: Any = type(f"{name}_element", (ctypes.Structure,), {"_fields_": [(below, inner.storage)]})
        element = inner.descriptor(name, holder.__dict__[below])
        if element is None:
            return None
        stored: Any = holder * self.length

        def read(record: Any) -> Any:
            try:
                return record._arrays[name]
            except (AttributeError, KeyError):
                array = raw.__get__(record)
            view = inner.elements(array)
            if view is None:
                return ArrayView(stored.from_buffer(array), element)
            kept = getattr(record, "_arrays", None)
            if kept is not None:
                kept[name] = view
            return view

        return property(read)


class ArrayView:
    """An array whose elements are read and written through their field type (handles, pointers)."""

    __slots__ = ("_array", "_element")

    def __init__(self, array: Any, element: Any) -> None:
        self._array = array
        self._element = element

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, index: int) -> Any:
        return self._element.__get__(self._array[index])

    def __setitem__(self, index: int, value: Any) -> None:
        self._element.__set__(self._array[index], value)

    def __iter__(self) -> Any:
        read = self._element.__get__
        return (read(item) for item in self._array)


def _literal(value: Any) -> int:
    if get_origin(value) is Literal:
        (value,) = get_args(value)
    if not isinstance(value, int) or value <= 0:
        raise LayoutError(f"a length is a positive number, not {value!r}")
    return value


if TYPE_CHECKING:

    class Bytes(Generic[N]):
        """``Bytes[Literal[6]]``: a fixed run of bytes; reads as ``bytes``."""

        def __get__(self, instance: object, owner: type | None = None) -> bytes: ...
        def __set__(self, instance: object, value: bytes) -> None: ...

    class Array(Generic[T, N]):
        """``Array[NEIGHBOUR, Literal[256]]``: a fixed array of integers, cells, records, handles or pointers."""

        def __len__(self) -> int: ...
        @overload
        def __getitem__(self, index: int) -> T: ...
        @overload
        def __getitem__(self, index: slice) -> list[T]: ...
        def __getitem__(self, index: Any) -> Any: ...
        @overload
        def __setitem__(self, index: int, value: T) -> None: ...
        @overload
        def __setitem__(self, index: slice, value: list[T]) -> None: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __iter__(self) -> Any: ...

else:

    class Bytes:
        """``Bytes[6]``: a fixed run of bytes; reads as ``bytes``."""

        def __class_getitem__(cls, length: Any) -> FieldType:
            return _BytesField(_literal(length))

    class Array:
        """``Array[NEIGHBOUR, 256]``: a fixed array of integers, cells, records, handles or pointers."""

        def __class_getitem__(cls, arguments: Any) -> FieldType:
            element, length = arguments
            return _ArrayField(element, _literal(length))


def field_type(annotation: Any) -> FieldType | None:
    """The field type of an annotation; None for a plain integer.  Raises LayoutError for anything else."""
    if isinstance(annotation, FieldType):
        return annotation
    if isinstance(annotation, type(int | None)):
        inner = [part for part in get_args(annotation) if part is not type(None)]
        if len(inner) == 1 and len(get_args(annotation)) == 2:
            return field_type(inner[0])
    if annotation in INTEGERS:
        return None
    declared = getattr(annotation, "__field_type__", None)
    if declared is not None:
        return declared if isinstance(declared, FieldType) else declared()
    if isinstance(annotation, type) and issubclass(annotation, ctypes._SimpleCData | ctypes.Structure | ctypes.Array):
        return Cell(annotation)
    raise LayoutError(
        f"{getattr(annotation, '__name__', annotation)!s} is pageable; it cannot live in nonpaged pool "
        "(ULONG, ULONG64, LONG, PVOID, Bytes, Array, a handle or a structure can)"
    )


def build_fields(
    name: str, annotations: dict[str, Any], scope: dict[str, Any], local: dict[str, Any]
) -> tuple[list[tuple[str, Any]], dict[str, tuple[FieldType, str]]]:
    """Turn annotations into ctypes fields, and the fields that need a descriptor of their own."""
    fields: list[tuple[str, Any]] = []
    wrapped: dict[str, tuple[FieldType, str]] = {}
    for field, annotation in annotations.items():
        resolved = eval(annotation, scope, local) if isinstance(annotation, str) else annotation
        if get_origin(resolved) is ClassVar or resolved is ClassVar:
            continue
        try:
            kind = field_type(resolved)
        except LayoutError as error:
            raise LayoutError(f"{name}.{field}: {error}") from None
        if kind is None:
            fields.append((field, resolved))
            continue
        probe = kind.descriptor(field, None)
        if probe is None:
            fields.append((field, kind.storage))
        else:
            stored = STORED + field
            fields.append((stored, kind.storage))
            wrapped[field] = (kind, stored)
    return fields, wrapped


class RecordMeta(type(ctypes.Structure)):  # type: ignore[misc]
    """Builds a ctypes structure from the annotations of the class body."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        """Make the class; fields are laid out once it exists."""
        namespace.setdefault("__slots__", ())
        return super().__new__(mcs, name, bases, namespace)

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> None:
        super().__init__(name, bases, namespace)
        annotations = namespace.get("__annotations__", {})
        if not annotations:
            return
        frame = sys._getframe(1)
        while frame.f_back is not None and frame.f_globals.get("__name__") != namespace.get("__module__"):
            frame = frame.f_back
        fields, wrapped = build_fields(name, annotations, frame.f_globals, dict(frame.f_locals))
        cls._fields_ = fields
        for field, (kind, stored) in wrapped.items():
            setattr(cls, field, kind.descriptor(field, cls.__dict__[stored]))


if TYPE_CHECKING:

    class Record:
        """A typed view of one place in shared memory."""

        @classmethod
        def at(cls, memory: Buffer, offset: int) -> Self:
            """The record at ``offset`` bytes from the start of ``memory``."""

        @classmethod
        def size(cls) -> int:
            """Bytes that the record takes."""

else:

    class Record(ctypes.Structure, metaclass=RecordMeta):
        """A typed view of one place in shared memory."""

        @classmethod
        def at(cls, memory, offset):
            """The record at ``offset`` bytes from the start of ``memory``."""
            return cls.from_buffer(memory, offset)

        @classmethod
        def size(cls):
            """Bytes that the record takes."""
            return ctypes.sizeof(cls)
