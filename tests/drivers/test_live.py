"""The sample drivers in live processes on a cable: floods, pauses in the middle of them, and work items that go on."""

from __future__ import annotations

import pathlib
import struct
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.testing import Lab
    from emulator.testing.nic import Nic

ROOT = pathlib.Path(__file__).parents[2]
DEADLINE = 20.0
WINDOW = 256


def flood(nic: Nic, count: int, size: int = 60, window: int = WINDOW) -> list[int]:
    """Send numbered frames, at most `window` unanswered; the numbers of those that came back, in order."""
    mac = bytes.fromhex(nic.mac.replace(":", ""))
    answered: list[int] = []
    sent = 0
    until = time.monotonic() + DEADLINE
    while len(answered) < count and time.monotonic() < until:
        while sent < count and sent - len(answered) < window:
            nic.send((mac + b"\x02\0\0\0\0\x99\x88\xb5" + struct.pack("!I", sent)).ljust(size, b"\0"))
            sent += 1
        answer = nic.poll(until - time.monotonic())
        if answer is None:
            break
        if answer[12:14] == b"\x88\xb5":
            answered.append(struct.unpack_from("!I", answer, 14)[0])
    return answered


@pytest.mark.parametrize("processors", [1, 2])
def test_a_flood_comes_back_whole_and_in_order(lab: Lab, processors: int) -> None:
    nic = lab.start("sample_drivers.netvmini", protocol="sample_drivers.hello", processors=processors)
    assert flood(nic, 4000) == list(range(4000))


def test_the_free_build_comes_back_whole_too(lab: Lab) -> None:
    nic = lab.start("sample_drivers.netvmini", protocol="sample_drivers.hello", checked=False)
    assert flood(nic, 2000, size=1514) == list(range(2000))


def test_pause_and_restart_between_floods(lab: Lab) -> None:
    nic = lab.start("sample_drivers.netvmini", protocol="sample_drivers.hello")
    for _ in range(3):
        assert flood(nic, 300) == list(range(300))
        nic.pause()
        nic.restart()
    nic.halt()


@pytest.mark.parametrize("processors", [1, 2])
def test_work_items_take_over_from_the_dpc_all_the_time(lab: Lab, tmp_path: Path, processors: int) -> None:
    text = (ROOT / "sample_drivers" / "netvmini.py").read_text()
    place = text.index("NdisDriverHandle:")
    hasty = tmp_path / "netvmini.py"
    hasty.write_text(text[:place] + "NIC_BUDGET, NIC_DPC_ROUNDS, NIC_WORK_ITEM_ROUNDS = 4, 1, 3\n" + text[place:])
    nic = lab.start(str(hasty), protocol="sample_drivers.hello", processors=processors, passive_workers=2)
    assert flood(nic, 3000) == list(range(3000))
    nic.pause()
    nic.restart()
    assert flood(nic, 500) == list(range(500))
