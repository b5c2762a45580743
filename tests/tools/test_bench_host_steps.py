"""The count of the host's steps: the same on every host that begins anew, and more for more frames."""

from __future__ import annotations

from functools import partial

from tools.bench.host_steps import HostSteps


def counts() -> list[int]:
    steps = HostSteps()
    try:
        for _ in range(8):
            steps.echo(64)
        return [
            steps.counted(act, look)
            for look in ("codes", "calls")
            for act in (partial(steps.looked, steps.turn), partial(steps.echo, 1), partial(steps.echo, 64))
        ]
    finally:
        steps.close()


def test_the_same_frames_take_the_same_steps() -> None:
    first = counts()
    assert first == counts()
    assert 0 < first[0] < first[1] < first[2]
    assert 0 < first[3] < first[4] < first[5]
