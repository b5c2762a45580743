"""How long the host stays awake after a frame: by a clock of the test's own, without a machine."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from emulator.host import host as module
from emulator.host.host import LONGEST_LOOK_NS, Host
from emulator.kernel.platform import PATIENCE_NS

if TYPE_CHECKING:
    from collections.abc import Iterator

START = 1_000_000_000


class Awake:
    """A host, its clock, and how often it let others run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ends = socket.socketpair()
        self.now, self.yields = START, 0
        channels: list[Any] = list(self.ends)
        self.host = Host(channels[0], channels[1])
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic_ns=lambda: self.now))
        monkeypatch.setattr(module, "os", SimpleNamespace(sched_yield=self.step_aside))
        self.host._looked = START

    def step_aside(self) -> None:
        self.yields += 1

    def lingers(self, after: int = 0, moved: bool = False) -> bool:
        self.now += after
        self.host.moved = self.host.moved or moved
        return self.host._lingers()


@pytest.fixture
def awake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Awake]:
    made = Awake(monkeypatch)
    yield made
    for end in made.ends:
        end.close()


def test_without_traffic_the_host_does_not_look_again(awake: Awake) -> None:
    assert not any(awake.lingers(1000) for _ in range(10))
    assert awake.yields == 0


def test_it_stays_awake_for_a_moment_after_a_frame_and_others_run(awake: Awake) -> None:
    assert awake.lingers(moved=True)
    assert awake.lingers(PATIENCE_NS - 1)
    assert awake.yields == 2
    assert not awake.lingers(1)
    assert not awake.lingers(1)
    assert awake.yields == 2


def test_each_frame_begins_the_moment_anew(awake: Awake) -> None:
    assert awake.lingers(moved=True)
    assert awake.lingers(PATIENCE_NS - 1, moved=True)
    assert awake.lingers(PATIENCE_NS - 1)
    assert not awake.lingers(1)


def test_however_many_frames_come_the_descriptors_are_looked_at(awake: Awake) -> None:
    assert awake.lingers(LONGEST_LOOK_NS - 1, moved=True)
    assert not awake.lingers(1, moved=True)
    assert awake.host._awake_until, "it polls without sleeping"
    awake.host._looked = awake.now
    assert awake.lingers(1)
