"""Flows for adapters that scale receive, and what an answer of `drivers/stamps_processor.py` tells.

Law: a flow is a UDP source port and numbers its frames, so that a lost or reordered one is told apart.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from emulator.ndis.headers import receive_scale_structures as rss
from emulator.ndis.headers.object_header import NDIS_OBJECT_TYPE_RSS_PARAMETERS
from emulator.ndis.headers.processor_numbers import PROCESSOR_NUMBER
from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER
from vnic.device.toeplitz import FrameHash

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KEY: Final = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")
UDP4: Final = rss.NDIS_HASH_IPV4 | rss.NDIS_HASH_UDP_IPV4 | rss.NdisHashFunctionToeplitz
_PARAMETERS: Final = 40
_IPV4: Final = bytes.fromhex("45000024000000004011000000000000")
_STAMP: Final = Struct("<BBII")
_STAMP_AT: Final = 46


def parameters(table: Sequence[int] = (0, 1), *, flags: int = 0, information: int = UDP4, key: bytes = KEY) -> bytes:
    """OID_GEN_RECEIVE_SCALE_PARAMETERS: the structure, behind it the table of processors and the key."""
    processors = b"".join(PROCESSOR_NUMBER(0, number).to_bytes() for number in table)
    given = rss.NDIS_RECEIVE_SCALE_PARAMETERS(
        Header=NDIS_OBJECT_HEADER(NDIS_OBJECT_TYPE_RSS_PARAMETERS, 2, _PARAMETERS),
        Flags=flags,
        HashInformation=information,
        IndirectionTableSize=len(processors),
        IndirectionTableOffset=_PARAMETERS,
        HashSecretKeySize=len(key),
        HashSecretKeyOffset=_PARAMETERS + len(processors),
    )
    return given.to_bytes() + processors + key


def datagram(destination: bytes, source: bytes, flow: int, number: int) -> bytes:
    """A frame of a flow: a UDP datagram over IPv4 with room for a stamp."""
    ip = _IPV4[:12] + bytes((10, 77, 0, 1, 10, 77, 0, 2))
    udp = flow.to_bytes(2, "big") + b"\x00\x07\x00\x10\0\0"
    return (destination + source + b"\x08\x00" + ip + udp + number.to_bytes(4, "big")).ljust(60, b"\0")


class Answer(NamedTuple):
    """What came back of a flow's frame; processor and hash where the protocol stamps them."""

    flow: int
    number: int
    processor: int
    information: int
    hash: int


def answer(received: bytes) -> Answer:
    """Read an answer."""
    processor, function, types, value = _STAMP.unpack_from(received, _STAMP_AT)
    flow, number = int.from_bytes(received[34:36], "big"), int.from_bytes(received[42:46], "big")
    return Answer(flow, number, processor, types | function, value)


def by_flow(answers: Iterable[Answer]) -> dict[int, list[Answer]]:
    """Answers by flow, in the order in which they came."""
    found: dict[int, list[Answer]] = {}
    for each in answers:
        found.setdefault(each.flow, []).append(each)
    return found


def in_order(answers: Iterable[Answer], flows: int, numbers: int) -> bool:
    """Is every flow complete, and in order?"""
    found = {flow: [each.number for each in some] for flow, some in by_flow(answers).items()}
    return found == {flow: list(range(numbers)) for flow in range(flows)}


def turns(answers: Iterable[Answer]) -> list[int]:
    """The processors of a flow's answers, each as often as the flow came to it."""
    found: list[int] = []
    for each in answers:
        if not found or found[-1] != each.processor:
            found.append(each.processor)
    return found


def expected(frame: bytes, table: Sequence[int], information: int = UDP4, key: bytes = KEY) -> tuple[int, int, int]:
    """The processor that a table gives a frame to, what its hash is, and the hash."""
    value, kind = FrameHash(information, key)(memoryview(frame), len(frame))
    return table[value & len(table) - 1] if kind else 0, kind, value
