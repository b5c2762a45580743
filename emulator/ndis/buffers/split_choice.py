"""Which frames are cut into several MDLs, and the numbers that decide it.

Law: a seed decides everything, and nothing is looked at before a chain is chosen: what one call hands over is a chain,
and for one that is left alone nothing happens but that the next choice is taken from a row of them.
"""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST

NONE, SHORT, ANY = 0, 1, 2
"""What a chain must be to be cut: nothing helps it, no longer than SHORT_CHAIN, whatever it is."""
FIRST_CHAINS: Final = 8
"""After each change of a stack: cut whatever they are, so that a handful of frames shows what a flood would."""
SHORT_CHAIN: Final = 4
MOST_FRAMES: Final = 4
"""Of a chosen chain."""
SHORT_ONE_IN, ANY_ONE_IN = 16, 256
"""In the long run: a frame alone costs twenty times what one among many does, and a cut one is dear to both."""
_STEP: Final = 0x9E37_79B9_7F4A_7C15
_U64: Final = (1 << 64) - 1
_CHOICE: Final = bytes(NONE if byte % SHORT_ONE_IN else SHORT if byte % ANY_ONE_IN else ANY for byte in range(256))
"""What each byte of a number stands for."""


class Numbers:
    """A row of numbers that its seed alone decides (splitmix64)."""

    def __init__(self, *seeds: int) -> None:
        self.state = 0
        for seed in seeds:
            self.state = self.state ^ seed & _U64
            self.state = self.below(1 << 64)

    def below(self, limit: int) -> int:
        """The next number, from 0 to limit - 1."""
        self.state = self.state + _STEP & _U64
        word = self.state
        word = (word ^ word >> 30) * 0xBF58_476D_1CE4_E5B9 & _U64
        word = (word ^ word >> 27) * 0x94D0_49BB_1331_11EB & _U64
        return (word ^ word >> 31) % limit


def choices(mode: str, numbers: Numbers) -> Callable[[], int]:
    """What gives, for one chain after the other, what it must be to be cut; a call costs no byte code."""
    if mode != "sample":
        return repeat(ANY).__next__
    return chain(bytes((ANY,)) * FIRST_CHAINS, chain.from_iterable(_sampled(numbers))).__next__


def is_cut(choice: int, first: NET_BUFFER_LIST) -> bool:
    """Is a chain cut, for which this choice has been taken?"""
    if choice != SHORT:
        return choice == ANY
    nbl: NET_BUFFER_LIST | None = first
    for _ in range(SHORT_CHAIN):
        if nbl is None:
            return True
        nbl = nbl.Next
    return nbl is None


def _sampled(numbers: Numbers) -> Iterator[bytes]:
    while True:
        yield numbers.below(1 << 64).to_bytes(8, "little").translate(_CHOICE)
