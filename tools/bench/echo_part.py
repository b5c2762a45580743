"""The echo as a command: both builds of the emulator, a pytun loop and scapy, in turns, each beside the C reflector.

Law: every round offers each load to all of them, so that a slow moment of the computer meets all alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.bench import echo_report
from tools.bench.compiler import compiled
from tools.bench.echo import SLOW_PEER_LOADS, Bench, Contender
from tools.bench.echo_subjects import CReflector, PytunLoop, ScapyAnsweringMachine
from tools.bench.emulator_subjects import EmulatorEcho
from tools.bench.generator import Generator
from tools.bench.machine import this_machine
from tools.bench.placement import Placement, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.bench.echo import Measured
    from tools.bench.machine import Machine
    from tools.bench.part import Bounds, PartReport


def measure_together(contenders: Sequence[Contender], bounds: Bounds) -> tuple[Measured, Machine]:
    """Measure contenders side by side with the C reflector; called inside the confined process."""
    with compiled("gen", "reflector") as programs:
        if programs.why_not:
            bounds.say(f"{programs.why_not}: the generator is the slower one in Python, no C to compare with")
        generator = Generator(programs, None if bounds.loose else Placement.here())
        machine = this_machine(generator.kind, programs.compiler, told(generator.placement))
        reflector = programs.path("reflector")
        bench = Bench(generator, CReflector(reflector) if reflector else None, bounds.say, bounds.until)
        return bench.run(contenders, bounds.rounds), machine


def measure(bounds: Bounds) -> PartReport:
    """Run the part."""
    subjects = (EmulatorEcho("checked"), EmulatorEcho("free"), PytunLoop())
    contenders = [Contender(one.name, one) for one in subjects]
    contenders.append(Contender(ScapyAnsweringMachine.name, ScapyAnsweringMachine(), SLOW_PEER_LOADS))
    return echo_report.report(*measure_together(contenders, bounds))
