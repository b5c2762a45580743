"""Which adapters a protocol or a filter is bound to, as the machine's configuration has it.

Law: a driver that names no adapters is bound to all; on Windows INF files and the user decide.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from emulator.ndis.plug_and_play.adapters import text_of

if TYPE_CHECKING:
    from emulator.kernel.context import Context


def is_chosen(context: Context, image: int, adapter: Any) -> bool:
    """Does the configuration bind a driver's image to an adapter?"""
    drivers = context.machine.configuration["specification"].drivers
    wanted = drivers[image - 1].adapters if 0 < image <= len(drivers) else ()
    return not wanted or any(fnmatchcase(text_of(adapter.name), pattern) for pattern in wanted)
