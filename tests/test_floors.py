"""The floors hold, and the linter that says so can fail.

Each contract of pyproject.toml has at least one violation here, planted in a copy of the tree: that contract must
break, and the report must name the planted module.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("emulator", "vnic", "sample_drivers")
CONTRACTS = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}


class Violation(NamedTuple):
    """One line that must not be written, and who forbids it."""

    contract: str
    module: str
    line: str


VIOLATIONS = [
    Violation("floors", "emulator/kernel/planted.py", "import emulator.ndis"),
    Violation("floors", "emulator/ndis/planted.py", "import emulator.host"),
    Violation("floors", "emulator/host/planted.py", "import emulator.simulated"),
    Violation("floors", "emulator/cli/planted.py", "import emulator.testing"),
    Violation("floors", "emulator/rules/planted.py", "import emulator.kernel"),
    Violation("floors", "vnic/device/planted.py", "import emulator.layout"),
    Violation("errors", "emulator/rules/errors.py", "import vnic.device"),
    Violation("trace-and-layout", "emulator/trace/planted.py", "import emulator.layout"),
    Violation("trace-and-layout", "emulator/layout/planted.py", "import emulator.trace"),
    Violation("sync", "emulator/cli/planted.py", "import emulator.sync"),
    Violation("sync", "emulator/kernel/planted.py", "import emulator.sync"),
    Violation("wires", "emulator/simulated/planted.py", "import vnic.wires"),
    Violation("headers", "emulator/ndis/headers/planted.py", "import emulator.ndis.services"),
    Violation("drivers", "sample_drivers/planted.py", "import emulator.kernel"),
    Violation("drivers", "sample_drivers/planted.py", "from emulator import rules"),
    Violation("below-drivers", "emulator/testing/planted.py", "import sample_drivers"),
    Violation("sans-io", "emulator/kernel/planted.py", "from time import monotonic"),
    Violation("sans-io", "emulator/rules/planted.py", "import os.path"),
    Violation("sans-io", "emulator/trace/planted.py", "import asyncio"),
    Violation("sans-io", "emulator/layout/planted.py", "import mmap"),
    Violation("sans-io", "emulator/ndis/planted.py", "def late() -> None:\n    import threading"),
    Violation("sans-io", "vnic/device/planted.py", "import socket"),
    Violation("sans-io", "sample_drivers/planted.py", "import random"),
    Violation("installed", "emulator/host/planted.py", "import tools.bench"),
    Violation("installed", "emulator/testing/planted.py", "import tests.conftest"),
]


def copy_tree(folder: Path) -> None:
    """Put what the linter reads into ``folder``."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)


def plant(folder: Path, module: str, line: str) -> None:
    """Add a line to a module of the copy, which is made if it is not there."""
    with (folder / module).open("a") as source:
        source.write(f"\n{line}\n")


def lint(folder: Path) -> tuple[int, str, set[str]]:
    """Run the linter in ``folder``: its exit code, its words on one line, the contracts that it found broken."""
    run = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "300", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    words = " ".join((run.stdout + run.stderr).split())
    return run.returncode, words, {key for key, name in CONTRACTS.items() if f"{name} BROKEN" in words}


def test_the_tree_keeps_its_floors(tmp_path: Path) -> None:
    copy_tree(tmp_path)
    code, words, broken = lint(tmp_path)
    assert (code, broken) == (0, set()), words
    assert f"{len(CONTRACTS)} kept" in words


@pytest.mark.parametrize(
    "violation",
    VIOLATIONS,
    ids=lambda violation: f"{violation.contract}-{violation.module.rsplit('/', 1)[0]}-{violation.line.split()[-1]}",
)
def test_a_planted_violation_breaks_its_contract(tmp_path: Path, violation: Violation) -> None:
    copy_tree(tmp_path)
    plant(tmp_path, violation.module, violation.line)
    code, words, broken = lint(tmp_path)
    assert code == 1, words
    assert violation.contract in broken, words
    culprit = violation.module.removesuffix(".py").replace("/", ".")
    assert culprit in words


def test_a_planted_cycle_is_found(tmp_path: Path) -> None:
    copy_tree(tmp_path)
    plant(tmp_path, "emulator/rules/planted.py", "import emulator.trace.planted")
    plant(tmp_path, "emulator/trace/planted.py", "import emulator.rules.planted")
    code, words, broken = lint(tmp_path)
    assert (code, broken) == (1, {"acyclic"}), words
    assert "No cycles are allowed in emulator" in words


def test_every_contract_has_a_planted_violation() -> None:
    assert {violation.contract for violation in VIOLATIONS} | {"acyclic"} == set(CONTRACTS)


@pytest.mark.parametrize("floor", ["emulator/sync", "emulator/layout", "vnic/wires", "vnic/device"])
def test_every_floor_may_raise_the_errors(tmp_path: Path, floor: str) -> None:
    copy_tree(tmp_path)
    plant(tmp_path, f"{floor}/planted.py", "from emulator.rules.errors import EmulatorError")
    code, words, _ = lint(tmp_path)
    assert code == 0, words
