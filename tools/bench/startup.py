"""From the start of a program to the first frame that it answers: `ndisemu run`, and what else one could have started.

Law: the clock starts before the program does; a frame is offered every millisecond from the moment at which the
interface is there, and the first right answer ends the run, so that nothing which still sleeps counts as started.
Compiled modules are kept between the runs, as they are for a user, in a folder that is gone afterwards; what a start
costs without them is a row of its own.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

from emulator.host.adapters import mac_of
from emulator.host.specification import AdapterSpecification
from emulator.rules.errors import EmulatorError
from tools.bench.compiler import compiled
from tools.bench.echo_subjects import PEER_ADDRESS, CReflector
from tools.bench.figures import middle
from tools.bench.machine import this_machine
from tools.bench.part import Curve, PartReport, Plot, Table
from tools.bench.processes import end
from tools.bench.table import listed, ranged
from tools.bench.turns import Turn, take_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tools.bench.machine import Machine
    from tools.bench.part import Bounds
    from tools.bench.turns import Samples

INTERFACE: Final = "first0"
ETHERTYPE: Final = 0x88B5
LONGEST_SECONDS: Final = 8.0
"""Until a program has answered, and until it is gone: a turn that goes wrong must leave time for the others."""
LAST_SECONDS: Final = 4.0
"""Until a program that was asked to end has ended."""
EVERY_SECONDS: Final = 0.001

CHECKED: Final = "ndisemu run, checked"
FREE: Final = "ndisemu run, free"
COLD: Final = "ndisemu run, checked, nothing kept"
PYTUN_LOOP: Final = "pytun loop"
SCAPY_MACHINE: Final = "scapy AnsweringMachine"
PASS: Final = "python -c pass"
IMPORT_COMMAND: Final = "import of the command line"
IMPORT_NDIS: Final = "import of emulator.ndis besides"
COMMAND_MODULES: Final = "import emulator.cli.main, emulator.cli.run, emulator.cli.plan, emulator.cli.session"
PYTUN: Final = """\
import sys, pytun
tap = pytun.TunTapDevice(name=sys.argv[1], flags=pytun.IFF_TAP | pytun.IFF_NO_PI)
tap.up()
while True:
    frame = tap.read(2048)
    tap.write(frame[6:12] + frame[:6] + frame[12:])
"""
SCAPY: Final = """\
import sys
from tools.bench.python_peers import echo_with_scapy
echo_with_scapy(sys.argv[1:], lambda: None)
"""


def run_of(*options: str) -> list[str]:
    """The command that runs netvmini and hello on a TAP."""
    drivers = ["--miniport", "netvmini", "--protocol", "hello"]
    return [sys.executable, "-m", "emulator.cli", "run", *drivers, "--wire", f"tap:{INTERFACE}", "-q", *options]


def wall(environment: dict[str, str], command: Sequence[str]) -> dict[str, float]:
    """How long a program takes from its start to its end."""
    began = time.monotonic()
    answer = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=LONGEST_SECONDS, env=environment
    )
    taken = time.monotonic() - began
    if answer.returncode != 0:
        raise EmulatorError(f"{' '.join(command)} failed: {answer.stderr.strip()}")
    return {"seconds": taken}


def keeping(folder: str) -> dict[str, str]:
    """The environment of programs that keep their compiled modules in a folder."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": folder}


def keeping_nothing(folder: str) -> dict[str, str]:
    """The environment of programs that compile every module anew; the folder is empty, and stays so."""
    return {**os.environ, "PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": "1"}


def first_frame(environment: dict[str, str], command: Sequence[str], address: bytes) -> dict[str, float]:
    """Start a program and end it after its first answer: until the interface is there, and until the answer."""
    began = time.monotonic()
    # A file, not a pipe: whoever inherits it keeps nobody waiting.
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=environment)
        try:
            seen, answered = until_answered(address, began + LONGEST_SECONDS, lambda: process.poll() is None)
        finally:
            end(process, LAST_SECONDS)
        if answered is None:
            said.seek(0)
            told = said.read().decode(errors="replace").strip()[-300:]
            raise EmulatorError(f"no frame was answered within {LONGEST_SECONDS:.0f} s: {told}")
        if process.returncode == -signal.SIGKILL:
            raise EmulatorError(f"did not end within {LAST_SECONDS:.0f} s of a SIGTERM and was killed")
    _wait_gone(time.monotonic() + LONGEST_SECONDS)
    return {"seconds": answered - began, "interface": (seen or answered) - began}


def first_frame_of_c(subject: CReflector) -> dict[str, float]:
    """The same for the C reflector, whose TAP this process opens."""
    began = time.monotonic()
    try:
        subject.start(INTERFACE)
        seen, answered = until_answered(mac(PEER_ADDRESS), began + LONGEST_SECONDS, lambda: True)
    finally:
        subject.stop()
    if answered is None:
        raise EmulatorError(f"{subject.name} answered no frame")
    return {"seconds": answered - began, "interface": (seen or answered) - began}


def own_station() -> bytes:
    """The address of the first adapter of a machine that nobody has given one."""
    return mac_of(AdapterSpecification(), 1, 0)


def mac(text: str) -> bytes:
    """An address as bytes."""
    return bytes.fromhex(text.replace(":", ""))


def until_answered(address: bytes, deadline: float, alive: Callable[[], bool]) -> tuple[float | None, float | None]:
    """When the interface was there, and when the first answer; None for what did not come."""
    while not (index := _index()):
        if time.monotonic() > deadline or not alive():
            return None, None
        time.sleep(EVERY_SECONDS)
    seen = time.monotonic()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC) as line:
        line.setblocking(False)
        try:
            line.bind((INTERFACE, ETHERTYPE))
            own = line.getsockname()[4]
        except OSError as error:
            raise EmulatorError(f"interface {index} of {INTERFACE}: {error.strerror}") from error
        asked = (address + own + ETHERTYPE.to_bytes(2, "big")).ljust(64, b"\x5a")
        wanted = (own + address + ETHERTYPE.to_bytes(2, "big")).ljust(64, b"\x5a")
        while time.monotonic() < deadline and alive():
            try:
                line.send(asked)
            except OSError as error:
                if error.errno not in (errno.ENETDOWN, errno.ENOBUFS, errno.EAGAIN, errno.ENXIO):
                    raise EmulatorError(f"sending on {INTERFACE}: {error.strerror}") from error
            until = time.monotonic() + EVERY_SECONDS
            while (rest := until - time.monotonic()) > 0 and select.select([line], [], [], rest)[0]:
                try:
                    if line.recv(2048) == wanted:
                        return seen, time.monotonic()
                except OSError:
                    break  # the interface was down until now: said once
    return seen, None


def _index() -> int:
    try:
        return socket.if_nametoindex(INTERFACE)
    except OSError:
        return 0


def _wait_gone(deadline: float) -> None:
    while _index():
        if time.monotonic() > deadline:
            raise EmulatorError(f"{INTERFACE} is still there")
        time.sleep(EVERY_SECONDS)


def measure(bounds: Bounds) -> PartReport:
    """Run the part; called inside the confined process."""
    ours, peers = own_station(), mac(PEER_ADDRESS)
    python = [sys.executable, "-c"]
    with compiled("reflector") as programs, ExitStack() as stack:
        full, empty = (stack.enter_context(tempfile.TemporaryDirectory(prefix="ndis-bench-")) for _ in range(2))
        kept = keeping(full)
        turns = [
            Turn(PASS, 0, partial(wall, kept, [*python, "pass"])),
            Turn(IMPORT_COMMAND, 0, partial(wall, kept, [*python, COMMAND_MODULES])),
            Turn(IMPORT_NDIS, 0, partial(wall, kept, [*python, f"{COMMAND_MODULES}, emulator.ndis"])),
            Turn(CHECKED, 0, partial(first_frame, kept, run_of(), ours)),
            Turn(FREE, 0, partial(first_frame, kept, run_of("--free"), ours)),
            Turn(COLD, 0, partial(first_frame, keeping_nothing(empty), run_of(), ours)),
            Turn(PYTUN_LOOP, 0, partial(first_frame, kept, [*python, PYTUN, INTERFACE], peers)),
            Turn(SCAPY_MACHINE, 0, partial(first_frame, kept, [*python, SCAPY, INTERFACE], peers)),
        ]
        machine = this_machine("", programs.compiler)
        reflector = programs.path("reflector")
        bounds.say("once, so that compiled modules are kept")
        take_turns([turn for turn in turns if turn.subject in (CHECKED, SCAPY_MACHINE)], 1, bounds.say)
        if reflector:
            turns.append(Turn(CReflector.name, 0, partial(first_frame_of_c, CReflector(reflector))))
        return report(take_turns(turns, bounds.rounds, bounds.say, bounds.until), machine)


def report(samples: Samples, machine: Machine) -> PartReport:
    """Summarise what was measured: where the time of `ndisemu run` goes, as far as it is seen from outside."""
    body = [
        [
            subject,
            ranged(samples.spread(subject, 0, "seconds"), 3),
            ranged(samples.spread(subject, 0, "interface"), 3),
            ranged(samples.ratio(subject, 0, "seconds", PYTUN_LOOP), 2),
        ]
        for subject in samples.subjects()
    ]
    raw = [[subject, listed(samples.raw(subject, 0, "seconds"), 3)] for subject in samples.subjects()]
    curves = [
        Curve("until the end, or the first answer", [], []),
        Curve("until the interface is there", [], []),
    ]
    for place, subject in enumerate(samples.subjects()):
        for curve, name in zip(curves, ("seconds", "interface"), strict=True):
            value = samples.spread(subject, 0, name)
            if value is not None:
                curve.at.append(float(place))
                curve.values.append(value)
    return PartReport(
        part="startup",
        title="Until the first answered frame",
        figures={
            "first_frame_s": middle(samples.spread(CHECKED, 0, "seconds")),
            "first_frame_free_s": middle(samples.spread(FREE, 0, "seconds")),
            "first_frame_cold_s": middle(samples.spread(COLD, 0, "seconds")),
            "first_frame_interface_s": middle(samples.spread(CHECKED, 0, "interface")),
            "python_pass_s": middle(samples.spread(PASS, 0, "seconds")),
            "import_command_s": middle(samples.spread(IMPORT_COMMAND, 0, "seconds")),
            "import_ndis_s": middle(samples.spread(IMPORT_NDIS, 0, "seconds")),
        },
        machine=machine,
        absent=samples.absent,
        tables=[
            Table("", ["subject", "seconds", "until the interface is there", "of pytun loop"], body),
            Table("", ["raw, in order", "seconds"], raw, raw=True),
        ],
        plots=[
            Plot("startup", "Until the first answered frame", "", "seconds", curves, labels=samples.subjects()),
        ],
        runs=samples.as_runs(),
        notes=[
            "From the start of the program until its first right answer; a frame is offered every millisecond from the "
            "moment at which the interface is there, and an answer with one wrong byte is none.",
            "The first three rows end when the interpreter has ended; each of them contains the one before. The "
            "command line imports in one process and NDIS in another, which is forked before: what lies between the "
            "rows is what could be had by importing less, as far as the two do not run beside each other.",
            "nothing kept: every module is compiled anew, as after an installation, or with PYTHONDONTWRITEBYTECODE. "
            "The others were run once before, so that their modules are kept.",
            "The C reflector's TAP is opened by this process: no interpreter starts for it.",
        ],
    )
