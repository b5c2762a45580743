"""Runs the real program in a process of its own, with a deadline, and looks for whatever it left behind."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.patience import within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vnic.wires.network import Namespace

ROOT = Path(__file__).resolve().parent.parent.parent
REAL = ("-m", "emulator.cli")
TOY = (str(Path(__file__).with_name("toy_command.py")),)
"""The command over the toy floor, whose drivers do what they are told."""
TOY_DRIVER = str(ROOT / "tests/host/toy_driver.py")
MARK = "NDISEMU_TEST_MARK"
DEADLINE = 40.0
_INSIDE = str(Path(__file__).with_name("inside.py"))
UNPRIVILEGED = (_INSIDE, "unprivileged")
"""Put before a program: it runs without what a TAP and a namespace need."""
_PROBE = """
from emulator.host import own_namespace
refusal = own_namespace.refusal()
raise SystemExit(str(refusal) if refusal else 0)
"""


class Ended(NamedTuple):
    """How a run ended."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The objects of a run with --json."""
        return [json.loads(line) for line in self.out.splitlines()]

    def event(self, kind: str) -> dict[str, Any]:
        """The only object of a kind."""
        (found,) = [event for event in self.events if event["event"] == kind]
        return found


class Running:
    """A run that goes on."""

    def __init__(self, program: tuple[str, ...], arguments: tuple[str, ...], **streams: Any) -> None:
        self.mark = uuid.uuid4().hex
        environment = {**os.environ, "PYTHONPATH": str(ROOT), MARK: self.mark}
        environment.pop("PYTHONUNBUFFERED", None)  # as people run it
        self.process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=ROOT,
            env=environment,
            text=True,
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
        )

    def wait_for(self, words: str) -> str:
        """Read standard output up to a line that holds these words."""
        assert self.process.stdout is not None
        seen = ""
        line: str
        for line in self.process.stdout:
            seen += line
            if words in line:
                return line
        raise AssertionError(f"ended without saying {words!r}: {seen}{self.end().err}")

    def end(self) -> Ended:
        """Wait for the end; the rest of what it says."""
        try:
            out, err = self.process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            raise AssertionError(f"did not end: {out}{err}") from None
        return Ended(self.process.returncode, out or "", err or "")

    def left(self) -> list[int]:
        """Processes of this run that are still there."""
        wanted = f"{MARK}={self.mark}".encode()
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    if wanted in Path(f"/proc/{entry}/environ").read_bytes():
                        found.append(int(entry))
        return found


@contextlib.contextmanager
def running(*arguments: str, program: tuple[str, ...] = REAL, **streams: Any) -> Iterator[Running]:
    """A run; when the block is over nothing of it is left."""
    run = Running(program, arguments, **streams)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.process.kill()
        run.process.wait()
        for stream in (run.process.stdout, run.process.stderr):
            if stream is not None:
                stream.close()
    assert within(1.0, lambda: not run.left()), run.left()


def ndisemu(*arguments: str, program: tuple[str, ...] = REAL, **streams: Any) -> Ended:
    """Run to the end."""
    with running(*arguments, program=program, **streams) as run:
        return run.end()


def in_namespace(namespace: Namespace, program: tuple[str, ...] = REAL) -> dict[str, Any]:
    """What to give to `ndisemu` or `running` so that the program runs in a network namespace."""
    descriptor = namespace.fileno()
    return {"program": (_INSIDE, "namespace", str(descriptor), *program), "pass_fds": (descriptor,)}


def ordinary(mode: str = "666") -> tuple[str, ...]:
    """Put before a program: another user runs it, where /dev/net/tun has this mode.  Skips where nobody can."""
    missing = "another mode of /dev/net/tun needs root" if os.geteuid() and mode != "666" else _missing_for_a_user()
    if missing:
        pytest.skip(missing)
    return (_INSIDE, "ordinary", mode)


@functools.cache
def _missing_for_a_user() -> str:
    """Why this run cannot play an ordinary user who may make user namespaces; empty where it can."""
    with running("-c", _PROBE, program=(_INSIDE, "ordinary", "666")) as run:
        ended = run.end()
    return f"playing an ordinary user: {ended.err.strip().splitlines()[-1]}" if ended.code else ""


def complaint(ended: Ended, code: int) -> str:
    """The one line that a failed run says on standard error."""
    assert ended.code == code, ended
    assert ended.err.count("\n") == 1, ended.err
    assert ended.err.startswith("ndisemu: ")
    return ended.err.removeprefix("ndisemu: ").strip()
