"""The work items as a command: both builds of the emulator beside the peers of pipelines.py.

Law: every subject has its turn in every round, and starts anew for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.bench import workitems
from tools.bench.emulator_subjects import EmulatorWorkItems
from tools.bench.machine import this_machine
from tools.bench.pipelines import PIPELINES
from tools.bench.workitem_subjects import PipelineSubject

if TYPE_CHECKING:
    from tools.bench.part import Bounds, PartReport
    from tools.bench.workitem_subjects import WorkItemSubject


def measure(bounds: Bounds) -> PartReport:
    """Run the part; called inside the confined process."""
    machine = this_machine()
    # The fastest peer comes directly behind the checked build: a slow moment of the computer is to meet both.
    subjects: list[WorkItemSubject] = [
        EmulatorWorkItems("free"),
        EmulatorWorkItems("checked"),
        *(PipelineSubject(pipeline) for pipeline in reversed(PIPELINES)),
    ]
    return workitems.report(workitems.measure(subjects, bounds.say, bounds.rounds, until=bounds.until), machine)
