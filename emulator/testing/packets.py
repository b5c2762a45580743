"""Frames as tests write them: bytes or scapy packets, and scapy packets back where scapy is installed.

Law: scapy is imported when a frame is first shown to a test, never before; without it frames are bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

SHORTEST = 14


def frames_of(packets: Any) -> list[bytes]:
    """The frames in what a test wants to send: one frame, or several."""
    # A scapy packet is iterable, and stands for one frame all the same.
    if isinstance(packets, bytes | bytearray | memoryview) or not isinstance(packets, Iterable) or _is_packet(packets):
        packets = [packets]
    frames = [bytes(packet) for packet in packets]
    for frame in frames:
        if len(frame) < SHORTEST:
            raise ValueError(f"a frame of {len(frame)} bytes has no Ethernet header")
    return frames


def _is_packet(value: Any) -> bool:
    return hasattr(value, "__bytes__") and hasattr(value, "haslayer") and not isinstance(value, list | tuple)


def packet_of(frame: bytes) -> Any:
    """A frame as scapy shows it; as bytes where scapy is not installed."""
    try:
        from scapy.layers.inet import IP  # noqa: F401  binds IP to its EtherType
        from scapy.layers.l2 import Ether
    except ImportError:
        return frame
    return Ether(frame)


def station(address: bytes) -> str:
    """A station's address as people write it."""
    return ":".join(f"{byte:02x}" for byte in address)


def hexdump(frame: bytes, most: int = 64) -> str:
    """The beginning of a frame, for messages."""
    return frame[:most].hex(" ") + (f" ... ({len(frame)} bytes)" if len(frame) > most else f" ({len(frame)} bytes)")
