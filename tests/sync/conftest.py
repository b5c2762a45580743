"""What the tests of this floor share: children that cannot outlive their test, and waiting on a state with a deadline.

Blocking acquires, forks that need a single thread and everything that changes a whole process are done in such a child,
because pytest's own process has a second thread and must be able to time a test out.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import pytest

from emulator.sync import memory, processes
from tests.patience import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

DEADLINE_NS = 20_000_000_000


class Fork(Protocol):
    def __call__(self, main: Callable[[], int], *, keep: Collection[int] = ()) -> processes.ForkedChild: ...


class Until(Protocol):
    def __call__(self, condition: Callable[[], object]) -> None: ...


class Isolated(Protocol):
    def __call__(self, body: Callable[[], object], *, keep: Collection[int] = ()) -> None: ...


@pytest.fixture
def fork() -> Iterator[Fork]:
    """Fork children that are killed and reaped with the test; what they raise is on the captured standard error."""
    children: list[processes.ForkedChild] = []

    def start(main: Callable[[], int], *, keep: Collection[int] = ()) -> processes.ForkedChild:
        child = processes.fork_child(main, keep={*keep, 2}, name="test child")
        children.append(child)
        return child

    yield start
    for child in children:
        if processes.kill(child.pidfd):
            processes.reap(child.pid)
        os.close(child.pidfd)


@pytest.fixture
def isolated(fork: Fork) -> Isolated:
    """Run a body in a process of its own, which may change whatever a process has, and see it end well."""

    def run(body: Callable[[], object], *, keep: Collection[int] = ()) -> None:
        def main() -> int:
            body()
            return 0

        child = fork(main, keep=keep)
        assert processes.wait_exit(child.pidfd, DEADLINE_NS)
        assert processes.reap(child.pid).description == "exit code 0"

    return run


@pytest.fixture
def until() -> Until:
    """Wait until a condition holds; fail at the deadline."""

    def wait(condition: Callable[[], object]) -> None:
        assert eventually(condition), "the condition never held"

    return wait


@pytest.fixture
def shared() -> Iterator[memory.Mapping]:
    """A page of memory shared with every child."""
    descriptor = memory.create("test", 4096)
    mapping = memory.map(descriptor)
    os.close(descriptor)
    yield mapping
    mapping.close()
