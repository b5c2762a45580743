"""Pseudo-random numbers of our own: SplitMix64, written out so that a seed means the same on every version of Python.

Law: integers only; a generator is its 64-bit state and nothing else.
"""

from __future__ import annotations

from typing import Final

_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF
_STEP: Final = 0x9E37_79B9_7F4A_7C15
_CHUNKS: Final = 4


class Numbers:
    """A stream of 64-bit numbers (Steele, Lea and Flood, 2014)."""

    __slots__ = ("_chunks", "_left", "state")

    def __init__(self, seed: int) -> None:
        self.state = seed & _MASK
        self._chunks = 0
        self._left = 0

    def next_u64(self) -> int:
        """The next number of the stream."""
        self.state = state = self.state + _STEP & _MASK
        state = (state ^ state >> 30) * 0xBF58_476D_1CE4_E5B9 & _MASK
        state = (state ^ state >> 27) * 0x94D0_49BB_1331_11EB & _MASK
        return state ^ state >> 31

    def below(self, count: int) -> int:
        """A number from 0 to ``count - 1``; one number of the stream serves four small ones."""
        if count > 1 << 12:
            return self.next_u64() % count
        if not self._left:
            self._chunks = self.next_u64()
            self._left = _CHUNKS
        chunk = self._chunks & 0xFFFF
        self._chunks >>= 16
        self._left -= 1
        return chunk * count >> 16


def derived(seed: int, purpose: str) -> Numbers:
    """A stream of its own for one purpose, so that drawing for one never moves another."""
    state = seed & _MASK
    for byte in purpose.encode():
        state = Numbers(state ^ byte).next_u64()
    return Numbers(state)
