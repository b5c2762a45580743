"""The echo as a command: both builds of the emulator, a pytun loop and scapy, each between runs of the C reflector.

Law: the contenders run one after another, so that each has the computer for itself; see frames.py for the other way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.bench import echo_report
from tools.bench.compiler import compiled
from tools.bench.echo import LOADS, PEER_LOADS, SLOW_PEER_LOADS, Bench, Contender
from tools.bench.echo_subjects import CReflector, PytunLoop, ScapyAnsweringMachine
from tools.bench.emulator_subjects import EmulatorEcho
from tools.bench.generator import Generator
from tools.bench.machine import this_machine

if TYPE_CHECKING:
    from tools.bench.part import Bounds, PartReport


def measure(bounds: Bounds) -> PartReport:
    """Run the part; called inside the confined process."""
    with compiled("gen", "reflector") as programs:
        if programs.why_not:
            bounds.say(f"{programs.why_not}: the generator is the slower one in Python, and no C to compare with")
        generator = Generator(programs)
        machine = this_machine(generator.kind, programs.compiler)
        reflector = programs.path("reflector")
        bench = Bench(generator, CReflector(reflector) if reflector else None, bounds.say, bounds.until)
        own = (EmulatorEcho("checked"), EmulatorEcho("free"))
        contenders = [
            *(Contender(one.name, one, PEER_LOADS if bounds.quick else LOADS) for one in own),
            Contender(PytunLoop.name, PytunLoop(), PEER_LOADS),
            Contender(ScapyAnsweringMachine.name, ScapyAnsweringMachine(), SLOW_PEER_LOADS),
        ]
        return echo_report.report(bench.run(contenders, bounds.rounds), machine)
