"""docs/deviations.md is written by hand; what the tables call our own choice must stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emulator.rules import nbl, work_items
from emulator.rules.bugchecks import BUG_CHECKS
from emulator.rules.irql import DIRQL

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "deviations.md").read_text(encoding="utf-8")

CHOICES = sorted(
    {f"0x{entry.code:X}" for entry in BUG_CHECKS.values() if entry.choice}
    | {
        f"0x{stop.code:X}/{stop.p1:#x}" if stop.p1 > 9 else f"0x{stop.code:X}/{stop.p1}"
        for stop in vars(work_items).values()
        if isinstance(stop, work_items.Stop) and stop.choice
    }
    | {
        f"0x{offence.code:X}" + (f"/0x{offence.subcode:02X}" if offence.subcode else "")
        for offence in vars(nbl).values()
        if isinstance(offence, nbl.OwnershipOffence) and offence.choice
    }
)


def test_there_are_choices_to_tell() -> None:
    assert len(CHOICES) >= 8


@pytest.mark.parametrize("code", CHOICES)
def test_every_code_that_is_our_choice_is_told(code: str) -> None:
    assert re.search(rf"{re.escape(code)}(?![0-9A-Fa-f])", TEXT), f"docs/deviations.md does not speak of {code}"


def test_the_level_of_interrupts_is_told() -> None:
    assert f"DIRQL {DIRQL}" in TEXT


@pytest.mark.parametrize(
    "page",
    [DOCS / f"{name}.md" for name in ("coverage", "deviations", "reference", "rules", "states")],
    ids=lambda page: page.stem,
)
def test_links_between_the_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = {target for target in re.findall(r"\]\(([^)#\s]+\.md)(?:#[^)]*)?\)", text) if "://" not in target}
    assert [target for target in targets if not (page.parent / target).is_file()] == []
