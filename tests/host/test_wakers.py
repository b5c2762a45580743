"""The host wakes a processor or leaves it asleep, while a work item opens the mask: one of the two always rings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from emulator.host.ports import Port
from emulator.layout.arena import FIRST_PROCESSOR_SLOT

if TYPE_CHECKING:
    from collections.abc import Callable


class Race:
    """A frame that the host has published, a masked line or message, a processor asleep, a work item that unmasks it.

    The frame is seen by others from the host's fence on.  The work item comes before a step of the host's: its store
    and its look are one step, because it has a fence in between.
    """

    def __init__(self, when: int, messages: int) -> None:
        self.frame_is_seen = self.unmasked = False
        self.rung: list[str] = []
        self.steps = 0
        self.when = when
        arena = SimpleNamespace(sleeping=self)
        host = SimpleNamespace(fence=self.fence)
        geometry = SimpleNamespace(processors=1)
        supervisor = SimpleNamespace(arena=arena, host=host, geometry=geometry, ring=lambda slot: self.ring("host"))
        layout = SimpleNamespace(queues=1)
        hardware = SimpleNamespace(asserted=self.asserted, sends=self.asserted, layout=layout)
        port: Any = SimpleNamespace(supervisor=supervisor, hardware=hardware, number=0, messages=messages)
        self.wake: Callable[[], None] = Port._message_waker(port) if messages else Port._waker(port)

    def ring(self, who: str) -> None:
        self.rung.append(who)

    def step(self) -> None:
        if self.steps == self.when:
            self.unmask()
        self.steps += 1

    def unmask(self) -> None:
        self.unmasked = True
        if self.frame_is_seen:
            self.ring("work item")

    def fence(self) -> None:
        self.step()
        self.frame_is_seen = True

    def asserted(self, message: int = 0) -> bool:
        self.step()
        return self.unmasked

    def __getitem__(self, slot: int) -> int:
        assert slot == FIRST_PROCESSOR_SLOT
        self.step()
        return 1

    def __setitem__(self, slot: int, value: int) -> None:
        assert (slot, value) == (FIRST_PROCESSOR_SLOT, 0)


@pytest.mark.parametrize("messages", [0, 1], ids=["line", "message"])
@pytest.mark.parametrize("when", range(5))
def test_one_of_the_two_rings_whenever_the_mask_is_opened(when: int, messages: int) -> None:
    race = Race(when, messages)
    race.wake()
    if not race.unmasked:  # a store may be kept back for a while after the last step
        race.unmask()
    assert race.rung
