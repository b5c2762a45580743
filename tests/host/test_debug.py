"""--debug: one context of each kind, and the terminal given to whoever meets a breakpoint."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN = """
from tests.host import toy

def DriverEntry(driver_object, registry_path):
    return 0

@toy.role
def Work(value):
    twice = value * 2
    breakpoint()
    toy.log(f"went on with {twice}")

@toy.role
def Control(operation, target, argument):
    if operation >= 100:
        toy.queue_work(Work, argument)
    return 0
"""
CONSOLE = """
import logging, sys
logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
from emulator.host.console import Console
from tests.host.machines import toy
from tests.patience import eventually
with Console() as console:
    machine = console.start_machine(toy(driver=sys.argv[1], debug=True, processors=2))
    machine.wait_running()
    machine.control(100, 0, 21)
    assert eventually(lambda: machine.statistics().counters["callbacks"] >= 3)
    assert machine.stop() is None
"""


def test_a_breakpoint_in_a_driver_talks_to_the_terminal(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text(PLUGIN, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", CONSOLE, str(plugin)],
        input="p 'twice is', twice\ntwice = 7\ncontinue\n",
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "('twice is', 42)" in done.stdout
    assert "plugin went on with 7" in done.stderr
