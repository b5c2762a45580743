"""The environment's maker is quick when nothing changed, and says in one line what it lacks.

No test here installs anything: pip is replaced, or refused before it is reached.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import install

INSTALLER = Path(install.__file__)
PROJECT = {
    "project": {"dependencies": ["msgspec>=0.19", "python-pytun>=2.4.1"]},
    "dependency-groups": {"dev": ["pytest>=9"], "bench": ["faster-fifo>=1.5"]},
}
# What Debian's Python is without python3-venv.
HIDE_ENSUREPIP = """
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "ensurepip" else find_spec(name, *rest)
"""


class FakePip(install.Environment):
    """An environment whose pip cannot find some distributions."""

    def __init__(self, folder: Path, absent: set[str]) -> None:
        super().__init__(folder)
        self.absent = absent
        self.calls: list[tuple[str, ...]] = []

    def pip(self, *arguments: str) -> bool:
        self.calls.append(arguments)
        with self.log.open("a") as log:
            missing = [argument for argument in arguments if install.name_of(argument) in self.absent]
            log.writelines(f"ERROR: No matching distribution found for {argument}\n" for argument in missing)
        return not missing


def stamped(folder: Path, *notes: str) -> install.Environment:
    """An environment that says it was made with the group dev."""
    environment = install.Environment(folder)
    environment.python.parent.mkdir(parents=True)
    environment.python.touch()
    environment.stamp.write_text("\n".join([environment.fingerprint, "dev", *notes]) + "\n")
    return environment


@pytest.mark.parametrize(
    ("requirement", "name"),
    [("python-pytun>=2.4.1", "python-pytun"), ("ruff>=0.17.5,<0.18", "ruff"), ("Rich", "rich"), ("x[y]==1", "x")],
)
def test_a_requirement_has_a_name(requirement: str, name: str) -> None:
    assert install.name_of(requirement) == name


def test_the_groups_add_to_what_the_project_needs() -> None:
    assert install.requirements(PROJECT, set()) == ["msgspec>=0.19", "python-pytun>=2.4.1"]
    assert install.requirements(PROJECT, {"dev", "bench"})[2:] == ["faster-fifo>=1.5", "pytest>=9"]


def test_an_environment_that_was_made_is_recognised(tmp_path: Path) -> None:
    assert install.Environment(tmp_path / "venv").installed() is None
    stamped(tmp_path / "venv", "not used: a thing")
    assert install.Environment(tmp_path / "venv").installed() == ({"dev"}, ["not used: a thing"])


def test_a_moved_environment_is_made_again(tmp_path: Path) -> None:
    stamped(tmp_path / "venv")
    (tmp_path / "venv").rename(tmp_path / "moved")
    assert install.Environment(tmp_path / "moved").installed() is None


def test_an_environment_without_its_interpreter_is_made_again(tmp_path: Path) -> None:
    stamped(tmp_path / "venv").python.unlink()
    assert install.Environment(tmp_path / "venv").installed() is None


def test_everything_is_installed_in_one_go_where_it_can_be_had(tmp_path: Path) -> None:
    environment = FakePip(tmp_path, absent=set())
    assert environment.fill(install.requirements(PROJECT, {"dev"})) == []
    assert environment.calls == [("--editable", ".", "msgspec>=0.19", "python-pytun>=2.4.1", "pytest>=9")]


def test_a_dispensable_distribution_is_done_without_and_named(tmp_path: Path) -> None:
    environment = FakePip(tmp_path, absent={"python-pytun"})
    (note,) = environment.fill(install.requirements(PROJECT, {"bench"}))
    assert note.startswith("not used: python-pytun could not be installed")
    assert "mend: apt-get install" in note
    assert ("--no-deps", "--editable", ".") in environment.calls
    assert ("faster-fifo>=1.5",) in environment.calls


def test_an_indispensable_distribution_ends_it_in_one_line(tmp_path: Path) -> None:
    environment = FakePip(tmp_path, absent={"msgspec"})
    with pytest.raises(SystemExit, match=r"^install: No matching distribution found for msgspec") as ended:
        environment.fill(install.requirements(PROJECT, set()))
    assert "\n" not in str(ended.value)


def test_an_index_out_of_reach_is_said_as_such(tmp_path: Path) -> None:
    environment = install.Environment(tmp_path)
    environment.log.write_text("WARNING: Retrying after NewConnectionError\nERROR: No matching distribution for x\n")
    assert "connect to the network" in environment.blame()


@pytest.mark.parametrize(("free", "words"), [(0, "the disk is full; mend: make room"), (1 << 40, "Error: no pip")])
def test_an_environment_that_cannot_be_made_says_whether_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, words: str
) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "Traceback\nError: no pip\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1 << 40, 0, free))
    with pytest.raises(SystemExit, match=f"^install: cannot make {tmp_path}/venv: {words}"):
        install.Environment(tmp_path / "venv").create()


def test_a_python_without_ensurepip_is_told_what_mends_it(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDE_ENSUREPIP)
    run = subprocess.run(
        [sys.executable, INSTALLER, "--venv", tmp_path / "venv"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr == ("install: this Python cannot make virtual environments; mend: apt-get install python3-venv\n")
    assert not (tmp_path / "venv").exists()
