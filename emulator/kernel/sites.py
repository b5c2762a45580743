"""Call sites: a driver's line as one small number, readable by the host even after a SIGKILL.

Law: the number costs two look-ups on the hot path; names and lines are worked out only when somebody must read them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from emulator.layout.machine import SITES_PER_SLOT

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from emulator.kernel.context import Context
    from emulator.kernel.machine import Machine


SITE_MASK = 0xFFFF
"""Which part of a site is its number; 0 where it was not recorded, and only whose it is."""


class SiteNumbers(dict[int, int]):
    """A context's call sites, each a number by ``id(frame.f_code) + frame.f_lasti``: to ask for a new one enters it."""

    __slots__ = ("context",)

    def __init__(self, context: Context) -> None:
        self.context = context

    def __missing__(self, key: int) -> int:
        """A site that has not been met: whoever asks was called from there."""
        frame = sys._getframe(2)
        return site_at(self.context, frame.f_code, frame.f_lasti)


def site_of_frame(context: Context, frame: FrameType) -> int:
    """The site where a frame of a driver is, entered if it has not been met."""
    code, place = frame.f_code, frame.f_lasti
    return context.site_numbers.get(id(code) + place) or site_at(context, code, place)


def site_at(context: Context, code: CodeType, place: int) -> int:
    """Enter a site by code object and instruction, which go to the arena."""
    box = context.box
    count = box.site_count
    number = context.machine.images.code_number(code)
    if count + 1 >= SITES_PER_SLOT:
        return context.nowhere
    context.sites[count + 1] = number << 16 | place // 2
    box.site_count = count + 1
    site = context.slot << 16 | count + 1
    context.site_numbers[id(code) + place] = site
    return site


def describe_site(machine: Machine, site: int) -> tuple[str, str]:
    """(``file:line in function``, the context that was there) of a stored site."""
    slot, number = site >> 16, site & SITE_MASK
    if not number:
        return "(not recorded)", machine.describe_slot(slot) if slot else ""
    word = machine.arena.sites(slot)[number]
    return machine.images.describe_code(word >> 16, (word & 0xFFFF) * 2), machine.describe_slot(slot)
