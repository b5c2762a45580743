"""The benchmark's confined process and its helpers: bounded, reported, and gone."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import msgspec
import pytest

from emulator.rules.errors import EmulatorError, HostError
from tests.patience import DEADLINE, eventually
from tools.bench import compiler
from tools.bench.confinement import run_confined
from tools.bench.processes import Forked, cpu_ns


class Answer(msgspec.Struct):
    """What the confined functions of these tests return."""

    value: int
    names: list[str] = []


def test_a_result_comes_back() -> None:
    assert run_confined(lambda: Answer(os.getpid()), Answer, DEADLINE, network=False).value not in (0, os.getpid())


@pytest.mark.tap
def test_it_has_a_network_of_its_own() -> None:
    seen = run_confined(lambda: Answer(1, [name for _, name in socket.if_nameindex()]), Answer, 5.0)
    assert seen.names == ["lo"]


def test_what_is_missing_comes_back_as_what_is_missing() -> None:
    def lacking() -> Answer:
        raise HostError("opening it", "buy one", "none here")

    with pytest.raises(HostError, match="opening it failed") as caught:
        run_confined(lacking, Answer, DEADLINE, network=False)
    assert caught.value.mend == "buy one"


def test_what_breaks_comes_back_with_its_traceback() -> None:
    def broken() -> Answer:
        raise ZeroDivisionError("at home")

    with pytest.raises(EmulatorError, match="ZeroDivisionError: at home"):
        run_confined(broken, Answer, DEADLINE, network=False)


def test_a_run_that_does_not_end_is_killed_with_everything_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pid"

    def endless() -> Answer:
        forked = Forked(lambda ready: signal.pause())
        note.write_text(str(forked.pid))
        signal.pause()
        return Answer(0)

    began = time.monotonic()
    with pytest.raises(EmulatorError, match="did not end within"):
        run_confined(endless, Answer, 0.4, network=False)
    assert time.monotonic() - began < DEADLINE
    # The orphan may stay a zombie until this computer's first process reaps it: what counts is that it runs no more.
    state = Path(f"/proc/{note.read_text()}/stat")
    over = lambda: not state.exists() or state.read_text().rpartition(")")[2].split()[0] in "ZX"  # noqa: E731
    assert eventually(over), "a forked helper outlived its run"


def test_a_helper_that_ends_before_it_is_ready_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    def fails(ready: object) -> None:
        raise ValueError("planted")

    forked = Forked(fails)
    with pytest.raises(EmulatorError, match="before it was ready"):
        forked.wait_ready()
    assert "ValueError: planted" in capfd.readouterr().err


def test_processor_time_is_the_other_process_s_own() -> None:
    def burn(ready: object) -> None:
        until = time.process_time_ns() + 60_000_000
        while time.process_time_ns() < until:
            pass
        ready()  # type: ignore[operator]
        signal.pause()

    forked = Forked(burn)
    try:
        forked.wait_ready()
        assert 60_000_000 <= cpu_ns([forked.pid]) < 2_000_000_000
    finally:
        forked.end()
    with pytest.raises(OSError, match=r"Invalid argument|No such process"):
        cpu_ns([forked.pid])


def test_no_compiler_is_a_value_and_not_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with compiler.compiled("gen") as programs:
        assert (programs.why_not, programs.path("gen")) == ("no compiler", None)


def test_a_compiler_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bad = tmp_path / "cc"
    bad.write_text("#!/bin/sh\necho 'no headers here' >&2\nexit 1\n")
    bad.chmod(0o755)
    monkeypatch.setenv("CC", str(bad))
    with compiler.compiled("gen") as programs:
        assert programs.path("gen") is None
        assert "no headers here" in programs.why_not
