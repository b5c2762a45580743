"""What a person or a program sees of a machine that runs: plain lines, a live line on a terminal, or JSON objects.

Law: standard output carries what was asked for, standard error what went wrong; records of drivers arrive on another
thread, so every line is written whole.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from emulator.cli.samples import Sample, line_of, object_of, short_line_of, some, wire_lines_of

if TYPE_CHECKING:
    from emulator.cli.streams import Stream
    from emulator.host.console import MachineProxy
    from emulator.host.specification import MachineSpecification
    from emulator.host.stopscreen import MachineReport

RATE_SECONDS: Final = 1.0
LEVELS: Final = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}


def level_name(level: int) -> str:
    """The name of a log level, or of the one below it."""
    return LEVELS[max((known for known in LEVELS if known <= level), default=10)]


def status_words(status: int) -> str:
    """A status by its name; NDIS, which knows the names, is not imported merely for success."""
    if not status:
        return "NDIS_STATUS_SUCCESS"
    from emulator.ndis.headers.status import status_name

    return status_name(status)


def driver_of(record: logging.LogRecord) -> str:
    """Whose record it is."""
    return record.name.removeprefix("driver.")


class Display:
    """Plain lines: what is written to a pipe or a file."""

    def __init__(self, output: Stream, errors: Stream, *, verbosity: int = 0) -> None:
        self.output = output
        self.errors = errors
        self.verbosity = verbosity
        self.before: Sample | None = None

    def started(self, machine: MachineProxy, control: str = "") -> None:
        """The machine runs; `ndisemu ctl` finds it by that name."""
        specification = machine.specification
        geometry = specification.geometry
        contexts = f"{some(geometry.processors, 'processor')}, {some(geometry.passive_workers, 'passive worker')}"
        self.line(f"{machine.name} runs: {contexts}, {'checked' if geometry.checked else 'free'} build")
        for number, status in enumerate(machine.statuses):
            wire = specification.adapters[number].wire
            address = f" at {wire.address}" if wire.address else ""
            self.line(f"adapter {number} on {wire.name}{address}: {status_words(status) if status else 'started'}")
        if not machine.statuses:
            self.line("no adapter, since no --miniport was named: nothing will bind")
        if control:
            self.line(f"takes commands: ndisemu ctl COMMAND {control}")
        if self.verbosity > 0:
            pids = ", ".join(f"{slot}: {pid}" for slot, pid in sorted(machine.pids().items()))
            self.line(f"host {machine.console.host_pid}, nursery {machine.console.nursery_pid}, by slot {pids}")

    def line(self, text: str) -> None:
        """One line."""
        self.output.line(text)

    def inside(self, way_in: str) -> None:
        """The machine's TAPs are in a network namespace of its own, where this command leads."""
        self.line(
            f"no TAP may be made here, so in a network namespace of its own; to run a program there: {way_in} PROGRAM"
        )

    def counters(self, sample: Sample, specification: MachineSpecification) -> None:
        """The counters now."""
        self.line(line_of(sample, self.before, specification))
        self.before = sample

    def log(self, record: logging.LogRecord, seconds: float) -> None:
        """A record of a driver or of the host."""
        self.line(self.log_line(record, seconds))

    def log_line(self, record: logging.LogRecord, seconds: float) -> str:
        """A record in one line."""
        level = level_name(record.levelno)
        if self.verbosity > 0:
            context = getattr(record, "context", "") or "host"
            return f"{seconds:10.6f} {driver_of(record)} ({context}) {level}: {record.getMessage()}"
        loud = f"{level}: " if record.levelno >= logging.WARNING else ""
        return f"{driver_of(record)}: {loud}{record.getMessage()}"

    def stopped(self, report: MachineReport, screen: str) -> None:
        """The stop screen."""
        self.errors.text(screen)

    def wires(self, sample: Sample, specification: MachineSpecification) -> None:
        """What capture files, faults and replays came to, and which frames were lost where."""
        for line in wire_lines_of(sample, specification):
            self.line(line)

    def ended(self, sample: Sample | None, why: str) -> None:
        """Nothing is left of the machine."""
        summary = ""
        if sample is not None:
            received = sum(adapter.get("received", 0) for adapter in sample.adapters)
            sent = sum(adapter.get("sent", 0) for adapter in sample.adapters)
            lost = f"{sample.lost():,} lost" if sample.lost() else "none lost"
            moved = f"{some(received, 'frame')} in, {sent:,} out, {lost}, {some(sample.items_run, 'work item')}"
            cut = sample.counters.get("frames_cut", 0)
            pieces = f", {some(cut, 'frame')} cut into several MDLs" if cut else ""
            waited = f", queue to callback p50 {sample.delay(50):,.1f} us" if sample.items_run else ""
            summary = f" after {sample.seconds:.1f} s: {moved}{waited}{pieces}"
        self.line(f"ended{summary} ({why})")

    def close(self) -> None:
        """Give the terminal back."""


class JsonDisplay(Display):
    """One object a line."""

    def emit(self, fields: dict[str, Any]) -> None:
        """Write an object."""
        import msgspec

        self.output.line(msgspec.json.encode(fields).decode())

    def started(self, machine: MachineProxy, control: str = "") -> None:
        """The machine runs."""
        adapters = [
            {
                "number": number,
                "wire": adapter.wire.name,
                "address": adapter.wire.address,
                "status": status,
                "status_name": status_words(status),
            }
            for number, (adapter, status) in enumerate(
                zip(machine.specification.adapters, machine.statuses, strict=False)
            )
        ]
        pids = {"host": machine.console.host_pid, "nursery": machine.console.nursery_pid}
        contexts = {str(slot): pid for slot, pid in machine.pids().items()}
        self.emit(
            {
                "event": "started",
                "machine": machine.name,
                "control": control,
                "adapters": adapters,
                "pids": pids,
                "contexts": contexts,
            }
        )

    def counters(self, sample: Sample, specification: MachineSpecification) -> None:
        """The counters now."""
        self.emit(object_of(sample))

    def line(self, text: str) -> None:
        """Words that are for people alone."""

    def inside(self, way_in: str) -> None:
        """The machine's TAPs are in a network namespace of its own."""
        self.emit({"event": "namespace", "enter": way_in})

    def log(self, record: logging.LogRecord, seconds: float) -> None:
        """A record of a driver or of the host."""
        self.emit(
            {
                "event": "log",
                "seconds": round(seconds, 6),
                "driver": driver_of(record),
                "context": getattr(record, "context", "host"),
                "level": level_name(record.levelno),
                "text": record.getMessage(),
            }
        )

    def stopped(self, report: MachineReport, screen: str) -> None:
        """The stop screen, as data."""
        import msgspec

        self.emit({"event": "stop", **msgspec.to_builtins(report)})

    def ended(self, sample: Sample | None, why: str) -> None:
        """Nothing is left of the machine."""
        self.emit({"event": "ended", "why": why, "last": object_of(sample) if sample is not None else None})


class LiveDisplay(Display):
    """Counters on one line of a terminal that changes in place; everything else scrolls above it."""

    def __init__(self, output: Stream, errors: Stream, *, verbosity: int = 0) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__(output, errors, verbosity=verbosity)
        self._console = Console(file=output.target, highlight=False, soft_wrap=True)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._running = False
        self._marks: list[Sample] = []

    def line(self, text: str) -> None:
        """One line above the live one."""
        from rich.text import Text

        self.output.attempt(lambda: self._console.print(Text(text)))

    def counters(self, sample: Sample, specification: MachineSpecification) -> None:
        """Put the counters into the live line."""
        from rich.text import Text

        # Rates over a second, though the line is drawn more often.
        self._marks = [mark for mark in self._marks if mark.seconds > sample.seconds - RATE_SECONDS] or self._marks[-1:]
        counters = short_line_of(sample, self._marks[0] if self._marks else None, specification)
        self._marks.append(sample)

        def act() -> None:
            if not self._running:
                self._live.start()
                self._running = True
            self._live.update(Text(counters, style="bold", no_wrap=True, overflow="ellipsis"), refresh=True)

        self.output.attempt(act)

    def log(self, record: logging.LogRecord, seconds: float) -> None:
        """A record, its driver's name in a colour."""
        from rich.text import Text

        who, _, rest = self.log_line(record, seconds).partition(": ")
        style = "red" if record.levelno >= logging.ERROR else "yellow" if record.levelno >= logging.WARNING else "cyan"
        self.output.attempt(lambda: self._console.print(Text.assemble((who, style), ": ", rest)))

    def close(self) -> None:
        """Leave the last counters where they are and give the cursor back."""
        if self._running:
            self._running = False
            self.output.attempt(self._live.stop)


class LogHandler(logging.Handler):
    """Takes what the host passes on of drivers' records, and what the trusted processes log."""

    def __init__(self, act: Any) -> None:
        super().__init__()
        self._act = act

    def emit(self, record: logging.LogRecord) -> None:
        """Show or keep the record."""
        self._act(record)
