"""Who answers frames: the interface that the echo benchmark asks of a subject, and the peers behind it.

Law: a subject is started inside the confined namespace, answers every frame of the benchmark's ethertype with the two
addresses swapped, and leaves nothing when it is stopped. It reports the processes it consists of, nothing else:
its speed is the generator's to say.
"""

from __future__ import annotations

import logging
import signal
import subprocess
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Protocol

from emulator.rules.errors import HostError
from tools.bench.link import Tap, bring_up, open_tap
from tools.bench.processes import END_SECONDS, Forked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Build = Literal["checked", "free"]
PEER_ADDRESS: Final = "02:00:00:00:00:01"
FRAME_ROOM: Final = 2048


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
    """A peer that is one forked Python process."""

    name = ""

    def __init__(self) -> None:
        self._process: Forked | None = None
        self._tap: Tap | None = None

    def _begin(self, interface: str, function: Callable[[Callable[[], None]], None]) -> Seat:
        self._process = Forked(function)
        self._process.wait_ready()
        bring_up(interface)
        return Seat(interface, PEER_ADDRESS, {"worker": (self._process.pid,)})

    def stop(self) -> None:
        """End the process, then the interface."""
        if self._process is not None:
            self._process.end()
            self._process = None
        if self._tap is not None:
            self._tap.close()
            self._tap = None


class PytunLoop(_ForkedPeer):
    """The shortest Python that answers: blocking reads and writes on a pytun device."""

    name = "pytun loop"

    def start(self, interface: str) -> Seat:
        """Open the TAP and fork the loop."""
        self._tap = open_tap(interface)
        return self._begin(interface, partial(_reflect_with_pytun, self._tap))


class ScapyAnsweringMachine(_ForkedPeer):
    """scapy's own way of answering packets: an AnsweringMachine on its TunTapInterface."""

    name = "scapy AnsweringMachine"

    def start(self, interface: str) -> Seat:
        """Fork a process in which scapy makes the interface itself."""
        try:
            import scapy  # noqa: F401  (only looked for: the import that costs is made in the child)
        except ImportError as error:
            raise HostError("importing scapy", "pip install scapy", str(error)) from error
        return self._begin(interface, partial(answer_with_scapy, interface))


def _reflect_with_pytun(tap: Tap, ready: Callable[[], None]) -> None:
    ready()
    read, write = tap.read, tap.write
    while True:
        frame = read(FRAME_ROOM)
        write(frame[6:12] + frame[:6] + frame[12:])


def answer_with_scapy(interface: str, ready: Callable[[], None]) -> None:
    """Make the interface and answer on it for good; `ready` is called when it is there."""
    from scapy.ansmachine import AnsweringMachine
    from scapy.layers.l2 import Ether
    from scapy.layers.tuntap import TunTapInterface
    from scapy.packet import Packet

    logging.getLogger("scapy.runtime").setLevel(logging.ERROR)  # it warns about every TAP
    wire = TunTapInterface(interface, mode_tun=False)

    class Swap(AnsweringMachine[Packet]):
        """Answer each frame with its addresses swapped."""

        function_name = "swap"

        def make_reply(self, req: Packet) -> Packet:
            reply = Ether(dst=req.src, src=req.dst, type=req.type)
            reply.add_payload(req.payload)
            return reply

        def send_reply(self, reply: Packet, send_function: object = None) -> None:
            wire.send(reply)

    ready()
    Swap(verbose=0)(opened_socket=wire)
