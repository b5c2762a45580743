"""The same seed and the same code give the same trace, byte for byte, in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.simulated import Schedule
from emulator.simulated.machine import SimulatedMachine
from tests.simulated.scripts import HELLO, NETVMINI, echo_burst, run

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from emulator.simulated.machine import SimulatedMachine
from tests.simulated.scripts import HELLO, NETVMINI, echo_burst, run
machine = SimulatedMachine(
    drivers=[NETVMINI, HELLO], seed=int(sys.argv[2]), scheduler=sys.argv[3], processors=2, passive_workers=2
)
run(echo_burst, machine)
assert machine.stop() is None
print(machine.trace_hash)
machine.close()
"""


def hash_in_a_process(hash_seed: int, seed: int = 5, scheduler: str = "random") -> str:
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT), str(seed), scheduler],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def hash_here(seed: int = 5, scheduler: str | Schedule = "random") -> tuple[str, Schedule]:
    machine = SimulatedMachine(
        drivers=[NETVMINI, HELLO], seed=seed, scheduler=scheduler, processors=2, passive_workers=2
    )
    run(echo_burst, machine)
    assert machine.stop() is None
    found = machine.trace_hash, machine.schedule
    machine.close()
    return found


@pytest.mark.parametrize("scheduler", ["random", "pct:3:4000", "round_robin"])
def test_the_same_seed_twice(scheduler: str) -> None:
    assert hash_here(3, scheduler) == hash_here(3, scheduler)


def test_another_seed_is_another_execution() -> None:
    assert hash_here(3)[0] != hash_here(4)[0]


def test_a_schedule_replays_to_the_byte() -> None:
    digest, schedule = hash_here(6)
    assert hash_here(0, Schedule.from_text(schedule.to_text()))[0] == digest


def test_the_hash_is_that_of_other_processes_with_other_hash_seeds() -> None:
    assert {hash_in_a_process(hash_seed) for hash_seed in (0, 1)} == {hash_here()[0]}


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("scheduler", ["random", "pct:3:4000"])
def test_twenty_processes_agree(scheduler: str) -> None:
    assert len({hash_in_a_process(hash_seed, 9, scheduler) for hash_seed in range(20)}) == 1
