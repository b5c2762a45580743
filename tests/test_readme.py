"""The README is true: what it quotes is the file's own text, what it shows runs, and what it points at is there."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from emulator.cli import ctl, explain, run
from emulator.cli.plan import plan_of
from emulator.host.stopscreen import MachineReport, render
from emulator.rules.errors import BugCheck
from tests.bad_drivers.computer import Computer
from tools import readme

ROOT = Path(__file__).resolve().parent.parent
TEXT = readme.README.read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)\s#]*)(?:#([^)\s]*))?\)")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language; of none, those of plain text."""
    found = re.findall(r"(?m)^```(\w*)\n(.*?)^```$", TEXT, re.DOTALL)
    return [text for kind, text in found if kind == language]


def test_the_driver_that_is_shown_is_the_file_s_own_text() -> None:
    source = readme.QUOTED.read_text(encoding="utf-8")
    assert readme.quoted(TEXT, source) == TEXT, f"README.md quotes an older hello.py; to mend it: {readme.MEND}"


@pytest.mark.parametrize("change", ["protocol driver of 1", "def HelloReceive(Other", "def HelloAnswer(Other"])
def test_an_old_quotation_is_noticed(change: str) -> None:
    source = readme.QUOTED.read_text(encoding="utf-8")
    true = readme.quoted(TEXT, source)
    planted = true.replace(change.removesuffix("1").removesuffix("Other"), change)
    assert planted != true
    assert readme.quoted(planted, source) == true


def test_a_readme_without_room_for_the_driver_is_told() -> None:
    with pytest.raises(ValueError, match=r"README.md has no place for hello.py"):
        readme.quoted("# ndis-emulator\n", readme.QUOTED.read_text(encoding="utf-8"))


def test_the_structures_can_be_declared_as_shown() -> None:
    (shown,) = (block for block in blocks("python") if "(NONPAGED)" in block)
    namespace: dict[str, Any] = {"__name__": "shown"}
    exec(f"from typing import Literal\nfrom emulator.ndis import *\n{shown}", namespace)
    assert namespace["sizeof"](namespace["BINDING"]) > 256 * namespace["sizeof"](namespace["NEIGHBOUR"])


def test_the_test_of_one_s_own_passes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = (block for block in blocks("python") if "def test_" in block)
    monkeypatch.setenv("PYTEST_PLUGINS", "emulator.testing.plugin")
    pytester.makepyfile(shown)
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest").assert_outcomes(passed=1)


def commands() -> list[list[str]]:
    lines = [shlex.split(line, comments=True) for block in blocks("sh") for line in block.splitlines()]
    return [line[line.index(".venv/bin/ndisemu") + 1 :] for line in lines if ".venv/bin/ndisemu" in line]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_a_command_is_understood(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mydriver.py").write_text(readme.QUOTED.read_text(encoding="utf-8"), encoding="utf-8")
    parser = argparse.ArgumentParser()
    {"run": run, "explain": explain, "ctl": ctl}[command[0]].add_options(parser)
    options = parser.parse_args(command[1:])
    if command[0] == "run":
        named = [*options.miniport, *options.filter, *options.protocol]
        assert len(plan_of(options).specification.drivers) == len(named) > 1


def shape(line: str) -> str:
    """A line of a stop screen without what differs from driver to driver and from run to run."""
    line = re.sub(r"\S*?(\w+)\.py:\d+ in \w+(?=:| \()", "FILE:LINE in ROUTINE", line.partition("  # ")[0])
    return re.sub(r"\d+\.\d+ s", "TIME", re.sub(r"\w+!\w+|(?<=Machine )\w+|(?<=Driver: )\w+", "NAME", line))


def test_the_stop_screen_is_one_that_is_printed() -> None:
    (shown,) = (block for block in blocks("") if block.startswith("*** STOP"))
    machine = Computer("work_item_queued_twice", "base_protocol")
    with pytest.raises(BugCheck):
        machine.life()
    report = MachineReport(machine="machine", stop=machine.report, control="START_ADAPTER of adapter 0")
    printed = [shape(line) for line in render(report).splitlines()]
    before, others, after = shown.partition("What the others were doing:\n")
    said = before.splitlines() + after.partition("\n\n")[2].splitlines()
    assert others, "it shows what the others were doing"
    assert [line for line in map(shape, said) if line not in printed] == []
    headings = [line for line in printed if re.match(r"\w.*:($| \w)", line)]
    assert [line for line in map(shape, said) if line in headings] == headings


def anchors(page: Path) -> set[str]:
    """The names by which the headings of a page can be linked to."""
    headings = re.findall(r"(?m)^#+ (.*)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        file = page.parent / target if target else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            lost.append(f"{target}#{anchor}")
    assert lost == []


def test_every_page_can_be_found_from_the_readme() -> None:
    linked = {(ROOT / target).resolve() for target, _ in LINK.findall(TEXT) if target}
    assert [page.name for page in PAGES[2:] if page not in linked] == []
