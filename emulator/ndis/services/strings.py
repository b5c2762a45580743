"""Counted strings: UNICODE_STRING and ANSI_STRING, and what older drivers do with them.

Law: a counted string is a variable of one context; wherever NDIS takes a name, a Python string serves as well.
Characters are counted in bytes: two for each UTF-16 unit, one for each of Latin-1, which is the system's ANSI here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from emulator.kernel.platform import current
from emulator.kernel.pointers import Memory, load_block
from emulator.ndis.gates.ddi import ddi
from emulator.ndis.services.memory import free_block
from emulator.rules.irql import ANY, AT_PASSIVE

if TYPE_CHECKING:
    from emulator.kernel.context import Context

STRING_TAG: Final = int.from_bytes(b"NDst", "little")
_RULES: Final = ("Irql_Miscellaneous_Function",)
_RESIDENT: Final = "the levels depend on the memory: any for what is resident, and nothing is paged here"
_AS: Final = "; the parameter is `as`, which is a word of Python"


class UNICODE_STRING(Struct, eq=False):
    """A counted string of UTF-16; ``str`` gives its text.  MaximumLength is the room of its buffer."""

    Length: int = 0
    MaximumLength: int = 0
    Buffer: Any = None

    def __str__(self) -> str:
        return _text(self.Buffer, self.Length, "utf-16-le")


class ANSI_STRING(Struct, eq=False):
    """A counted string of bytes; ``str`` gives its text.  MaximumLength is the room of its buffer."""

    Length: int = 0
    MaximumLength: int = 0
    Buffer: Any = None

    def __str__(self) -> str:
        return _text(self.Buffer, self.Length, "latin-1")


NDIS_STRING = UNICODE_STRING
"""What NDIS calls a string."""


@ddi(irql=ANY, rules=_RULES, note=_RESIDENT)
def NdisInitUnicodeString(us: UNICODE_STRING, s: str | None, /) -> None:
    """Let a counted string be this text; of None (NULL) the lengths are 0."""
    us.Buffer = s
    us.Length = len(_units(s)) if s is not None else 0
    us.MaximumLength = us.Length + 2 if s is not None else 0


@ddi(irql=ANY, rules=_RULES, note=_RESIDENT + _AS)
def NdisInitAnsiString(as_: ANSI_STRING, s: str | None, /) -> None:
    """Let a counted string be this text; of None (NULL) the lengths are 0."""
    as_.Buffer = s
    as_.Length = len(_bytes(s)) if s is not None else 0
    as_.MaximumLength = as_.Length + 1 if s is not None else 0


@ddi(irql=AT_PASSIVE, rules=_RULES, acquires="string")
def NdisInitializeString(Destination: UNICODE_STRING, Source: str | None, /) -> None:
    """Allocate a buffer for a text and let a counted string have it; give it back with NdisFreeString.

    Without memory, and for None (NULL), the lengths are 0.
    """
    Destination.Length = Destination.MaximumLength = 0
    Destination.Buffer = None
    if Source is not None:
        allocate_buffer(current.context, Destination, Source, STRING_TAG)


@ddi(irql=AT_PASSIVE, rules=_RULES, releases="string")
def NdisFreeString(String: UNICODE_STRING, /) -> None:
    """Free the buffer that NdisInitializeString has allocated.  Bug check 0xC2 for any other buffer."""
    if String.Buffer is not None:
        free_block(current.context, String.Buffer, STRING_TAG)


@ddi(irql=AT_PASSIVE, rules=_RULES)
def NdisEqualString(String1: UNICODE_STRING, String2: UNICODE_STRING, CaseInsensitive: bool, /) -> bool:
    """Are two strings the same?"""
    return _equal(String1, String2, CaseInsensitive)


@ddi(irql=AT_PASSIVE, rules=_RULES)
def NdisEqualUnicodeString(String1: UNICODE_STRING, String2: UNICODE_STRING, CaseInsensitive: bool, /) -> bool:
    """Are two strings the same?"""
    return _equal(String1, String2, CaseInsensitive)


@ddi(irql=AT_PASSIVE, rules=_RULES, note="the parameter is `as`, which is a word of Python")
def NdisAnsiStringToUnicodeString(us: UNICODE_STRING, as_: ANSI_STRING, /) -> None:
    """Put the text of a string into one that has room for it; where there is too little nothing changes."""
    _store(us, _shown(as_))


@ddi(irql=AT_PASSIVE, rules=_RULES, note="the parameter is `as`, which is a word of Python")
def NdisUnicodeStringToAnsiString(as_: ANSI_STRING, us: UNICODE_STRING, /) -> None:
    """Put the text of a string into one that has room for it; where there is too little nothing changes."""
    _store(as_, _shown(us))


@ddi(irql=AT_PASSIVE, rules=_RULES)
def NdisUpcaseUnicodeString(d: UNICODE_STRING, s: UNICODE_STRING, /) -> None:
    """Put a text in capitals into a string that has room for it; where there is too little nothing changes."""
    _store(d, "".join(map(_capital, _shown(s))))


def allocate_buffer(context: Context, string: UNICODE_STRING, text: str, tag: int) -> bool:
    """Give a string a buffer of the pool with this text, and a zero behind it; False when there is no room."""
    encoded = _units(text)
    pointer = context.machine.pool.allocate(
        len(encoded) + 2, tag=tag, type_number=0, site=context.site, driver=context.driver, owner=0
    )
    if pointer is None:
        return False
    buffer: Memory = load_block(context, pointer)
    buffer[:] = encoded + b"\0\0"
    string.Buffer = buffer
    string.Length, string.MaximumLength = len(encoded), len(encoded) + 2
    return True


def _shown(string: UNICODE_STRING | ANSI_STRING) -> str:
    """A string's text; of what is no string this fails, where str() would not."""
    return string.__str__() if string.Length else ""


def _capital(letter: str) -> str:
    """Windows maps letter by letter: one without a single capital stays."""
    upper = letter.upper()
    return upper if len(upper) == 1 else letter


def _equal(one: Any, other: Any, insensitive: bool) -> bool:
    first, second = _shown(one), _shown(other)
    if insensitive:
        return list(map(_capital, first)) == list(map(_capital, second))
    return first == second


def _store(string: UNICODE_STRING | ANSI_STRING, text: str) -> None:
    encoded = _units(text) if isinstance(string, UNICODE_STRING) else _bytes(text)
    if len(encoded) > string.MaximumLength:
        return
    string.Length = len(encoded)
    if isinstance(string.Buffer, Memory | memoryview | bytearray):
        string.Buffer[: len(encoded)] = encoded
    else:
        string.Buffer = text


def _units(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def _bytes(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def _text(buffer: Any, length: int, encoding: str) -> str:
    if buffer is None:
        return ""
    encoded = buffer.encode(encoding, "replace") if isinstance(buffer, str) else bytes(buffer[:length])
    return encoded[:length].decode(encoding, "replace")


__all__ = [
    "ANSI_STRING",
    "NDIS_STRING",
    "UNICODE_STRING",
    "NdisAnsiStringToUnicodeString",
    "NdisEqualString",
    "NdisEqualUnicodeString",
    "NdisFreeString",
    "NdisInitAnsiString",
    "NdisInitUnicodeString",
    "NdisInitializeString",
    "NdisUnicodeStringToAnsiString",
    "NdisUpcaseUnicodeString",
]
