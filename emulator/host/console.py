"""The console's end: starts nursery and host, and gives the command line and the tests one object for each machine.

Law: the nursery is forked first and the host second, both before this process has a thread of ours; every wait has a
deadline; closing leaves no process, descriptor or thread behind.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from emulator.host import messages
from emulator.host.commands import adapter_number, command_of
from emulator.host.listening import remove_leftovers
from emulator.host.logs import TrustedHandler
from emulator.host.performance import Performance
from emulator.kernel.lanes import Answer
from emulator.rules.errors import ConfigurationError, EmulatorError, HostError
from emulator.sync import descriptors, memory, processes
from emulator.sync.descriptors import Channel, ChannelClosed
from vnic.wires.captures import check_capture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from emulator.host.commands import Outcome
    from emulator.host.listening import Listening
    from emulator.host.specification import MachineSpecification
    from emulator.host.stopscreen import MachineReport
    from emulator.kernel.stop import StopReport
    from vnic.wires.cable import FarEnd

DEFAULT_DEADLINE: Final = 10.0
CLOSING_NS: Final = 1_000_000_000
ENDING_SECONDS: Final = 3.0


class Deadline(EmulatorError):
    """Something did not come to be in time; says what."""


class MachineProxy:
    """One machine as the console knows it."""

    def __init__(self, console: Console, number: int, specification: MachineSpecification) -> None:
        self.console = console
        self.number = number
        self.name = specification.name
        self.specification = specification
        self.state = "starting"
        """``starting``, ``running``, ``failed`` or ``ended``."""
        self.statuses: list[int] = []
        self.finished_wires: set[int] = set()
        """The adapters whose capture file has been replayed."""
        self.cables: list[FarEnd] = []
        """The far ends of its cables, in the order of the adapters that have one."""
        self.ended: messages.MachineEnded | None = None
        self._pids: dict[int, int] = {}
        self._answers: dict[int, Any] = {}
        self._asked: dict[int, Callable[[Any], None]] = {}
        self._virtual: dict[str, int] = {}
        self._error: Exception | None = None

    def wait_running(self, timeout: float = DEFAULT_DEADLINE) -> None:
        """Until every adapter has answered its start.

        Raises ConfigurationError, HostError or EmulatorError when it cannot be started, MachineStop when it stopped.
        """
        self._wait(lambda: self.state != "starting", timeout, "running")
        if self._error is not None:
            raise self._error
        if self.ended is not None:
            raise MachineStop(self)

    def wait_ended(self, timeout: float = DEFAULT_DEADLINE) -> MachineReport | None:
        """Until nothing is left of the machine; its report, None after an orderly end."""
        self._wait(lambda: self.state in ("ended", "failed"), timeout, "ended")
        if self._error is not None:
            raise self._error
        return self.report()

    def control(
        self,
        operation: int,
        target: int = 0,
        argument: int = 0,
        timeout: float = DEFAULT_DEADLINE,
        data: bytes = b"",
    ) -> Answer:
        """Carry out one control operation in the machine's PnP thread; its NDIS_STATUS and what came with it."""
        request = self.console.next_request()
        self.console.send(messages.Control(self.number, request, int(operation), target, argument, data))
        told: messages.ControlDone = self._answer(request, timeout, f"control operation {operation}")
        answer = Answer(told.status)
        answer.data, answer.needed = told.data, told.needed
        return answer

    def perform(
        self, name: str, words: Sequence[str] = (), adapter: str = "", timeout: float = DEFAULT_DEADLINE
    ) -> Outcome:
        """Carry out a command of ``emulator.host.commands`` and wait for its end, for so long at most."""
        command = command_of(name)
        given = command.given([*words, *(word.default for word in command.words[len(words) :] if word.default)])
        if command.of_adapter and self.may_be_virtual(adapter):
            self.perform("status")
        number = self.number_of(adapter) if command.of_adapter else -1
        outcomes: list[Outcome] = []
        performance = Performance(self, command, number, given, timeout, outcomes.append)
        while not outcomes:
            if not self.console.wait(lambda: bool(outcomes), max(0.0, performance.deadline - time.monotonic())):
                performance.expire()
        return outcomes[0]

    @property
    def adapter_names(self) -> list[str]:
        """What its adapters are called."""
        adapters = self.specification.adapters
        return [adapter.name or f"adapter{number}" for number, adapter in enumerate(adapters)]

    def may_be_virtual(self, adapter: str) -> bool:
        """Has an intermediate driver perhaps made an adapter of this name?  The next status says so."""
        return bool(adapter) and adapter not in self.adapter_names and self.specification.geometry.virtual_adapters > 0

    def number_of(self, adapter: str) -> int:
        """The number of the adapter that a command means; ConfigurationError when it is none, or several may be."""
        known = self._virtual.get(adapter)
        return known if known is not None else adapter_number(self.adapter_names, adapter)

    def statistics(self, timeout: float = DEFAULT_DEADLINE) -> messages.Statistics:
        """The machine's counters now."""
        request = self.console.next_request()
        self.console.send(messages.AskStatistics(self.number, request))
        answer: messages.Statistics = self._answer(request, timeout, "statistics")
        return answer

    def ddi_calls(self, name: str, timeout: float = DEFAULT_DEADLINE) -> list[str]:
        """The DDI functions that a context (``processor 0``) has called; kept where the geometry says ``traced``."""
        return self.statistics(timeout).ddi_calls.get(name, [])

    def shutdown(self) -> None:
        """Begin the orderly end."""
        if self.state in ("starting", "running"):
            self.console.send(messages.EndMachine(self.number))

    def stop(self, timeout: float = DEFAULT_DEADLINE) -> MachineReport | None:
        """End in order and wait for it; its report when it stopped on the way."""
        self.shutdown()
        return self.wait_ended(timeout)

    def kill(self) -> None:
        """End at once, without a screen."""
        if self.state in ("starting", "running"):
            self.console.send(messages.KillMachine(self.number))

    def report(self) -> MachineReport | None:
        """What is known of the stop; None when there was none (yet)."""
        from emulator.host.stopscreen import MachineReport

        if self.ended is None or not self.ended.stop:
            return None
        return msgspec.json.decode(self.ended.stop, type=MachineReport)

    def stop_report(self) -> StopReport | None:
        """The bug check; None when there was none (yet)."""
        report = self.report()
        return report.stop if report is not None else None

    @property
    def over(self) -> bool:
        """Has it ended, or never run?"""
        return self.state in ("ended", "failed")

    def described_end(self) -> str:
        """How it ended, in one line."""
        if self._error is not None:
            return f"machine {self.name} failed: {self._error}"
        return str(MachineStop(self))

    @property
    def screen(self) -> str:
        """The text of the stop screen; empty when there was none."""
        return self.ended.screen if self.ended is not None else ""

    def pids(self) -> dict[int, int]:
        """Pids by slot: 1 is the zygote."""
        self.console.pump(0)
        return dict(self._pids)

    def ask(self, question: Callable[[int], messages.Message], answered: Callable[[Any], None]) -> None:
        """Ask the host something and go on; ``answered`` hears the answer, or None when the machine ends."""
        if self.over:
            answered(None)
            return
        request = self.console.next_request()
        self._asked[request] = answered
        self.console.send(question(request))

    def _answer(self, request: int, timeout: float, what: str) -> Any:
        self._wait(lambda: request in self._answers or self.state in ("ended", "failed"), timeout, what)
        if request in self._answers:
            return self._answers.pop(request)
        if self._error is not None:
            raise self._error
        raise MachineStop(self)

    def _wait(self, ready: Any, timeout: float, what: str) -> None:
        if not self.console.wait(ready, timeout):
            raise Deadline(f"machine {self.name}: {what} did not come to be in {timeout:g} s (it is {self.state})")

    def take(self, message: Any) -> None:
        """Take note of what the host says."""
        if isinstance(message, messages.MachineRunning):
            self.state = "running"
            self.statuses = message.statuses
        elif isinstance(message, messages.MachinePids):
            self._pids = message.pids
        elif isinstance(message, messages.WireFinished):
            self.finished_wires.add(message.adapter)
        elif isinstance(message, messages.MachineEnded):
            self.state = "ended"
            self.ended = message
            self._answer_nobody()
        elif isinstance(message, messages.MachineFailed):
            self.state = "failed"
            self._error = error_of(message)
            self._answer_nobody()
        elif message.request in self._asked:
            if isinstance(message, messages.MachineStatus):
                made = message.adapters[len(self.specification.adapters) :]
                self._virtual = {adapter.name: adapter.number for adapter in made}
            self._asked.pop(message.request)(message)
        else:
            self._answers[message.request] = message

    def lose(self, error: EmulatorError) -> None:
        """The host is gone."""
        if self.state in ("starting", "running"):
            self.state = "failed"
            self._error = error
            self._answer_nobody()

    def _answer_nobody(self) -> None:
        asked, self._asked = self._asked, {}
        for answered in asked.values():
            answered(None)


class MachineStop(EmulatorError):
    """The machine stopped, or was ended, while something was asked of it."""

    def __init__(self, machine: MachineProxy) -> None:
        report = machine.stop_report()
        super().__init__(f"machine {machine.name} has ended" + (f": {report.name}" if report is not None else ""))
        self.machine = machine


def error_of(message: messages.MachineFailed) -> Exception:
    """The error that a failure to start is."""
    if message.fault == "configuration":
        return ConfigurationError(message.text)
    if message.fault == "host":
        reason = OSError(message.errno, message.text) if message.errno else message.text
        return HostError(message.step, message.mend, reason)
    return EmulatorError(message.text)


class Console:
    """Nursery, host and every machine of theirs; ``listening`` is a socket whose name must not outlive this process."""

    def __init__(self, listening: Listening | None = None) -> None:
        self.machines: dict[int, MachineProxy] = {}
        self._requests = 0
        self._lost: EmulatorError | None = None
        self._closed = False
        mine, hosts = descriptors.pair()
        nursery_end, host_end = descriptors.pair()
        self._channel: Channel[Any] = Channel(mine, messages.ToConsole)
        self._nursery = self._fork_nursery(nursery_end)
        self._handler = TrustedHandler()
        self._host = self._fork_host(hosts, host_end, listening)
        self._handler.start()
        for sock in (hosts, nursery_end, host_end):
            sock.close()

    def _fork_nursery(self, channel: socket.socket) -> processes.ForkedChild:
        fd = channel.fileno()

        def run() -> int:
            from emulator.host import nursery

            return nursery.main(fd)

        return processes.fork_child(run, keep=[fd, 0, 1, 2], name="ndis:nursery")

    def _fork_host(
        self, console: socket.socket, nursery: socket.socket, listening: Listening | None
    ) -> processes.ForkedChild:
        fds = console.fileno(), nursery.fileno()
        handler = self._handler

        def run() -> int:
            from emulator.host import host

            return host.main(*fds, handler, listening)

        # The host is not killed with us: it has names in the file system to remove, and ours if we were killed.
        keep = [*fds, handler.descriptor, 2]
        return processes.fork_child(run, keep=keep, name="ndis:host", death=signal.SIGTERM)

    @property
    def host_pid(self) -> int:
        """The host's pid."""
        return self._host.pid

    @property
    def nursery_pid(self) -> int:
        """The nursery's pid."""
        return self._nursery.pid

    def __enter__(self) -> Console:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def start_machine(
        self, specification: MachineSpecification, namespaces: dict[int, int] | None = None
    ) -> MachineProxy:
        """Start a machine; returns at once, when the capture files that it replays have been looked through.

        ``namespaces`` gives, by adapter number, a descriptor of the network namespace in which its wire shall lie.
        """
        number = len(self.machines) + 1
        prepared = specification.prepared()
        for adapter in prepared.adapters:
            if adapter.wire.kind == "pcap":
                check_capture(adapter.wire.file)
        machine = self.machines[number] = MachineProxy(self, number, prepared)
        near: list[int] = []
        inside = namespaces or {}
        try:
            for adapter in prepared.adapters:
                if adapter.wire.kind == "cable":
                    near += _make_cable(machine)
            fds = [*near, *inside.values()]
            self.send(messages.StartMachine(number, prepared, list(inside)), fds)
        finally:
            descriptors.close_all(near)
        return machine

    def next_request(self) -> int:
        """A number for a question."""
        self._requests += 1
        return self._requests

    def send(self, message: messages.Message, fds: list[int] | None = None) -> None:
        """Send to the host; EmulatorError when it is gone."""
        try:
            messages.send(self._channel, message, fds or ())
        except ChannelClosed:
            self._lose()
        if self._lost is not None:
            raise self._lost

    def wait(self, ready: Any, timeout: float) -> bool:
        """Listen to the host until ``ready()``; False when the time is up before."""
        deadline = time.monotonic() + timeout
        while not ready():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            self.pump(remaining)
            if self._lost is not None:
                return bool(ready())
        return True

    def fileno(self) -> int:
        """Where the host is heard: a caller with a loop of its own polls it, then calls ``pump(0)``."""
        return self._channel.fileno()

    def pump(self, timeout: float) -> None:
        """Listen to the host for so long at most; returns after the first message."""
        if self._lost is not None or self._closed:
            return
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLIN)
        if not poll.poll(timeout * 1000):
            return
        try:
            while (taken := self._channel.try_receive()) is not None:
                message, fds = messages.opened(*taken, messages.ToConsole)
                descriptors.close_all(fds)
                machine = self.machines.get(message.machine)
                if machine is not None:
                    machine.take(message)
        except ChannelClosed:
            self._lose()

    def _lose(self) -> None:
        if self._lost is None:
            processes.wait_exit(self._host.pidfd, CLOSING_NS)
            ended = processes.reap_if_ended(self._host.pid) if not self._closed else None
            how = ended.description if ended is not None else "its channel closed"
            self._host_ended = ended is not None
            self._lost = EmulatorError(f"the host process ended: {how}")
            for machine in self.machines.values():
                if machine.specification.devices:
                    remove_leftovers(Path(machine.specification.devices))
        for machine in self.machines.values():
            machine.lose(self._lost)

    _host_ended = False

    def _end_machines(self) -> None:
        """Let the host kill what still runs and say when nothing of it is left."""
        running = [machine for machine in self.machines.values() if machine.state in ("starting", "running")]
        with contextlib.suppress(EmulatorError):
            for machine in running:
                machine.kill()
            self.wait(lambda: all(machine.state in ("ended", "failed") for machine in running), ENDING_SECONDS)

    def _wait_for_the_dying(self) -> None:
        """Without the host, the kernel is killing the contexts: come back when it has, as far as we know them."""
        deadline = time.monotonic_ns() + CLOSING_NS
        for machine in self.machines.values():
            for pid in machine.pids().values():
                while _is_ours(pid) and time.monotonic_ns() < deadline:
                    time.sleep(0.001)

    def close(self) -> None:
        """End whatever still runs, then host and nursery; give everything back."""
        if self._closed:
            return
        self._end_machines()
        self._closed = True
        self._channel.close()
        for child, reaped in ((self._host, self._host_ended), (self._nursery, False)):
            if not reaped:
                if not processes.wait_exit(child.pidfd, CLOSING_NS):
                    processes.kill(child.pidfd)
                with contextlib.suppress(ChildProcessError):
                    processes.reap(child.pid)
            os.close(child.pidfd)
        if self._lost is not None:
            self._wait_for_the_dying()
        self._handler.close()
        for machine in self.machines.values():
            machine.lose(EmulatorError("the console was closed"))
            for cable in machine.cables:
                cable.close()


def _is_ours(pid: int) -> bool:
    """Is there a living process of this number with a name of ours?"""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            name, _, rest = stat.read().rpartition(")")
    except OSError:
        return False
    return "(ndis:" in name and rest.split()[0] not in "ZX"


def _make_cable(machine: MachineProxy) -> tuple[int, int]:
    """Make a cable: keep the far end, give the near end's socket and flag."""
    from vnic.wires.cable import FarEnd

    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    far.setblocking(False)
    near.setblocking(False)
    flag = memory.create("cable", mmap.PAGESIZE)
    machine.cables.append(FarEnd(far, memory.map(flag).view))  # type: ignore[arg-type]
    return near.detach(), flag
