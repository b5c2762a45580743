"""The program by which the kernel chooses a TAP's descriptor for a frame: NDIS's Toeplitz hash, as straight-line eBPF.

Law: what matters is that a flow's frames all take one way, so that they keep their order; that it is mostly the way to
the queue where the host will want them is welcome, and nothing relies on it.  What the program does not read goes to
the first descriptor: frames that are not IP, a VLAN tag that the kernel has left in the frame, types that are not asked
for.  Behind extension headers of IPv6 it hashes the addresses alone.

For each bit of the input a word of the key is added by exclusive or, if the bit is set; that is done by multiplication
and not by a jump or a mask, because the kernel's verifier would follow both cases of each.  It refuses what is never
reached, so parts are left out.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import struct
from typing import Final

from vnic.wires import linux

TUNSETSTEERINGEBPF: Final = 0x800454E0

# Hash types, as NDIS numbers them: those of IPv6 with and without the addresses of extension headers.
_IPV4: Final = 0x100
_TCP4: Final = 0x200
_UDP4: Final = 0x4000
_IPV6: Final = 0x400 | 0x800
_TCP6: Final = 0x1000 | 0x2000
_UDP6: Final = 0x8000 | 0x10000
_TCP: Final = 6
_UDP: Final = 17
_TABLE: Final = 127
"""Places of the longest table: the kernel takes the rest by its descriptors."""

# Registers: what was read, scratch, the packet for the loads, the hash, the length of the IPv4 header, fragment.
_R0, _R1, _R6, _R7, _R8, _R9 = 0, 1, 6, 7, 8, 9
# Operations of eBPF: 32 bits wide, with a number or with a register; loads from the frame into R0; jumps; the end.
_MOVE_NUMBER, _MOVE, _MOVE_WIDE = 0xB4, 0xBC, 0xBF
_AND_NUMBER, _MULTIPLY_NUMBER, _XOR, _SHIFT_LEFT, _SHIFT_RIGHT = 0x54, 0x24, 0xAC, 0x64, 0x74
_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE, _LOAD_WORD_BEHIND = 0x20, 0x28, 0x30, 0x40
_JUMP, _JUMP_EQUAL, _JUMP_UNEQUAL, _EXIT = 0x05, 0x15, 0x55, 0x95

_INSTRUCTION: Final = struct.Struct("<BBhi")
_Instruction = tuple[int, int, int, str | int, int]
"""Operation, destination, source, where to jump (a label) and a number."""


class _Assembly:
    """Instructions whose jumps name labels."""

    def __init__(self, key: bytes) -> None:
        self._instructions: list[_Instruction] = []
        self._labels: dict[str, int] = {}
        self._key = int.from_bytes(key, "big")
        self._bits = 8 * len(key)

    def add(self, operation: int, destination: int = 0, source: int = 0, number: int = 0, to: str = "") -> None:
        self._instructions.append((operation, destination, source, to, number))

    def label(self, name: str) -> None:
        self._labels[name] = len(self._instructions)

    def hash_word(self, place: int) -> None:
        """Add the word in R0, which is this one of the input, to the hash."""
        for bit in range(32):
            window = self._key >> self._bits - 32 - 32 * place - bit & 0xFFFF_FFFF
            self.add(_MOVE, _R1, _R0)
            self.add(_SHIFT_RIGHT, _R1, number=31 - bit)
            self.add(_AND_NUMBER, _R1, number=1)
            self.add(_MULTIPLY_NUMBER, _R1, number=window - (window >> 31 << 32))
            self.add(_XOR, _R7, _R1)

    def assembled(self) -> bytes:
        return b"".join(
            _INSTRUCTION.pack(
                operation, source << 4 | destination, self._labels[str(to)] - place - 1 if to else 0, number
            )
            for place, (operation, destination, source, to, number) in enumerate(self._instructions)
        )


def program(information: int, key: bytes) -> bytes:
    """The program for these hash types under this key; it gives the place in a table of 128."""
    code = _Assembly(key)
    code.add(_MOVE_WIDE, _R6, _R1)
    code.add(_MOVE_NUMBER, _R7)
    code.add(_LOAD_HALF, number=12)
    code.add(_JUMP_EQUAL, _R0, number=0x86DD, to="version 6")
    code.add(_JUMP_UNEQUAL, _R0, number=0x0800, to="first")
    code.add(_LOAD_BYTE, number=14)
    code.add(_AND_NUMBER, _R0, number=0xF)
    code.add(_SHIFT_LEFT, _R0, number=2)
    code.add(_MOVE, _R8, _R0)
    code.add(_LOAD_HALF, number=20)
    code.add(_AND_NUMBER, _R0, number=0x3FFF)
    code.add(_MOVE, _R9, _R0)
    for place in range(2):
        code.add(_LOAD_WORD, number=26 + 4 * place)
        code.hash_word(place)
    code.add(_JUMP_UNEQUAL, _R9, number=0, to="addresses 4")
    _branch(code, information, 23, (_TCP4, _UDP4), "ports 4")
    code.label("addresses 4")
    code.add(_JUMP, to="done" if information & _IPV4 else "first")
    if information & (_TCP4 | _UDP4):
        code.label("ports 4")
        code.add(_LOAD_WORD_BEHIND, source=_R8, number=14)
        code.hash_word(2)
        code.add(_JUMP, to="done")
    code.label("version 6")
    for place in range(8):
        code.add(_LOAD_WORD, number=22 + 4 * place)
        code.hash_word(place)
    _branch(code, information, 20, (_TCP6, _UDP6), "ports 6")
    code.add(_JUMP, to="done" if information & _IPV6 else "first")
    if information & (_TCP6 | _UDP6):
        code.label("ports 6")
        code.add(_LOAD_WORD, number=54)
        code.hash_word(8)
        code.add(_JUMP, to="done")
    code.label("done")
    code.add(_MOVE, _R0, _R7)
    code.add(_AND_NUMBER, _R0, number=_TABLE)
    code.add(_EXIT)
    code.label("first")
    code.add(_MOVE_NUMBER, _R0)
    code.add(_EXIT)
    return code.assembled()


def _branch(code: _Assembly, information: int, protocol: int, types: tuple[int, int], to: str) -> None:
    """Jump where the protocol at this place of the frame is one whose ports are hashed."""
    code.add(_LOAD_BYTE, number=protocol)
    for number, kind in zip((_TCP, _UDP), types, strict=True):
        if information & kind:
            code.add(_JUMP_EQUAL, _R0, number=number, to=to)


FIRST: Final = _INSTRUCTION.pack(_MOVE_NUMBER, _R0, 0, 0) + _INSTRUCTION.pack(_EXIT, 0, 0, 0)
"""Every frame to the first descriptor."""


def steer(descriptor: int, instructions: bytes) -> None:
    """Let a TAP's frames be steered by this program from now on."""
    loaded = linux.load_program(instructions)
    try:
        fcntl.ioctl(descriptor, TUNSETSTEERINGEBPF, struct.pack("i", loaded))
    finally:
        os.close(loaded)


@functools.cache
def refusal() -> str:
    """Why the kernel lets nobody here load a program; empty: it does."""
    try:
        os.close(linux.load_program(FIRST))
    except OSError as error:
        return error.strerror or errno.errorcode.get(error.errno or 0, "refused")
    return ""
