"""A driver that takes a header to be in one piece lives until frames are cut; drivers that do not live on."""

from __future__ import annotations

import pytest

from emulator.rules.errors import BugCheck
from tests.bad_drivers.computer import Computer
from tests.bad_drivers.test_rules import line_of, marks

BAD = "header_in_one_piece"


def life(protocol: str, split_frames: str) -> Computer:
    """A whole life of a machine with this protocol."""
    machine = Computer("base_miniport", protocol, split_frames=split_frames)
    assert machine.life() == 0
    assert machine.left() == []
    return machine


def test_the_bad_driver_lives_where_frames_come_in_one_piece() -> None:
    life(BAD, "off")


@pytest.mark.parametrize("mode", ["sample", "allowed", "anywhere"])
def test_the_bad_driver_is_found_where_they_do_not(mode: str) -> None:
    machine = Computer("base_miniport", BAD, split_frames=mode)
    with pytest.raises(BugCheck):
        machine.life()
    report = machine.report
    assert (report.code, report.driver) == (0x1E, BAD)
    assert line_of(BAD, report.traceback[-1]) == marks(BAD)["stop"]
    assert ("Beyond the contract" in report.remedy) == (mode == "anywhere")


@pytest.mark.parametrize("mode", ["sample", "allowed", "anywhere"])
def test_the_repaired_twin_lives_on(mode: str) -> None:
    life(f"repaired.{BAD}", mode)


@pytest.mark.parametrize("mode", ["sample", "allowed", "anywhere"])
def test_filters_that_keep_the_rules_live_on(mode: str) -> None:
    filters = ["base_filter", "second_filter"]
    machine = Computer("base_miniport", "base_protocol", filters=filters, split_frames=mode)
    assert machine.life() == 0
    assert machine.left() == []
