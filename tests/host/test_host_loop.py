"""How long the host stays awake after a frame: by a clock of the test's own, without a machine."""

from __future__ import annotations

import select
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from emulator.host import host as module
from emulator.host.host import LONGEST_LOOK_NS, Host
from emulator.kernel.platform import LONGEST_PATIENCE_NS, PATIENCE_NS

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
        self.settled = 0
        port: Any = SimpleNamespace(settle=self.settle, waits=lambda: False, service=lambda: False)
        self.port = port
        self.host.add_port(port)

    def settle(self) -> None:
        self.settled += 1

    def sleep(self, nanoseconds: int) -> None:
        assert self.host.doze() > 0
        self.now += nanoseconds
        self.host._learn(self.now - self.host._slept_from)

    def patience(self) -> int:
        """For how long it stays awake after a frame, to a microsecond."""
        self.host._looked, begun = self.now, self.now
        assert self.lingers(moved=True)
        while self.lingers(1000):
            self.host._looked = self.now
        return self.now - begun

    def step_aside(self) -> None:
        self.yields += 1

    def lingers(self, after: int = 0, moved: bool = False) -> bool:
        self.now += after
        self.host.activity.moved |= moved
        return self.host.lingers()


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
    assert awake.host._moved_at, "it polls without sleeping"
    awake.host._looked = awake.now
    assert awake.lingers(1)


def test_who_would_have_slept_for_a_moment_looks_for_longer(awake: Awake) -> None:
    assert awake.patience() == PATIENCE_NS
    found = []
    for _ in range(4):
        awake.sleep(LONGEST_PATIENCE_NS - 1)
        found.append(awake.patience())
    assert found == [2 * PATIENCE_NS, 4 * PATIENCE_NS, LONGEST_PATIENCE_NS, LONGEST_PATIENCE_NS]
    for _ in range(4):
        awake.sleep(LONGEST_PATIENCE_NS)
        found.append(awake.patience())
    assert found[4:] == [LONGEST_PATIENCE_NS // 2, LONGEST_PATIENCE_NS // 4, PATIENCE_NS, PATIENCE_NS]


def test_the_driver_hears_of_sent_frames_after_the_same_time_however_long_the_host_looks(awake: Awake) -> None:
    awake.sleep(1)
    assert awake.lingers(moved=True)
    assert awake.lingers(PATIENCE_NS - 1)
    assert awake.settled == 0
    assert awake.lingers(1)
    assert awake.lingers(PATIENCE_NS - 1)
    assert awake.settled == 1
    assert not awake.lingers(1)


def test_a_wire_wakes_the_host_until_it_is_unwatched(awake: Awake) -> None:
    host = awake.host
    near, far = socket.socketpair()
    heard: list[int] = []
    with near, far:
        host.watch_wire(near.fileno(), heard.append, select.POLLOUT)
        host.wait(60)
        host.watch_wire(near.fileno(), heard.append, select.POLLIN)
        far.send(b"frame")
        host.wait(60)
        host.wait(0)
        assert heard == [select.POLLOUT, select.POLLIN, select.POLLIN]
        host.unwatch_wire(near.fileno())
        host.unwatch_wire(near.fileno())
        host.wait(0)
    assert len(heard) == 3


def test_a_descriptor_wakes_the_host_beside_its_wires(awake: Awake) -> None:
    host = awake.host
    near, far = socket.socketpair()
    wire, behind = socket.socketpair()
    heard: list[int] = []
    with near, far, wire, behind:
        host.watch_wire(wire.fileno(), heard.append, select.POLLIN)
        host.watch(near.fileno(), heard.append, select.EPOLLIN | select.EPOLLET)
        far.send(b"a bell")
        host.wait(60)
        host.wait(0)
        assert heard == [select.EPOLLIN], "an edge is told once"
        far.close()
        host.wait(60)
        assert heard[1] & select.EPOLLHUP
        host.unwatch(near.fileno())
        host.unwatch_wire(wire.fileno())


def test_a_wire_that_is_gone_is_found_while_others_keep_the_host_awake(awake: Awake) -> None:
    """Its own adapter may have no buffers, and not try to read it."""
    host = awake.host
    near, far = socket.socketpair()
    rounds: list[None] = []
    found: list[int] = []

    def serve() -> bool:
        rounds.append(None)
        host._ending = len(rounds) == 100
        return True

    def on_wire(events: int) -> None:
        found.append(events)
        host.unwatch_wire(near.fileno())

    awake.port.service = serve
    with near:
        host.watch_wire(near.fileno(), on_wire, 0)
        far.close()
        host.run()
        assert found == [select.POLLHUP]


def test_nobody_is_at_a_wire_while_the_host_is_awake(awake: Awake) -> None:
    """Whoever sends would wake them with every frame, and that costs."""
    near, far = socket.socketpair()
    with near, far:
        awake.host.watch_wire(near.fileno(), lambda events: None, select.POLLIN)
        waits = Path(f"/proc/self/fdinfo/{awake.host._poll.fileno()}").read_text()
        awake.host.unwatch_wire(near.fileno())
    waited_at = {int(line.split()[1]) for line in waits.splitlines() if line.startswith("tfd:")}
    assert waited_at == {end.fileno() for end in awake.ends}
