"""The count of the host's steps: the same on every host that begins anew, and more for more frames."""

from __future__ import annotations

import time
from functools import partial
from itertools import count

import pytest

from tools.bench.host_steps import HostSteps, LargeHostSteps


def counts(kind: type[HostSteps]) -> list[int]:
    steps = kind()
    most = steps.batches[-1] // 2
    try:
        for _ in range(512 // most):
            steps.echo(most)
        return [
            steps.counted(act, look)
            for look in ("codes", "calls")
            for act in (partial(steps.looked, steps.turn), partial(steps.echo, 1), partial(steps.echo, most))
        ]
    finally:
        steps.close()


@pytest.mark.parametrize("kind", [HostSteps, LargeHostSteps])
def test_the_same_frames_take_the_same_steps(kind: type[HostSteps], monkeypatch: pytest.MonkeyPatch) -> None:
    # What the host does depends on how long ago a frame has moved: no busy computer shall decide that.
    monkeypatch.setattr(time, "monotonic_ns", count(1 << 40, 1000).__next__)
    first = counts(kind)
    assert first == counts(kind)
    assert 0 < first[0] < first[1] < first[2]
    assert 0 < first[3] < first[4] < first[5]
