"""`python -m tools.bench echo` and `python -m tools.bench workitems`: print the table, or with --json one object.

Law: each command ends in under 50 seconds by itself, and exits with the code of the fault if it could not measure.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

import msgspec

from emulator.rules.errors import EXIT_EMULATOR, EXIT_HOST, EmulatorError, HostError
from tools.bench.compiler import compiled
from tools.bench.confinement import run_confined
from tools.bench.echo import PEER_LOADS, ROUNDS, Bench, Contender, Measured
from tools.bench.echo_report import EchoReport, report, text, this_machine
from tools.bench.echo_subjects import CReflector, PytunLoop, ScapyAnsweringMachine
from tools.bench.generator import Generator

LIMIT_SECONDS: Final = 49.0


def say(line: str) -> None:
    """Tell a person that waits what is under way; figures go to standard output, this does not."""
    print(f"bench: {line}", file=sys.stderr, flush=True)


def measure_echo(rounds: int) -> EchoReport:
    """Run the echo benchmark; called inside the confined process."""
    with compiled("gen", "reflector") as programs:
        if programs.why_not:
            say(f"{programs.why_not}: the generator is the slower one in Python, and there is no C to compare with")
        generator = Generator(programs)
        machine = this_machine(generator.kind, programs.compiler)
        reflector = programs.path("reflector")
        bench = Bench(generator, CReflector(reflector) if reflector else None, say)
        contenders = [
            Contender(PytunLoop.name, PytunLoop(), PEER_LOADS),
            Contender(ScapyAnsweringMachine.name, ScapyAnsweringMachine(), PEER_LOADS),
        ]
        measured: Measured = bench.run(contenders, rounds)
        return report(measured, machine)


def main() -> int:
    """Run one benchmark and print it."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("what", choices=("echo", "workitems"))
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="interleaved pairs (default %(default)s)")
    given = parser.parse_args()
    try:
        result = run_confined(lambda: measure_echo(given.rounds), EchoReport, LIMIT_SECONDS)
    except HostError as error:
        print(error, file=sys.stderr)
        return EXIT_HOST
    except EmulatorError as error:
        print(error, file=sys.stderr)
        return EXIT_EMULATOR
    print(msgspec.json.encode(result).decode() if given.json else text(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
