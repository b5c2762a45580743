"""The count of a frame's steps: the same on every machine that begins anew, and more for more frames."""

from __future__ import annotations

import pytest

from tools.bench.steps import Steps


def counts(*, checked: bool) -> list[int]:
    steps = Steps(checked=checked)
    return [steps.counted(frames, look) for look in ("codes", "calls") for frames in (1, 8, 64)]


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "free"])
def test_the_same_frames_take_the_same_steps(checked: bool) -> None:
    first = counts(checked=checked)
    assert first == counts(checked=checked)
    assert 0 < first[0] < first[1] < first[2]
    assert first[3] > 0
