"""`ndisemu ctl` against `ndisemu run`, as people use them: two programs and a socket."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from emulator.rules.errors import EXIT_STOP, EXIT_USAGE
from tests.cli.command import Ended, complaint, ndisemu, running

if TYPE_CHECKING:
    from pathlib import Path

RUN = ("run", "--miniport", "netvmini", "--protocol", "hello", "--json", "--interval", "30")


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "ndisemu"


def ctl(*words: str) -> dict[str, Any]:
    ended = ndisemu("ctl", *words, "--json")
    assert not ended.err, ended.err
    found: dict[str, Any] = json.loads(ended.out)
    assert found["done"] == (ended.code == 0)
    return found


def test_a_machine_is_driven_from_another_terminal(runtime: Path) -> None:
    with running(*RUN, "--filter", "ndislwf") as run:
        assert json.loads(run.wait_for("started"))["control"] == "machine"
        first = ctl("pause", "--timeout", "20")
        assert (first["done"], first["machine"]["adapters"][0]["state"]) == (True, "paused")
        told = ndisemu("ctl", "status").out
        assert "adapter0 (netvmini): paused" in told
        assert "  filter ndislwf: paused" in told
        wrong = complaint(ndisemu("ctl", "pause"), EXIT_STOP)
        assert wrong == "pause of adapter0 failed with NDIS_STATUS_INVALID_STATE: adapter0 is paused already"
        assert ctl("restart")["machine"]["adapters"][0]["state"] == "running"
        assert ctl("oid", "query", "OID_GEN_MAXIMUM_FRAME_SIZE")["data"] == "dc050000"
        assert ctl("surprise-remove")["machine"]["adapters"][0]["state"] == "removed"
        assert ctl("shutdown")["done"]
        ended = run.end()
        assert (ended.code, ended.event("ended")["why"]) == (0, "switched off")
    assert list(runtime.iterdir()) == []


def test_mistakes_are_one_line(runtime: Path) -> None:
    for words, told in (
        (("pause",), f"no machine runs here (in {runtime}): start one with ndisemu run"),
        (("pause", "lab"), "no machine lab runs here"),
        ((), "a command is missing: status, pause"),
        (("link", "sideways"), "invalid choice: 'sideways'"),
        (("oid", "query", "OID_GEN_STATISTIC"), "did you mean OID_GEN_STATISTICS"),
        (("pause", "--timeout", "soon"), "soon: 0 to 86400 seconds"),
    ):
        assert told in complaint(ndisemu("ctl", *words), EXIT_USAGE)


def test_a_run_that_cannot_listen_runs_all_the_same(runtime: Path) -> None:
    runtime.write_text("a file where the directory should be")
    ended: Ended = ndisemu(*RUN, "--duration", "0", "-q")
    assert ended.code == 0
    assert ended.err.startswith("without `ndisemu ctl`: ")
    assert "somebody listens" not in ended.err
    assert os.path.isfile(runtime)
    assert "to mend it" in complaint(ndisemu(*RUN, "--control", f"{runtime}/x", "--duration", "0"), 3)
