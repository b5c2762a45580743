"""`ndisemu run`: one machine, from a file or from options, until it ends, its time is up or somebody interrupts.

Law: the exit code says how it ended, and by then nothing of the machine is left.
"""

from __future__ import annotations

import argparse
import logging
import math
import time
from typing import TYPE_CHECKING, Final

from emulator.cli import streams
from emulator.rules.errors import EXIT_INTERRUPTED, EXIT_STOP, HostError

if TYPE_CHECKING:
    from emulator.cli.display import Display
    from emulator.cli.plan import Plan
    from emulator.cli.samples import Sample
    from emulator.cli.session import Session
    from emulator.host.listening import Listening
    from emulator.host.specification import MachineSpecification

LIVE_INTERVAL: Final = 0.25
PLAIN_INTERVAL: Final = 1.0
_EPILOG: Final = """\
examples:
  sudo ndisemu run --miniport netvmini --protocol responder --wire tap:ndis0 --address 10.77.0.1/24
  ndisemu run --miniport ./mydriver.py --wire cable --duration 5
  ndisemu run --miniport netvmini --protocol hello --wire pcap:in.pcap,out=out.pcapng,end=exit --capture all.pcapng
  ndisemu run lab.toml --free --json

A driver is a module that can be imported (netvmini, hello and responder are the sample drivers) or a file.
The file's format is described in docs/configuration.md."""


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds")
    return value


def _interval(text: str) -> float:
    value = _seconds(text)
    if value < 0.05:
        raise argparse.ArgumentTypeError(f"{text} is too short: at least 0.05")
    return value


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this subcommand."""
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("file", nargs="?", metavar="FILE.toml", help="describes the machine; options take the place of what it says")
    add("--miniport", action="append", default=[], metavar="M", help="a miniport driver; each runs an adapter")
    add(
        "--intermediate",
        action="append",
        default=[],
        metavar="I",
        help="an intermediate driver, a protocol below and a miniport above",
    )
    add(
        "--protocol",
        action="append",
        default=[],
        metavar="P",
        help="a protocol driver; binds to every adapter, unless a file says which",
    )
    add(
        "--filter",
        action="append",
        default=[],
        metavar="F",
        help="a filter driver over every adapter; the topmost first",
    )
    add(
        "--wire",
        action="append",
        default=[],
        metavar="WIRE",
        help="tap:NAME, cable (default) or pcap:FILE, for each adapter",
    )
    add("--address", action="append", default=[], metavar="A", help="the Linux side's: 10.77.0.1/24,fd00:77::1/64")
    add("--capture", action="append", default=[], metavar="FILE", help="write the adapter's frames to a pcapng file")
    add("--faults", action="append", default=[], metavar="F", help="a bad wire: loss=0.01,in.delay=2ms~1ms,seed=7")
    add("--offloads", action="store_true", help="the TAPs hand over, and take, large frames and unfinished checksums")
    add("--queues", type=int, metavar="N", help="queues of each adapter, with as many messages: for RSS (1)")
    add("--registry", action="append", default=[], metavar="KEY=VALUE", help="a value that drivers find")
    add("--processors", type=int, metavar="N", help="processors at DISPATCH_LEVEL (1)")
    add("--passive-workers", type=int, metavar="M", help="workers for work items at PASSIVE_LEVEL (2)")
    build = parser.add_mutually_exclusive_group()
    build.add_argument(
        "--checked", dest="checked", action="store_true", default=None, help="check every call (default)"
    )
    build.add_argument("--free", dest="checked", action="store_false", help="without the checks, faster")
    add(
        "--split-frames",
        choices=("off", "sample", "allowed", "anywhere"),
        help="cut into several MDLs: no frames, some or all where NDIS allows it, or all beyond the contract (sample)",
    )
    add("--split-seed", type=int, metavar="N", help="cut them at other places (0)")
    add("--duration", type=_seconds, metavar="S", help="end in order after so many seconds")
    add("--debug", action="store_true", help="one context of each kind, no watchdog, stdin for breakpoint()")
    add("--control", default="", metavar="PATH", help="the socket for `ndisemu ctl` (default: by the machine's name)")
    add("--devices", default="", metavar="DIR", help="where programs find the drivers' devices (default: beside it)")
    add("--json", action="store_true", help="one object a line, for programs")
    add("--interval", type=_interval, metavar="S", help="seconds between counters (1; 0.25 on a terminal)")
    add("--log-file", metavar="FILE", help="append every record of the drivers to a file")
    add("-v", "--verbose", action="count", default=0, help="records with time, context and level; process numbers")
    add("-q", "--quiet", action="count", default=0, help="no counters, warnings and errors only; twice: errors only")


def run(options: argparse.Namespace) -> int:
    """Run a machine; the exit code."""
    from emulator.cli.plan import plan_of

    for name in ("processors", "passive_workers"):
        value = getattr(options, name)
        if value is not None:
            _check_count(name, value)
    plan = plan_of(options)
    log_file = streams.log_file(options.log_file) if options.log_file else None
    return Runner(options, plan, log_file).run()


def _enter_namespace(specification: MachineSpecification) -> str:
    """Go where this user may make the machine's TAPs, if that is not here; the command that leads there, or nothing."""
    from emulator.host import own_namespace, privileges
    from vnic.wires.network import interfaces

    taps = {adapter.wire.interface for adapter in specification.adapters} - {""}
    # A TAP that is there already has been made for this user by somebody.
    if not taps or taps & set(interfaces()) or privileges.may_make_taps() or own_namespace.refusal() is not None:
        return ""
    own_namespace.enter()
    return own_namespace.way_in()


def _check_count(name: str, value: int) -> None:
    from emulator.host.specification import MOST_PROCESSORS
    from emulator.layout.arena import MAXIMUM_PASSIVE_WORKERS
    from emulator.rules.errors import ConfigurationError

    most = MOST_PROCESSORS if name == "processors" else MAXIMUM_PASSIVE_WORKERS
    if not 1 <= value <= most:
        raise ConfigurationError(f"--{name.replace('_', '-')} {value}: must be 1 to {most}")


class Runner:
    """One `ndisemu run`."""

    def __init__(self, options: argparse.Namespace, plan: Plan, log_file: streams.Stream | None) -> None:
        import msgspec

        from emulator.cli.display import Display, JsonDisplay, LiveDisplay

        self.output, self.errors = streams.standard_output(), streams.standard_error()
        self.log_file = log_file
        self.quiet = options.quiet
        self.control: str = options.control
        self.least = {0: 1, 1: logging.WARNING}.get(options.quiet, logging.ERROR)
        level = 1 if options.verbose else logging.DEBUG
        self.plan = plan
        self.specification = msgspec.structs.replace(
            plan.specification,
            log_level=level if log_file is not None else max(level, self.least),
            devices=options.devices or plan.specification.devices,
        )
        live = self.output.terminal and not options.json and not self.specification.debug and not options.quiet
        kind = JsonDisplay if options.json else LiveDisplay if live else Display
        self.display: Display = kind(self.output, self.errors, verbosity=options.verbose - options.quiet)
        self.interval = options.interval or (LIVE_INTERVAL if live else PLAIN_INTERVAL)
        # A debugger's prompt and lines that come every second do not go together.
        self.counting = not options.quiet and (options.json or not self.specification.debug)
        self.session: Session | None = None
        self.last: Sample | None = None

    def run(self) -> int:
        """Until the end; the exit code."""
        # Before a namespace is entered in which this user has another number.
        listening = self._listen()
        try:
            return self._run(listening)
        finally:
            if listening is not None:
                listening.close()

    def _run(self, listening: Listening | None) -> int:
        import msgspec

        from emulator.cli.session import Session
        from emulator.host import control_socket

        if listening is not None and not self.specification.devices:
            devices = str(control_socket.devices_of(listening.path))
            self.specification = msgspec.structs.replace(self.specification, devices=devices)
        way_in = _enter_namespace(self.specification)
        if way_in and not self.quiet:
            self.display.inside(way_in)
        with Session(self.specification, self._log, listening) as session:
            self.session = session
            for stream in (self.output, self.log_file):
                if stream is not None:
                    stream.on_failure = session.fail
            try:
                if session.start():
                    self._live(session)
                if session.alive:
                    session.end()
            finally:
                self.display.close()
        return self._account(session)

    def _listen(self) -> Listening | None:
        """The socket for commands; a machine runs without one where none can be had and none was asked for."""
        from emulator.host.control_socket import listen

        try:
            return listen(self.specification.name, self.control)
        except HostError as error:
            if self.control:
                raise
            self.errors.line(f"without `ndisemu ctl`: {error}")
            return None

    def _live(self, session: Session) -> None:
        machine = session.machine
        assert machine is not None
        if not self.quiet:
            self.display.started(machine, session.server.name if session.server is not None else "")
        end = session.began + self.plan.duration if self.plan.duration is not None else math.inf
        due = session.began + self.interval
        if machine.statuses and all(machine.statuses):
            return
        while not session.over:
            now = time.monotonic()
            if now >= end:
                break
            if now >= due and self.counting:
                due = max(due + self.interval, now)
                self._count(session)
                continue
            session.attend(min(end, due if self.counting else math.inf, now + 1.0) - now)
        if session.alive:
            self._count(session)

    def _count(self, session: Session) -> None:
        sample = session.sample()
        if sample is not None:
            self.last = sample
            if self.counting:
                self.display.counters(sample, self.specification)

    def _log(self, record: logging.LogRecord) -> None:
        seconds = self.session.seconds if self.session is not None else 0.0
        if self.log_file is not None:
            moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
            context = getattr(record, "context", "") or "host"
            self.log_file.line(f"{moment} {record.levelname} {record.name} ({context}): {record.getMessage()}")
        if record.levelno >= self.least:
            self.display.log(record, seconds)

    def _account(self, session: Session) -> int:
        """Say how it ended."""
        machine = session.machine
        assert machine is not None
        report = session.report()
        if report is not None:
            self.display.stopped(report, machine.screen)
            return report.exit_code
        if session.failure is not None:
            raise session.failure
        refused = bool(machine.statuses) and all(machine.statuses)
        if not self.quiet:
            why = "no adapter started" if refused else "replayed" if session.replayed else "its time was up"
            why = "switched off" if session.switched_off else why
            why = "interrupted" if session.interrupted else why
            if self.last is not None:
                self.display.wires(self.last, self.specification)
            self.display.ended(self.last, why)
        if self.output.failure is not None:
            raise self.output.failure
        if session.interrupted:
            return EXIT_INTERRUPTED
        if refused:
            from emulator.cli.main import complain

            complain("no adapter could be started: each driver refused its own")
            return EXIT_STOP
        return 0
