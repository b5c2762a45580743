"""How long a processor looks for the next interrupt before it sleeps: learnt from how soon the last ones came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.kernel import loops
from emulator.kernel.platform import LONGEST_PATIENCE_NS, PATIENCE_NS
from tests.fake_platform import FakeMachine

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context


@pytest.fixture
def lived(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What a processor does between interrupts, each so long after the last was served: lingers, or sleeps."""
    fake = FakeMachine(processors=1)
    platform, context = fake.platform, fake.processor(0)
    done: list[str] = []
    gaps: list[int] = []
    due = 0

    def asserted() -> bool:
        return platform.time >= due

    def serve() -> bool:
        nonlocal due
        if not asserted():
            return False
        done.append("served")
        if gaps:
            due = platform.time + gaps.pop(0)
        else:
            fake.arena.machine.shutting_down = 1
        return True

    def linger(ready: Callable[[], bool]) -> bool:
        end = platform.time + PATIENCE_NS
        while platform.time < end:
            platform.time += 10_000
            if ready():
                return True
        done.append("gave up")
        return False

    def sleep(context: Context, deadline: int | None) -> None:
        done.append("slept")
        platform.time = due

    def live(*intervals: int) -> list[str]:
        gaps[:] = intervals
        monkeypatch.setattr(loops, "_round_of", lambda context: serve)
        monkeypatch.setattr(platform, "linger", linger)
        platform.on_sleep = sleep
        context.lines_asserted = asserted
        with fake.running(context):
            loops._processor(context)
        return done

    return live


def test_a_processor_that_was_woken_too_soon_looks_for_longer(lived: Callable[..., list[Any]]) -> None:
    gap = 2 * PATIENCE_NS
    assert lived(gap, gap, 2 * gap - 10_000) == [
        *["served", "gave up", "slept"],
        *["served", "gave up"],
        *["served", "gave up", "gave up", "gave up"],
        "served",
    ]


def test_a_processor_whose_interrupts_come_late_looks_once(lived: Callable[..., list[Any]]) -> None:
    gap = LONGEST_PATIENCE_NS
    assert lived(gap, gap, PATIENCE_NS // 2) == [*["served", "gave up", "slept"] * 2, "served", "served"]
