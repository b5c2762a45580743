"""Poll mode on a running machine: floods in live processes, one frame after the other, pauses in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.scenarios.traffic import HELLO, echo, frame, free_buffers, settled

if TYPE_CHECKING:
    from emulator.testing import Lab

DRIVER: Final = "tests.scenarios.drivers.poll_mode"


@pytest.mark.parametrize(("processors", "checked"), [(1, True), (2, True), (1, False)])
def test_a_flood_and_lone_frames_are_answered(lab: Lab, processors: int, checked: bool) -> None:
    nic = lab.start(DRIVER, protocol=HELLO, processors=processors, checked=checked)
    buffers = free_buffers(nic)
    assert echo(nic, (frame(nic, number) for number in range(1500)), window=200) == 1500
    assert echo(nic, (frame(nic, number) for number in range(50)), window=1) == 50
    settled(nic, buffers)


def test_pauses_and_a_halt_in_between(lab: Lab) -> None:
    nic = lab.start(DRIVER, protocol=HELLO, processors=2)
    for _ in range(3):
        assert echo(nic, (frame(nic, number) for number in range(200))) == 200
        nic.pause()
        nic.restart()
    nic.halt()
    nic.start()
    assert echo(nic, (frame(nic, number) for number in range(20))) == 20
