"""Describe the computer that figures come from.

Law: a figure without its computer, kernel, interpreter and day is worth nothing, so every report carries this record.
"""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import msgspec


class Machine(msgspec.Struct, frozen=True):
    """Where and when the figures were taken; what has no part in them is empty."""

    processor: str
    cores: int
    kernel: str
    python: str
    load_average: float
    taken: str
    generator: str = ""
    compiler: str = ""
    placement: str = ""


def this_machine(generator: str = "", compiler: str = "", placement: str = "") -> Machine:
    """Describe this computer as it is now."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return Machine(
        processor=models[0].split(":", 1)[1].strip() if models else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        kernel=platform.release(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        load_average=os.getloadavg()[0],
        taken=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        generator=generator,
        compiler=compiler,
        placement=placement,
    )


def heading(machine: Machine) -> str:
    """Return the line that stands above a table."""
    parts = [
        machine.taken,
        machine.processor,
        f"{machine.cores} cores",
        f"Linux {machine.kernel}",
        machine.python,
        f"load average before {machine.load_average:.2f}",
    ]
    if machine.generator:
        parts += [f"generator in {machine.generator}", f"compiler: {machine.compiler or 'none'}"]
    if machine.placement:
        parts.append(machine.placement)
    return ", ".join(parts)
