"""Start the frame generator, in C or in Python, and read its one line.

Law: the generator is the only clock of the echo benchmark; no figure of a subject about itself is used.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from emulator.rules.errors import EmulatorError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.bench.compiler import Programs
    from tools.bench.placement import Placement

GRACE_SECONDS: Final = 3.0
FAULTS: Final = ("lost", "reordered", "corrupt", "unexpected")
"""What may become of a frame: the counters that every part which moves frames has, by these names."""
_PYTHON_GENERATOR: Final = Path(__file__).parent / "python_generator.py"


class Load(msgspec.Struct, frozen=True):
    """What is offered to a subject: how large, how many at once, how long.

    `pause_us` is a pause before each send; `rest_us` is how long the generator sleeps before it looks for answers.
    """

    size: int
    window: int
    seconds: float
    warm_up: float = 0.05
    pause_us: int = 0
    rest_us: int = 0

    @property
    def name(self) -> str:
        """How the tables call this load."""
        kind = f"window {self.window}" if not self.pause_us else f"lone, {self.pause_us} us apart"
        return f"{self.size} B, {kind}"

    @property
    def duration(self) -> float:
        """Seconds that one run takes, the start of the generator included."""
        return self.seconds + self.warm_up + 0.02


class Clocked(msgspec.Struct, frozen=True):
    """What the generator saw. Counts are of the whole run; pps and round trips are of the time after the warm-up.

    `reordered` frames came back behind one that was sent after them; `unexpected` ones a second time or too late.
    """

    pps: float
    sent: int
    received: int
    lost: int
    reordered: int
    corrupt: int
    unexpected: int
    refused: int
    stalls: int
    measured: int
    seconds: float
    rtt_p50_us: float
    rtt_p99_us: float
    cpu_ns: int
    rtt_p90_us: float = 0.0
    rtt_p999_us: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether every frame came back once and as it must."""
        return not (self.stalls or any(faults_of([self]).values()))


def faults_of(seen: Iterable[Clocked]) -> dict[str, int]:
    """What became of the frames of these runs together."""
    runs = list(seen)
    return {fault: sum(getattr(one, fault) for one in runs) for fault in FAULTS}


class Generator:
    """The generator as a command; `kind` says in the tables which one it was.

    With a `placement` it stays on its core, and so do the subjects that it is offered to.
    """

    def __init__(self, programs: Programs, placement: Placement | None = None) -> None:
        self.placement = placement
        program = programs.path("gen")
        self.kind = "C" if program else "Python"
        self._command = [str(program)] if program else [sys.executable, "-I", "-S", str(_PYTHON_GENERATOR)]

    def run(self, interface: str, address: str, load: Load, count: int = 0) -> Clocked:
        """Offer the load (or exactly `count` frames of it) to the interface and return what came back."""
        length = ["-n", str(count)] if count else ["-t", str(load.seconds), "-u", str(load.warm_up)]
        command = [
            *self._command, "-i", interface, "-m", address, "-s", str(load.size), "-w", str(load.window), *length,
            "-p", str(load.pause_us), "-r", str(load.rest_us),
        ]  # fmt: skip
        if self.placement is not None:
            command += ["-c", str(self.placement.generator)]
        limit = load.duration + GRACE_SECONDS + count / 1000
        try:
            answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired as error:
            raise EmulatorError(f"the generator did not end within {limit:.1f} s on {interface}") from error
        if answer.returncode != 0:
            raise EmulatorError(f"the generator failed on {interface}: {answer.stderr.strip()}")
        return msgspec.json.decode(answer.stdout, type=Clocked)
