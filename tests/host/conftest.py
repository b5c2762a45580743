"""Consoles for the tests of the live platform; each test's leaves nothing behind, or the test fails."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from emulator.host.console import Console
from emulator.sync.processes import descriptors
from tests.host.machines import alive, children

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def console() -> Iterator[Console]:
    """A console; when the test is over no process, thread, descriptor or /dev/shm entry of it is left."""
    before = set(children(os.getpid()))
    held = descriptors(os.getpid())
    threads = {thread.ident for thread in threading.enumerate()}
    shared = set(os.listdir("/dev/shm"))
    made = Console()
    try:
        yield made
        pids = [pid for machine in made.machines.values() for pid in machine.pids().values()]
    finally:
        made.close()
    assert [pid for pid in pids if alive(pid)] == []
    assert set(children(os.getpid())) - before == set()
    assert {thread.ident for thread in threading.enumerate()} - threads == set()
    left = descriptors(os.getpid())
    assert {fd: what for fd, what in left.items() if fd not in held} == {}
    assert set(os.listdir("/dev/shm")) - shared == set()
