"""One machine under the command line: its start, the loop that listens to it, and its end in order.

Law: whatever happens (an interrupt, a stream that fails, a stop) the machine is ended in order if it still can be, and
every process of it is gone before this returns; a second interrupt ends it at once.
"""

from __future__ import annotations

import logging
import select
import signal
import socket
import time
from typing import TYPE_CHECKING, Any, Final

from emulator.cli.display import LogHandler
from emulator.cli.samples import Sample, sample_of
from emulator.host.console import Console, MachineStop
from emulator.host.control_socket import ControlServer
from emulator.rules.errors import ConfigurationError, EmulatorError, HostError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

    from emulator.cli.streams import StreamError
    from emulator.host.console import MachineProxy
    from emulator.host.listening import Listening
    from emulator.host.specification import MachineSpecification
    from emulator.host.stopscreen import MachineReport

ENDING_SECONDS: Final = 60.0
"""The host gives up long before: it ends a machine that does not leave in order with a stop."""
KILLING_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 5.0
FRAMES_AT_ONCE: Final = 256
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ENOUGH: Final = 3


class Signals:
    """Counts what asks the command to end, and wakes its poll; the third time is an exception."""

    def __init__(self) -> None:
        self.count = 0
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._before: dict[int, Any] = {number: signal.signal(number, self._heard) for number in _SIGNALS}
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count >= _ENOUGH:
            raise KeyboardInterrupt

    def fileno(self) -> int:
        """Readable when there is something to do."""
        return self._reader.fileno()

    def wake(self) -> None:
        """Wake the poll from another thread."""
        try:
            self._writer.send(b"\0")
        except OSError:
            pass  # full: it wakes anyway

    def drain(self) -> None:
        """Be quiet until the next one."""
        try:
            self._reader.recv(4096)
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Leave the signals as they were."""
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._reader.close()
        self._writer.close()


class Session:
    """Console, signals and logs around one machine; a context manager that leaves nothing behind."""

    def __init__(
        self,
        specification: MachineSpecification,
        log: Callable[[logging.LogRecord], None],
        listening: Listening | None = None,
    ) -> None:
        self.specification = specification
        self.server: ControlServer | None = None
        self._listening = listening
        self.failure: StreamError | None = None
        self.on_frame: Callable[[int, bytes], None] = lambda adapter, frame: None
        """Called with what a machine puts on its cables: adapter's place among the cabled, frame."""
        self.began = 0.0
        self._ended = False
        self._handler = LogHandler(log)
        root, drivers = logging.getLogger(), logging.getLogger("driver")
        self._levels = [(logger, logger.level) for logger in (root, drivers)]
        self._handlers = root.handlers[:]
        root.handlers[:] = [self._handler]
        root.setLevel(logging.WARNING)  # libraries tell their own story below
        drivers.setLevel(1)
        self.console = Console(listening)
        self.signals = Signals()
        self.machine: MachineProxy | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def interrupted(self) -> bool:
        """Whether somebody has asked for the end."""
        return self.signals.count > 0

    @property
    def over(self) -> bool:
        """Whether the machine shall not go on, or does not."""
        return self.interrupted or self.failure is not None or not self.alive or self.replayed

    @property
    def replayed(self) -> bool:
        """Whether every capture file that the run shall end with has been replayed."""
        wires = {n for n, adapter in enumerate(self.specification.adapters) if adapter.wire.end == "exit"}
        return bool(wires) and self.machine is not None and wires <= self.machine.finished_wires

    @property
    def switched_off(self) -> bool:
        """Whether the machine has ended by itself, without a stop."""
        return not self._ended and self.machine is not None and self.machine.state == "ended"

    @property
    def alive(self) -> bool:
        """Whether the machine runs, or is about to."""
        return self.machine is not None and self.machine.state in ("starting", "running")

    @property
    def seconds(self) -> float:
        """Since the machine began to run; 0 before."""
        return time.monotonic() - self.began if self.began else 0.0

    def fail(self, failure: StreamError) -> None:
        """Note that there is nobody to be told anything more; on any thread."""
        self.failure = self.failure or failure
        self.signals.wake()

    def start(self, namespaces: dict[int, int] | None = None) -> bool:
        """Start the machine and wait until it runs; False when it shall end before.  Raises what keeps it from it."""
        self.machine = machine = self.console.start_machine(self.specification, namespaces)
        if self._listening is not None:
            self.server = ControlServer(machine, self._listening)
        while machine.state == "starting" and not self.over:
            self.attend(1.0)
        self.began = time.monotonic()
        return machine.state == "running" and not self.over

    def attend(self, seconds: float, *others: Any) -> None:
        """Listen for so long at most; returns after the first thing that happened.

        ``others`` are further things to poll for reading, of the caller.
        """
        poll = select.poll()
        cables = {cable.fileno(): number for number, cable in enumerate(self.machine.cables if self.machine else [])}
        server = self.server
        for readable in (self.console, self.signals, *others, *((server,) if server is not None else ())):
            poll.register(readable, select.POLLIN)
        if server is not None:
            seconds = min(seconds, server.due() - time.monotonic())
        for descriptor in cables:
            if descriptor >= 0:
                poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(max(0.0, seconds) * 1000):
            if descriptor in cables:
                self._drain(cables[descriptor])
        self.signals.drain()
        self.console.pump(0)
        if server is not None:
            server.serve()

    def _drain(self, number: int) -> None:
        assert self.machine is not None
        cable = self.machine.cables[number]
        for _ in range(FRAMES_AT_ONCE):
            frame = cable.receive(0)
            if frame is None:
                if cable.gone:
                    cable.close()
                return
            self.on_frame(number, frame)

    def sample(self) -> Sample | None:
        """The counters now; None when the machine has ended."""
        assert self.machine is not None
        try:
            return sample_of(self.machine.statistics(ANSWER_SECONDS), self.seconds)
        except MachineStop:
            return None
        except (HostError, ConfigurationError, EmulatorError):
            if self.alive:
                raise
            return None

    def end(self) -> None:
        """End in order; at once when interrupted once more."""
        machine = self.machine
        assert machine is not None
        self._ended = True
        asked = self.signals.count
        limit = time.monotonic() + (float("inf") if self.specification.debug else ENDING_SECONDS)
        machine.shutdown()
        killed = False
        while machine.state in ("starting", "running"):
            if not killed and self.signals.count > max(asked, 1):
                machine.kill()
                killed = True
                limit = time.monotonic() + KILLING_SECONDS
            if time.monotonic() > limit:
                raise EmulatorError(f"machine {machine.name} does not end")
            self.attend(0.5)

    def close(self) -> None:
        """Let everything go: processes, logs, signals.  What drivers logged has been shown when this returns."""
        try:
            if self.server is not None:
                self.server.close()
            self.console.close()
        finally:
            self.signals.close()
            logging.getLogger().handlers[:] = self._handlers
            for logger, level in self._levels:
                logger.setLevel(level)

    def report(self) -> MachineReport | None:
        """The stop, if there was one.  Raises what else the machine ended of: a host that died, something left over."""
        machine = self.machine
        if machine is None:
            return None
        if machine.state == "failed":
            machine.wait_running(0)
        report = machine.report()
        if report is None and machine.ended is not None and machine.ended.leftovers:
            raise EmulatorError(f"left behind: {', '.join(machine.ended.leftovers)}")
        return report
