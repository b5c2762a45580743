"""Frames for the scenarios, and the two counts by which nothing is outstanding when they are over.

Law: a frame carries its number, so that a lost, doubled, reordered or damaged one is told apart; every wait has a
deadline.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from tests.patience import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emulator.testing import Nic

MINIPORT: Final = "sample_drivers.netvmini"
HELLO: Final = "sample_drivers.hello"
RESPONDER: Final = "sample_drivers.responder"
STATION: Final = bytes.fromhex("020000000002")
ETHERTYPE: Final = bytes.fromhex("88b5")
SHORTEST, LONGEST = 60, 1514


def frame(nic: Nic, number: int, size: int = SHORTEST) -> bytes:
    """A frame to the adapter with its number and a pattern of its own."""
    pattern = bytes((number + place) & 0xFF for place in range(256)) * (size // 256 + 1)
    head = bytes.fromhex(nic.mac.replace(":", "")) + STATION + ETHERTYPE + number.to_bytes(4, "big")
    return (head + pattern)[:size]


def swapped(sent: bytes) -> bytes:
    """What hello answers."""
    return sent[6:12] + sent[:6] + sent[12:]


def echo(nic: Nic, frames: Iterable[bytes], window: int = 64, timeout: float = DEADLINE) -> int:
    """Send frames, at most so many ahead, and see each answered in order with swapped addresses; how many they were."""
    waiting: list[bytes] = []
    count = 0
    for sent in frames:
        nic.send(sent)
        waiting.append(sent)
        count += 1
        if len(waiting) >= window:
            assert nic.receive_bytes(timeout) == swapped(waiting.pop(0)), f"answer {count - window}"
    for sent in waiting:
        assert nic.receive_bytes(timeout) == swapped(sent)
    return count


def free_buffers(nic: Nic) -> int:
    """How many receive buffers lie free in the adapter."""
    return nic.counters["buffers_free"]


def settled(nic: Nic, buffers: int, timeout: float = DEADLINE) -> None:
    """Nothing is outstanding: by the ledger of the lists, and by counting the free buffers one by one."""
    found = nic.machine.wait(
        lambda now: now.counters["lists_outstanding"] == 0 and now.adapters[nic.number]["buffers_free"] == buffers,
        f"0 lists outstanding and {buffers} buffers free",
        timeout,
    )
    assert found.counters["lists_outstanding"] == 0


def drain(nic: Nic, seconds: float = 0.05) -> int:
    """Take whatever still comes; how many frames."""
    count = 0
    deadline = time.monotonic() + DEADLINE
    while nic.poll(seconds) is not None and time.monotonic() < deadline:
        count += 1
    return count


def pause_and_restart_under_traffic(nic: Nic) -> None:
    """Five times: pause amid 200 frames, restart, and see that fifty more come back; nothing is outstanding then."""
    before = free_buffers(nic)
    for turn in range(5):
        for number in range(200):
            nic.send(frame(nic, turn * 1000 + number))
        nic.pause()
        nic.send(frame(nic, 0))
        nic.restart()
        drain(nic)
        assert echo(nic, (frame(nic, 5000 + turn * 100 + n) for n in range(50))) == 50
    settled(nic, before)
