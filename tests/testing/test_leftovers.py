"""One of each kind of leftover is planted in a user's test, and the test fails and names it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from emulator.testing import leftovers
from tests.patience import DEADLINE
from vnic.wires.network import Namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Run = "Callable[..., tuple[Any, str]]"


@pytest.fixture(autouse=True)
def _impatient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is planted stays, so there is nothing to wait for; where nothing is, nothing must be found."""
    if "clean" not in request.node.name:
        monkeypatch.setattr(leftovers.left_since, "__defaults__", (0.05,))


def test_a_clean_test_passes(outcome: Callable[..., tuple[Any, str]]) -> None:
    counts, _ = outcome("assert toy(lab).control(400, 7) == 400")
    assert counts == {"passed": 1}


def test_a_laboratory_without_a_machine_is_clean(outcome: Callable[..., tuple[Any, str]]) -> None:
    counts, _ = outcome("assert lab.machines == []")
    assert counts == {"passed": 1}


def test_a_process(outcome: Callable[..., tuple[Any, str]]) -> None:
    counts, text = outcome("toy(lab); subprocess.Popen(['sleep', '86'], close_fds=True)")
    left = re.search(r"process left: (\d+) \(sleep 86\)", text)
    assert left, text
    os.kill(int(left[1]), signal.SIGKILL)
    os.waitpid(int(left[1]), 0)
    assert counts == {"failed": 1}


def test_a_process_of_the_machine_itself(outcome: Callable[..., tuple[Any, str]]) -> None:
    counts, text = outcome(
        """
        import emulator.testing.lab

        def test_it(lab, monkeypatch):
            nic = toy(lab)
            slot, pid = max(nic.machine.proxy.pids().items())
            monkeypatch.setattr("emulator.testing.leftovers.alive", lambda asked: asked == pid)
        """
    )
    assert counts == {"failed": 1}
    assert re.search(r"process left: \d+ of toy_driver", text), text


def test_a_file_descriptor(outcome: Callable[..., tuple[Any, str]]) -> None:
    counts, text = outcome("toy(lab); os.dup(os.open('/etc/hostname', os.O_RDONLY))")
    # pytest's summary repeats them where it is not cut short.
    left = set(re.findall(r"file descriptor left: (\d+) \(/etc/hostname\)", text))
    assert len(left) == 2, text
    for fd in left:
        os.close(int(fd))
    assert counts == {"failed": 1}


def test_an_entry_of_shared_memory(outcome: Callable[..., tuple[Any, str]]) -> None:
    name = f"/dev/shm/planted-{os.getpid()}"
    try:
        counts, text = outcome(f"toy(lab); open({name!r}, 'w').close()")
    finally:
        os.unlink(name)
    assert counts == {"failed": 1}
    assert f"entry of /dev/shm left: {name}" in text


def test_a_thread(outcome: Callable[..., tuple[Any, str]]) -> None:
    before = set(threading.enumerate())
    counts, text = outcome(
        "toy(lab); end = threading.Event();"
        "thread = threading.Thread(target=end.wait, name='forgotten', daemon=True); thread.end = end; thread.start()"
    )
    for thread in set(threading.enumerate()) - before:
        thread.end.set()  # type: ignore[attr-defined]
        thread.join()
    assert counts == {"failed": 1}
    assert "thread left: forgotten" in text


@pytest.fixture
def elsewhere() -> Iterator[Namespace]:
    """A network namespace in which this process is meanwhile, so that the computer's own stays as it is."""
    with Namespace.create() as namespace, namespace.entered():
        yield namespace


@pytest.mark.tap
def test_a_network_interface(elsewhere: Namespace, outcome: Callable[..., tuple[Any, str]]) -> None:
    kept: list[Any] = []
    leftovers.planted = kept  # type: ignore[attr-defined]
    try:
        counts, text = outcome(
            """
            from emulator.testing import leftovers
            from vnic.wires.tap import Tap

            def test_it(lab):
                toy(lab)
                leftovers.planted.append(Tap.open("forgotten0"))
            """
        )
    finally:
        for tap in kept:
            tap.close()
        del leftovers.planted  # type: ignore[attr-defined]
    assert counts == {"failed": 1}
    assert "network interface left: forgotten0" in text
    assert "/dev/net/tun" in text  # its descriptor, too


def test_a_named_namespace(
    outcome: Callable[..., tuple[Any, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "NAMED_NAMESPACES", tmp_path)
    counts, text = outcome(f"toy(lab); open('{tmp_path}/forgotten', 'w').close()")
    assert counts == {"failed": 1}
    assert f"network namespace left: {tmp_path}/forgotten" in text


def test_what_is_only_on_its_way_out_is_waited_for() -> None:
    before = leftovers.Snapshot.take()
    end = threading.Event()
    thread = threading.Thread(target=lambda: end.wait(0.05))
    thread.start()
    assert leftovers.left_since(before, DEADLINE) == []
    thread.join()


def test_what_was_there_before_is_not_a_leftover() -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(open("/etc/hostname", "rb"))
        assert leftovers.left_since(leftovers.Snapshot.take(), DEADLINE) == []
