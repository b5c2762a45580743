"""DbgPrint: C's directives, also for cells, which C passes by their value."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_platform import FakeMachine, driver_module, surface

SOURCE = """
    class COUNTS(NONPAGED):
        Seen: LONG
        Octets: LONGLONG
"""


@pytest.mark.parametrize(
    ("text", "arguments", "line"),
    [
        ("%d seen, %08x", (1, 0xAB), "1 seen, 000000ab"),
        ("100 % of them\n", (), "100 % of them"),
        ("%d of %d", (1,), "%d of %d (1,)"),
    ],
)
def test_what_is_printed(text: str, arguments: tuple[Any, ...], line: str) -> None:
    driver: Any = driver_module("prints", SOURCE, **surface(checked=True))
    fake = FakeMachine([driver])
    fake.passive_worker()
    assert driver.DbgPrint(text, *arguments) == 0
    assert fake.platform.logs[-1][2] == line


def test_a_cell_is_printed_by_its_value() -> None:
    driver: Any = driver_module("prints", SOURCE, **surface(checked=True))
    fake = FakeMachine([driver])
    fake.passive_worker()
    counts = driver.COUNTS()
    driver.NdisInterlockedIncrement(counts.Seen)
    driver.DbgPrint("%d seen, %d octets", counts.Seen, counts.Octets)
    assert fake.platform.logs[-1][2] == "1 seen, 0 octets"
