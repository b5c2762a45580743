"""`python -m tools.bench echo` and `python -m tools.bench workitems`: print the table, or with --json one object.

Law: each command ends in under 50 seconds by itself, and exits with the code of the fault if it could not measure.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Final

import msgspec

from emulator.rules.errors import EXIT_INTERRUPTED, EmulatorError, HostError
from tools.bench import echo_report, workitems
from tools.bench.compiler import compiled
from tools.bench.confinement import run_confined
from tools.bench.echo import PEER_LOADS, ROUNDS, SLOW_PEER_LOADS, Bench, Contender
from tools.bench.echo_subjects import CReflector, PytunLoop, ScapyAnsweringMachine
from tools.bench.emulator_subjects import EmulatorEcho, EmulatorWorkItems
from tools.bench.generator import Generator
from tools.bench.machine import this_machine
from tools.bench.pipelines import PIPELINES
from tools.bench.workitem_subjects import PipelineSubject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.bench.workitem_subjects import WorkItemSubject

LIMIT_SECONDS: Final = 49.0
LAST_ROUND_SECONDS: Final = 46.0  # no round begins later, so that what there is can still be printed


def say(line: str) -> None:
    """Tell a person that waits what is under way; figures go to standard output, this does not."""
    print(f"bench: {line}", file=sys.stderr, flush=True)


def measure_echo(rounds: int) -> echo_report.EchoReport:
    """Run the echo benchmark; called inside the confined process."""
    until = time.monotonic() + LAST_ROUND_SECONDS
    with compiled("gen", "reflector") as programs:
        if programs.why_not:
            say(f"{programs.why_not}: the generator is the slower one in Python, and there is no C to compare with")
        generator = Generator(programs)
        machine = this_machine(generator.kind, programs.compiler)
        reflector = programs.path("reflector")
        bench = Bench(generator, CReflector(reflector) if reflector else None, say, until)
        contenders = [
            *(Contender(subject.name, subject) for subject in (EmulatorEcho("checked"), EmulatorEcho("free"))),
            Contender(PytunLoop.name, PytunLoop(), PEER_LOADS),
            Contender(ScapyAnsweringMachine.name, ScapyAnsweringMachine(), SLOW_PEER_LOADS),
        ]
        return echo_report.report(bench.run(contenders, rounds), machine)


def measure_workitems(rounds: int) -> workitems.WorkItemReport:
    """Run the work-item benchmark; called inside the confined process."""
    until = time.monotonic() + LAST_ROUND_SECONDS
    machine = this_machine()
    subjects: list[WorkItemSubject] = [
        EmulatorWorkItems("checked"),
        EmulatorWorkItems("free"),
        *(PipelineSubject(pipeline) for pipeline in PIPELINES),
    ]
    return workitems.report(workitems.measure(subjects, say, rounds, until=until), machine)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one benchmark and print it."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description="Benchmarks, each in under 50 seconds.")
    parser.add_argument("what", choices=("echo", "workitems"))
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="interleaved rounds (default %(default)s)")
    given = parser.parse_args(arguments)
    if not 1 <= given.rounds <= ROUNDS:
        parser.error(f"rounds must be 1 to {ROUNDS}: more do not fit into the time")
    try:
        if given.what == "echo":
            echoed = run_confined(lambda: measure_echo(given.rounds), echo_report.EchoReport, LIMIT_SECONDS)
            written, shown = msgspec.json.encode(echoed), echo_report.text(echoed)
        else:
            ran = run_confined(
                lambda: measure_workitems(given.rounds), workitems.WorkItemReport, LIMIT_SECONDS, network=False
            )
            written, shown = msgspec.json.encode(ran), workitems.text(ran)
    except (HostError, EmulatorError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    print(written.decode() if given.json else shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
