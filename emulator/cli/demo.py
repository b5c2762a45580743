"""`ndisemu demo`: real pings through a miniport at DISPATCH_LEVEL, a protocol and work items, in a few seconds.

Law: a real TAP in a namespace of its own and the kernel's ICMP where privileges or user namespaces allow it, else the
cable; what was used and what was not is said. The closing line is true: lost frames, lost work items and anything left
behind are looked for.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import select
import socket
import time
from ipaddress import IPv4Interface
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from emulator.cli import frames, streams
from emulator.rules.errors import EXIT_INTERRUPTED, EXIT_STOP, ConfigurationError, EmulatorError, HostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emulator.cli.samples import Sample
    from emulator.cli.session import Session
    from emulator.host.specification import MachineSpecification
    from vnic.wires.network import Namespace
    from vnic.wires.ping import Pinger, PingResult

ADDRESS: Final = "10.77.0.1/24"
INTERFACE: Final = "ndis0"
PINGS: Final = 1000
INTERVAL: Final = 0.001
AGING_MS: Final = 10
"""How often responder ages its table in a work item: often enough for percentiles in a few seconds."""
FRAMES_PER_DPC: Final = 1
"""After so many frames netvmini's DPC leaves the rest to a work item, so that one is queued to the critical queue."""
SIZES: Final = (56, 256, 1472)
FRAMES_SHOWN: Final = 6
SETTLE_SECONDS: Final = 3.0
LONGEST: Final = 1 << 16
_ETH_P_ALL: Final = 0x0003


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this subcommand."""
    parser.add_argument("--wire", choices=("auto", "tap", "cable"), default="auto", help="a TAP where there can be one")
    parser.add_argument("--pings", type=_count, default=PINGS, metavar="N", help=f"how many pings ({PINGS})")
    parser.add_argument("--json", action="store_true", help="one object with the figures")
    parser.add_argument("-v", "--verbose", action="store_true", help="what the drivers log, too")


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 100_000:
        raise argparse.ArgumentTypeError(f"{text}: 1 to 100000")
    return value


def run(options: argparse.Namespace) -> int:
    """Show it; the exit code."""
    return Demo(options).run()


def specification_of(wire: str) -> MachineSpecification:
    """The machine of the demo."""
    from emulator.host.specification import AdapterSpecification, DriverSpecification, MachineSpecification
    from vnic.wires.wire import parse_wire

    return MachineSpecification(
        name="demo",
        drivers=[
            DriverSpecification(
                kind="miniport", module="sample_drivers.netvmini", registry={"FramesPerDpc": FRAMES_PER_DPC}
            ),
            DriverSpecification(
                kind="protocol", module="sample_drivers.responder", registry={"AgingInterval": AGING_MS}
            ),
        ],
        adapters=[AdapterSpecification(wire=parse_wire(wire, ADDRESS))],
        registry={"Address": ADDRESS},
        log_level=logging.DEBUG,
    )


class Demo:
    """One demonstration."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.output, self.errors = streams.standard_output(), streams.standard_error()
        self.interface = IPv4Interface(ADDRESS)
        self.neighbour = self.interface.ip + 1
        self.obstacle = ""
        self.own_namespace = False
        self.shown = 0
        self.began = 0.0
        self.result: PingResult | None = None
        self.sample: Sample | None = None
        self.faults: list[str] = []

    def run(self) -> int:
        """Show it; the exit code."""
        self.obstacle = obstacle = self._obstacle()
        if obstacle:
            self.say(obstacle)
        with contextlib.ExitStack() as stack:
            namespace: Namespace | None = None
            if not obstacle:
                from vnic.wires.network import Namespace

                namespace = stack.enter_context(Namespace.create())
            code = self._machine(namespace)
            if namespace is not None and code == 0:
                self._look_for_interfaces(namespace)
        return self._close(code, "cable" if obstacle else "tap")

    def say(self, text: str) -> None:
        """A line for people."""
        if not self.options.json:
            self.output.line(text)

    def _obstacle(self) -> str:
        """Why there is no TAP, in one line; empty when there is one."""
        if self.options.wire == "cable":
            return "on the cable, as asked for"
        from emulator.host import own_namespace, privileges

        found = privileges.tap_obstacle()
        if found is None:
            self.own_namespace = privileges.needs_own_namespace()
            if self.own_namespace:
                own_namespace.enter()
            return ""
        reason = f"{found.name}: {found.detail}; to mend it: {found.mend}"
        if self.options.wire == "tap":
            raise HostError("making a TAP", found.mend, f"{found.name}: {found.detail}")
        return f"no TAP here, so on the cable ({reason})"

    def _machine(self, namespace: Namespace | None) -> int:
        """Run the machine; 0, or the exit code of what ended it."""
        from emulator.cli.session import Session

        specification = specification_of(f"tap:{INTERFACE}" if namespace is not None else "cable")
        with Session(specification, self._log) as session:
            self.output.on_failure = session.fail
            if session.start({0: namespace.fileno()} if namespace is not None else None):
                self._introduce(session)
                self._ping(session, namespace)
                self._settle(session)
            machine = session.machine
            assert machine is not None
            processes = [session.console.host_pid, session.console.nursery_pid, *machine.pids().values()]
            if session.alive:
                session.end()
        report = session.report()
        if report is not None:
            self.errors.text(machine.screen)
            return report.exit_code
        if session.failure is not None:
            raise session.failure
        if session.interrupted:
            return EXIT_INTERRUPTED
        if machine.statuses != [0]:
            raise ConfigurationError("the adapter of the demo could not be started; -v shows why")
        self.faults += [f"process {pid} is left" for pid in processes if _alive(pid)]
        return 0

    def _introduce(self, session: Session) -> None:
        wire = session.specification.adapters[0].wire
        geometry = session.specification.geometry
        kind = "user and network" if self.own_namespace else "network"
        where = f"{wire.name}, in a {kind} namespace of its own" if wire.interface else "the cable"
        self.say(
            f"netvmini on {where}; {geometry.processors} processor at DISPATCH_LEVEL, "
            f"{geometry.passive_workers} passive workers; responder answers for {self.neighbour}"
        )

    # -- pings -----------------------------------------------------------------------------------------------------

    def _ping(self, session: Session, namespace: Namespace | None) -> None:
        self.began = time.monotonic()
        with self._pinger(session, namespace) as (pinger, watched):
            poll = select.poll()
            for readable in (pinger, session.console, session.signals, *watched):
                poll.register(readable, select.POLLIN)
            own = {readable.fileno(): act for readable, act in watched.items()}
            pinger.step()
            while not pinger.finished and not session.over:
                for descriptor, _ in poll.poll(max(1.0, pinger.seconds_until_due() * 1000)):
                    if descriptor == pinger.fileno():
                        pinger.step()
                    elif descriptor in own:
                        own[descriptor]()
                    else:
                        session.attend(0)
                pinger.step()
            for act in watched.values():
                act()
            self.result = result = pinger.result()
        self.say(f"pings: {result}")

    @contextlib.contextmanager
    def _pinger(
        self, session: Session, namespace: Namespace | None
    ) -> Iterator[tuple[Pinger, dict[Any, Callable[[], None]]]]:
        """The pinging end, and what else to poll for frames to be shown."""
        from vnic.wires.ping import Pinger

        options = {"count": self.options.pings, "sizes": SIZES, "interval": INTERVAL}
        if namespace is None:
            from emulator.cli.station import Station

            assert session.machine is not None
            cable = session.machine.cables[0]
            if not cable.wait_carrier(True, SETTLE_SECONDS):
                raise EmulatorError("the cable's carrier does not come up")
            station = Station(cable, self.interface.ip, self.neighbour, self._show)
            with Pinger(str(self.neighbour), through=station, **options) as pinger:
                yield pinger, {}
            return
        from vnic.wires.links import LinkWatcher

        with contextlib.ExitStack() as stack:
            with namespace.entered():
                watcher = stack.enter_context(LinkWatcher())
                watcher.wait_for(INTERFACE, carrier=True, timeout=SETTLE_SECONDS)
                tap = _capture()
                pinger = stack.enter_context(Pinger(str(self.neighbour), **options))
            if tap is None:
                yield pinger, {}
                return
            with tap:
                yield pinger, {tap: lambda: self._captured(tap)}

    def _captured(self, tap: socket.socket) -> None:
        while True:
            try:
                frame, (_, _, kind, _, _) = tap.recvfrom(LONGEST)
            except BlockingIOError:
                return
            self._show(kind == socket.PACKET_OUTGOING, frame)

    def _show(self, outwards: bool, frame: bytes) -> None:
        """Show the first few frames."""
        self.shown += 1
        if self.shown <= FRAMES_SHOWN:
            moment = (time.monotonic() - self.began) * 1000
            self.say(f"{moment:9.3f} ms {'-->' if outwards else '<--'} {frames.in_words(frame)}")

    # -- work items and the end --------------------------------------------------------------------------------------

    def _settle(self, session: Session) -> None:
        """Wait until every work item that was queued has run."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while not session.over:
            sample = session.sample()
            if sample is None:
                return
            self.sample = sample
            if sample.items_run == sample.counters["work_items_queued"] or time.monotonic() > deadline:
                break
            session.attend(0.01)
        if self.sample is not None:
            queued, ran = self.sample.counters["work_items_queued"], self.sample.items_run
            critical = self.sample.counters["work_items_critical"]
            self.say(
                f"work items: {queued} queued at DISPATCH_LEVEL, {critical} of them critical, "
                f"{ran} run at PASSIVE_LEVEL in other processes, "
                f"queue to callback p50 {self.sample.delay(50):.1f} us, p99 {self.sample.delay(99):.1f} us"
            )

    def _look_for_interfaces(self, namespace: Namespace) -> None:
        from vnic.wires.network import interfaces

        with namespace.entered():
            self.faults += [f"interface {name} is left" for name in interfaces() if name != "lo"]

    def _close(self, code: int, wire: str) -> int:
        """The closing line."""
        if code == EXIT_INTERRUPTED:
            self._end(wire, "interrupted", "before the end", code)
            return code
        if code:
            self._end(wire, "stopped", "the stop screen says why", code)
            return code
        result, sample = self.result, self.sample
        if result is None or sample is None:
            raise EmulatorError("the machine ended before the demo did")
        if not result.clean:
            self.faults.insert(0, "pings were lost")
        if sample.items_run != sample.counters["work_items_queued"]:
            self.faults.append("work items were not run")
        if not sample.counters["work_items_critical"]:
            self.faults.append("no work item went through the critical queue")
        p50, p99 = (result.percentile(percent) / 1000 for percent in (50, 99))
        told = [
            f"{result.sent + result.refused} pings, {result.received} answered, p50 {p50:.0f} us, p99 {p99:.0f} us",
            f"{sample.items_run} work items, queue to callback p50 {sample.delay(50):.0f} us",
            ", ".join(self.faults) or "nothing left behind",
        ]
        code = EXIT_STOP if self.faults else 0
        self._end(wire, "lost" if self.faults else "ok", "; ".join(told), code)
        return code

    def _end(self, wire: str, word: str, told: str, code: int) -> None:
        if not self.options.json:
            self.output.line(f"{word}: {told}")
        else:
            self._object(wire, word, code)
        if self.output.failure is not None:
            raise self.output.failure

    def _object(self, wire: str, word: str, code: int) -> None:
        import json

        fields: dict[str, Any] = {"event": "demo", "verdict": word, "exit_code": code, "wire": wire}
        fields["obstacle"] = self.obstacle
        result, sample = self.result, self.sample
        if result is not None:
            fields["pings"] = {
                "sent": result.sent,
                "answered": result.received,
                "lost": result.lost + result.refused,
                "round_trip_p50_us": result.percentile(50) / 1000,
                "round_trip_p99_us": result.percentile(99) / 1000,
            }
        if sample is not None:
            fields["work_items"] = {
                "queued": sample.counters["work_items_queued"],
                "critical": sample.counters["work_items_critical"],
                "run": sample.items_run,
                "queue_to_callback_p50_us": sample.delay(50),
                "queue_to_callback_p99_us": sample.delay(99),
            }
        self.output.line(json.dumps(fields | {"faults": self.faults}))

    def _log(self, record: logging.LogRecord) -> None:
        if self.options.verbose or record.levelno >= logging.WARNING:
            stream = self.errors if self.options.json else self.output
            stream.line(f"{record.name.removeprefix('driver.')}: {record.getMessage()}")


def _capture() -> socket.socket | None:
    """A socket that sees the interface's frames; None where none is permitted."""
    try:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.htons(_ETH_P_ALL))
    except OSError:
        return None
    made.setblocking(False)
    made.bind((INTERFACE, 0))
    return made


def _alive(pid: int) -> bool:
    """Is there such a process, and not merely its number?"""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX" and pid != os.getpid()
