"""Counters of a live machine: work items by how long they waited from their queuing to their routine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.layout.delays import percentile
from tests.host.machines import started
from tests.patience import eventually

if TYPE_CHECKING:
    from emulator.host.console import Console

MILLISECOND = 1_000_000


def test_each_work_item_that_has_run_is_counted_once(console: Console) -> None:
    machine = started(console)
    machine.control(100, 40, 1)
    assert eventually(lambda: sum(machine.statistics().queue_to_callback.values()) == 40)
    assert machine.statistics().counters["work_items_queued"] == 40


def test_the_time_that_items_waited_is_what_is_counted(console: Console) -> None:
    machine = started(console, passive_workers=1)
    machine.control(103, 3, 20)  # three items that keep the only worker for 20 ms each
    assert eventually(lambda: sum(machine.statistics().queue_to_callback.values()) == 3)
    counts = machine.statistics().queue_to_callback
    assert percentile(counts, 30) < percentile(counts, 60) < percentile(counts, 99)
    assert percentile(counts, 99) >= 30 * MILLISECOND
