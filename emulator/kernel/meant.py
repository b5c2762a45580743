"""What the author of a driver may have meant, where Python only says what it found.

Law: a hint follows Python's words and never takes their place, and stands only where one cause is by far the likeliest.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

_NO_ATTRIBUTE: Final = re.compile(r"(?:type object )?'(\w+)' object has no attribute '(\w+)'")
_ARITY: Final = re.compile(r"(\w+)\(\) (?:missing|takes) ")
_CELL: Final = re.compile(r"\b(?:LONG|LONGLONG)\b")


def meant(error: BaseException) -> str:
    """In brackets, with a blank before them: the name that is nearest, parameters, a cell, a breakpoint."""
    if type(error).__name__ == "BdbQuit":
        return " (a breakpoint has a terminal with --debug alone)"
    if type(error) is TypeError and _CELL.search(str(error)):
        return " (a LONG or a LONGLONG is a cell: read it with .value, change it with NdisInterlocked...)"
    called = _ARITY.match(str(error)) if type(error) is TypeError else None
    if called is not None:
        return _parameters(called[1], error)
    name, known = _sought(error)
    close = difflib.get_close_matches(name, known, 1) if name else ()
    return f" (did you mean {close[0]}?)" if close else ""


def _parameters(name: str, error: BaseException) -> str:
    """What a function takes that was called with too much or too little, if it is a global where it was called."""
    function = next((frame.f_globals.get(name) for frame in _frames(error)), None)
    code = getattr(function, "__code__", None)
    return f" (it takes {', '.join(code.co_varnames[: code.co_argcount])})" if code is not None else ""


def _sought(error: BaseException) -> tuple[str | None, Iterable[str]]:
    """The name that was not found, and those among which it was looked for."""
    if isinstance(error, NameError):
        return error.name, next((frame.f_globals for frame in _frames(error)), ())
    if not isinstance(error, AttributeError):
        return None, ()
    if isinstance(error.name, str):
        return error.name, dir(type(error.obj))
    found = _NO_ATTRIBUTE.match(str(error))  # of an assignment Python keeps the words alone
    if found is None:
        return None, ()
    kinds = (frame.f_globals.get(found[1]) for frame in _frames(error))
    return found[2], next((dir(kind) for kind in kinds if isinstance(kind, type)), ())


def _frames(error: BaseException) -> Iterator[FrameType]:
    """The innermost frame first."""
    frames: list[FrameType] = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    return reversed(frames)
