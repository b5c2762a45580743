"""What cannot be loaded is told in one clear line, and nothing is left behind."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from emulator.host.specification import AdapterSpecification
from emulator.rules.errors import EXIT_HOST, EXIT_USAGE, ConfigurationError, EmulatorError, HostError
from tests.host.machines import children, started, toy
from tests.patience import eventually
from vnic.wires.wire import WireSpecification

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.host.console import Console

THREADS = """
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
def run_for_ever():
    threading.Event().wait()
threading.Thread(target=run_for_ever, daemon=True).start()
def DriverEntry(driver_object, registry_path):
    return 0
"""


def failing(console: Console, tmp_path: Path, source: str) -> str:
    path = tmp_path / "plugin.py"
    path.write_text(source, encoding="utf-8")
    machine = console.start_machine(toy(driver=str(path)))
    with pytest.raises(ConfigurationError) as raised:
        machine.wait_running()
    assert raised.value.exit_code == EXIT_USAGE
    text = str(raised.value)
    assert "\n" not in text
    assert machine.state == "failed"
    started(console).stop()  # the host goes on
    return text


def test_a_plugin_that_does_not_import(console: Console, tmp_path: Path) -> None:
    assert "No module named 'nowhere'" in failing(console, tmp_path, "import nowhere\n")


def test_a_plugin_whose_import_starts_threads_is_refused_by_name(console: Console, tmp_path: Path) -> None:
    before = threading.active_count()
    text = failing(console, tmp_path, THREADS)
    assert text.startswith("plugin: starts threads while it is loaded")
    assert threading.active_count() == before


def test_a_loader_that_is_broken_is_our_fault_and_says_where(console: Console) -> None:
    machine = console.start_machine(toy(loader="tests.host.nowhere"))
    with pytest.raises(EmulatorError, match="No module named 'tests\\.host\\.nowhere'"):
        machine.wait_running()


def test_a_driver_that_dies_while_it_is_loaded(console: Console, tmp_path: Path) -> None:
    path = tmp_path / "plugin.py"
    path.write_text("import os\nos.kill(os.getpid(), 9)\n", encoding="utf-8")
    machine = console.start_machine(toy(driver=str(path)))
    report = machine.wait_ended()
    assert report is not None
    assert (report.stop.name, report.stop.context) == ("VNIC_CONTEXT_TERMINATED", "zygote")


def test_a_wire_that_cannot_be_laid_is_the_computers_fault(console: Console) -> None:
    adapter = AdapterSpecification(wire=WireSpecification("tap", "lo"))
    machine = console.start_machine(toy(adapters=[adapter]))
    with pytest.raises(HostError) as raised:
        machine.wait_running()
    assert raised.value.exit_code == EXIT_HOST
    assert raised.value.mend
    assert raised.value.step
    # Its zygote was loading the drivers meanwhile.
    assert eventually(lambda: children(console.nursery_pid) == [])
    started(console).stop()


def test_more_memory_than_there_is(console: Console) -> None:
    machine = console.start_machine(toy(pool_bytes=1 << 42))
    with pytest.raises(HostError, match="shared memory"):
        machine.wait_running()
    started(console).stop()
