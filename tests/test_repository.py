"""The repository stays what its readers were promised: small files, a known top level, words where they belong.

Only files that belong to the repository are looked at: what git tracks or would track, never what a tool left there.
"""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOP_LEVEL = {
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "docs",
    "emulator",
    "pyproject.toml",
    "sample_drivers",
    "tests",
    "tools",
    "vnic",
}
FLOORS = {"cli", "host", "kernel", "layout", "ndis", "rules", "simulated", "sync", "testing", "trace"}
LONGEST = 600
# Each pattern is written so that it does not match itself.
FORBIDDEN = {
    "a mark of unfinished work": r"\b(?:T[O]DO|F[I]XME|X[X]X|H[A]CK)\b",
    "a path of one computer": r"(?<![\w.])/(?:[w]ork|[r]oot|[h]ome/\w+)/",
    "a registry's host": r"\b[p]ypi\.org|[p]ythonhosted\.org",
    "a merge left half done": r"(?m)^(?:<{7}|>{7}) ",
}


def repository_files() -> list[Path]:
    """What git tracks or would track; without git, everything but dot names and caches."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode == 0:
        found = [ROOT / name for name in listing.stdout.split("\0") if name]
    else:
        found = [path for path in ROOT.rglob("*") if not re.search(r"/(\.|__pycache__)", str(path)[len(str(ROOT)) :])]
    return sorted(path for path in found if path.is_file())


FILES = repository_files()
SOURCES = [path for path in FILES if path.suffix == ".py"]


def name(path: Path) -> str:
    """The path as a person would write it."""
    return path.relative_to(ROOT).as_posix()


def forbidden_marks(text: str) -> list[str]:
    """What ``text`` holds that no file of the repository may hold."""
    return [f"{what}: {found.group()}" for what, mark in FORBIDDEN.items() if (found := re.search(mark, text))]


def test_the_top_level_is_exactly_what_was_agreed() -> None:
    entries = {path.relative_to(ROOT).parts[0] for path in FILES}
    assert {entry for entry in entries if not entry.startswith(".")} == TOP_LEVEL


def test_the_emulator_has_its_floors_and_nothing_beside_them() -> None:
    inside = {path.relative_to(ROOT / "emulator").parts[0] for path in FILES if path.is_relative_to(ROOT / "emulator")}
    assert inside - {"__init__.py", "__main__.py", "py.typed"} == FLOORS


@pytest.mark.parametrize("package", ["emulator", "vnic", "sample_drivers"])
def test_an_installed_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed") in FILES


def test_no_file_is_too_long_to_read() -> None:
    lengths = {
        name(path): len(path.read_text().splitlines()) for path in FILES if path.suffix in {".py", ".toml", ".sh"}
    }
    assert {path: length for path, length in lengths.items() if length > LONGEST} == {}


def test_every_module_begins_with_what_it_is_for() -> None:
    silent = [name(path) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_every_package_folder_is_a_package() -> None:
    folders = {path.parent for path in SOURCES if path.relative_to(ROOT).parts[0] not in {"tests", "docs"}}
    assert [name(folder) for folder in sorted(folders) if folder / "__init__.py" not in SOURCES] == []


def test_the_tests_are_no_package() -> None:
    assert [name(path) for path in SOURCES if path.name == "__init__.py" and path.is_relative_to(ROOT / "tests")] == []


def test_no_file_holds_what_no_file_may_hold() -> None:
    found = {}
    for path in FILES:
        try:
            marks = forbidden_marks(path.read_text())
        except UnicodeDecodeError:
            continue  # a capture or a picture holds no words
        if marks:
            found[name(path)] = marks
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "# T" + "ODO: later",
        "x = 1  # F" + "IXME",
        "/wo" + "rk/main/emulator",
        "see /ho" + "me/somebody/",
        "<" * 7 + " HEAD",
    ],
)
def test_a_planted_mark_is_found(text: str) -> None:
    assert forbidden_marks(text) != []


@pytest.mark.parametrize("text", ["NDIS_STATUS_XXX_EVENT", "emulator/host/work/queue", "a/home/b"])
def test_an_innocent_word_is_not_taken_for_a_mark(text: str) -> None:
    assert forbidden_marks(text) == []


def test_the_wheel_holds_what_is_installed_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["emulator", "vnic", "sample_drivers"]
    assert project["project"]["scripts"] == {"ndisemu": "emulator.cli.main:main"}


def test_tests_that_start_machines_run_apart_from_those_that_compute() -> None:
    listed = re.search(r"^LIVE := \$\(addprefix tests/,((?:[^)]|\n)*)\)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert listed is not None
    live = [ROOT / "tests" / place for place in listed[1].replace("\\", " ").split()]
    assert [place for place in live if not place.exists()] == []
    starts = re.compile(r"\blab: Lab\b|\bConsole\(")
    found = [path for path in SOURCES if path.is_relative_to(ROOT / "tests") and starts.search(path.read_text())]
    assert found
    assert [name(path) for path in found if not any(path.is_relative_to(place) for place in live)] == []


def test_the_contracts_of_the_floors_are_explained() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    page = (ROOT / "docs" / "contributing.md").read_text()
    assert [contract["id"] for contract in contracts if f"`{contract['id']}`" not in page] == []
