"""Who answers frames: the interface that the echo benchmark asks of a subject, and the peers behind it.

Law: a subject is started inside the confined namespace, answers every frame of the benchmark's ethertype with the two
addresses swapped, and leaves nothing when it is stopped. It reports the processes it consists of, nothing else:
its speed is the generator's to say.
"""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Protocol

from tools.bench.link import Tap, open_tap
from tools.bench.processes import END_SECONDS, Forked
from tools.bench.python_peers import echo_with_pytun, echo_with_scapy, import_scapy, look_for_scapy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Build = Literal["checked", "free"]
PEER_ADDRESS: Final = "02:00:00:00:00:01"


@dataclass(frozen=True)
class Seat:
    """Where a started subject can be reached and which processes it consists of.

    `roles` names the processes whose time is accounted separately: an emulated machine has a host and workers, a
    simple loop has one worker.
    """

    interface: str
    address: str
    roles: Mapping[str, tuple[int, ...]]


def interface_names(first: str, count: int) -> list[str]:
    """What the interfaces of a subject with several are called."""
    return [first, *(f"{first}x{number}" for number in range(1, count))]


class EchoSubject(Protocol):
    """What the benchmark asks of whoever answers frames."""

    name: str

    def start(self, interface: str) -> Seat:
        """Make an interface of this name in the current network namespace and answer what is sent into it."""

    def stop(self) -> None:
        """End every process and the interface; harmless when it was not started or is dead."""


class CReflector:
    """The baseline: c/reflector.c on a TAP, or on several, which are named after the first."""

    name = "C poll reflector"

    def __init__(self, program: Path, taps: int = 1) -> None:
        self._program = program
        self._count = taps
        self._taps: list[Tap] = []
        self._process: subprocess.Popen[str] | None = None

    def start(self, interface: str) -> Seat:
        """Open the TAPs and hand their descriptors to the program."""
        for name in interface_names(interface, self._count):
            self._taps.append(open_tap(name))
        descriptors = [tap.fileno() for tap in self._taps]
        self._process = subprocess.Popen(
            [str(self._program), *map(str, descriptors)], pass_fds=descriptors, stdout=subprocess.PIPE, text=True
        )
        return Seat(interface, PEER_ADDRESS, {"worker": (self._process.pid,)})

    def stop(self) -> None:
        """End the program, then the interface."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.communicate(timeout=END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()
            self._process = None
        while self._taps:
            self._taps.pop().close()


class _ForkedPeer:
    """A peer that is one forked Python process, on an interface or on several, which are named after the first."""

    name = ""

    def __init__(self, taps: int = 1) -> None:
        self._count = taps
        self._process: Forked | None = None
        self._taps: list[Tap] = []

    def _begin(self, interface: str, function: Callable[[Callable[[], None]], None]) -> Seat:
        self._process = Forked(function, self.name)
        self._process.wait_ready()
        return Seat(interface, PEER_ADDRESS, {"worker": (self._process.pid,)})

    def stop(self) -> None:
        """End the process, then the interfaces."""
        if self._process is not None:
            self._process.end()
            self._process = None
        while self._taps:
            self._taps.pop().close()


class PytunLoop(_ForkedPeer):
    """The shortest Python that answers: reads and writes on pytun devices, with select where there are several."""

    name = "pytun loop"

    def start(self, interface: str) -> Seat:
        """Open the TAPs and fork the loop."""
        for name in interface_names(interface, self._count):
            self._taps.append(open_tap(name))
        return self._begin(interface, partial(echo_with_pytun, self._taps))


class ScapyAnsweringMachine(_ForkedPeer):
    """scapy's own way of answering packets: an AnsweringMachine on its TunTapInterfaces."""

    name = "scapy AnsweringMachine"

    def start(self, interface: str) -> Seat:
        """Fork a process in which scapy makes the interfaces itself."""
        look_for_scapy()
        return self._begin(interface, partial(_echo_with_scapy, interface_names(interface, self._count)))


def _echo_with_scapy(interfaces: list[str], ready: Callable[[], None]) -> None:
    import_scapy()
    echo_with_scapy(interfaces, ready)
