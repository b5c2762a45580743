"""Poll mode on the rig: netvmini with a Poll object instead of its DPC, turn by turn."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.layout.handles import HandleKind
from emulator.ndis.data_path.poll_service import POLL_BUDGET
from tests.drivers.polled import netvmini
from tests.drivers.rig import Rig, frame


def machine(**options: Any) -> Rig:
    made = Rig(netvmini, "hello", **options)
    made.start()
    return made


@pytest.mark.parametrize("checked", [True, False])
def test_a_lone_frame_is_served_at_once(checked: bool) -> None:
    rig = machine(checked=checked)
    adapter = rig.context_of()
    before = adapter.Polls, adapter.Interrupts, adapter.Armed
    assert len(rig.receive(frame())) == 1
    polls, interrupts, armed = adapter.Polls - before[0], adapter.Interrupts - before[1], adapter.Armed - before[2]
    assert (interrupts, armed) == (2, 2)  # one for the frame, one for its echo that has been sent
    assert polls == 4
    assert rig.outstanding() == 0


def test_a_flood_comes_in_batches_and_interrupts_once() -> None:
    rig = machine()
    adapter = rig.context_of()
    before = adapter.Interrupts
    assert len(rig.receive(*[frame(payload=bytes([number])) for number in range(250)])) == 250
    assert adapter.Interrupts - before == 1
    assert adapter.Longest == POLL_BUDGET
    assert adapter.Polls < 20
    assert rig.outstanding() == 0
    rig.stop()
    assert rig.fake.machine.objects[HandleKind.POLL].in_use == 0
