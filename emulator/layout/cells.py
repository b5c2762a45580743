"""Interlocked cells: integers that several contexts may change at once.

Law: a cell is addressed, not read; NdisInterlocked* functions are the only way to change one from two contexts.
Comparing the cell itself would compare places, so it raises as adding to it does.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

if TYPE_CHECKING:

    class LONG:
        """A 32-bit signed cell; ``.value`` reads it without interlocking."""

        value: int

    class LONGLONG:
        """A 64-bit signed cell; ``.value`` reads it without interlocking."""

        value: int

    class ULONG_CELL:
        """A 32-bit unsigned cell."""

        value: int
else:

    def _refuse(cell, other):
        kinds = f"'{type(cell).__name__}' and '{type(other).__name__}'"
        raise TypeError(f"'==' and '!=' are not supported between instances of {kinds}")

    class LONG(ctypes.c_int32):
        """A 32-bit signed cell; ``.value`` reads it without interlocking."""

        __slots__ = ()
        __eq__ = __ne__ = _refuse

    class LONGLONG(ctypes.c_int64):
        """A 64-bit signed cell; ``.value`` reads it without interlocking."""

        __slots__ = ()
        __eq__ = __ne__ = _refuse

    class ULONG_CELL(ctypes.c_uint32):
        """A 32-bit unsigned cell."""

        __slots__ = ()
