"""The laboratory of one test: starts machines on wires of their own, and in the end tells what is not as it should be.

Law: nothing is forked before the first machine is started; what was started is ended in order, and every complaint has
the name of what it is about.
"""

from __future__ import annotations

import inspect
import os
import re
import tempfile
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from emulator.host.console import Console, Deadline, MachineStop
from emulator.rules.errors import ConfigurationError, EmulatorError, HostError
from emulator.testing import leftovers, specify
from emulator.testing.ends import CableEnd, FileEnd, Ground, TapEnd
from emulator.testing.expectation import Expectation
from emulator.testing.log import DriverLog
from emulator.testing.machine import DEADLINE, LabMachine
from emulator.testing.nic import Nic

__tracebackhide__ = True  # a failure is shown where the test asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emulator.host.specification import MachineSpecification, RegistryValue
    from emulator.testing.ends import End
    from vnic.wires.network import LinkWatcher, Namespace


class Lab:
    """What the fixture ``lab`` gives to a test."""

    def __init__(self, name: str = "lab") -> None:
        self.name = name
        self.machines: list[LabMachine] = []
        self.log = DriverLog()
        """What the drivers say, as it arrives."""
        self._before = leftovers.Snapshot.take()
        self._console: Console | None = None
        self._grounds: list[Ground] = []
        self._shared_ground: Ground | None = None
        self._ends: list[End] = []
        self._adapters = 0
        self._finished = False
        self.log.open()

    # -- starting ------------------------------------------------------------------------------------------------------

    def start(
        self,
        miniport: str,
        *,
        protocol: str | Sequence[str] = (),
        filters: str | Sequence[str] = (),
        intermediate: str | Sequence[str] = (),
        wire: str = "cable",
        adapters: int = 1,
        processors: int = 1,
        passive_workers: int = 2,
        checked: bool = True,
        registry: dict[str, RegistryValue] | None = None,
        address: str | Sequence[str] | None = None,
        apart: bool = False,
        mac: str = "",
        mtu: int = 1500,
        capture: str | os.PathLike[str] = "",
        faults: str = "",
        messages: int | None = None,
        offloads: bool = False,
        queues: int = 1,
        name: str = "",
        **options: Any,
    ) -> Nic:
        """Start a machine and give its first adapter; ``.machine.nics`` has them all.

        ``miniport``, ``protocol``, ``filters`` and ``intermediate`` (one or several, the topmost filter first) are
        paths or module names; the sample drivers have short ones too.  ``wire`` is ``cable``, which needs no
        privileges, or ``tap``, in an anonymous network namespace with the kernel's own stack at the far end: such a
        test is skipped, with the reason, where the computer has none; or ``pcap:FILE,out=FILE``, which is replayed.
        ``address`` is the far end's, or one for each adapter's; by default each adapter has a network of its own.
        ``apart`` puts each TAP into a namespace of its own: then they meet in the machine alone.  ``capture`` names the
        pcapng file to which the adapter's frames are written, ``faults`` what happens to them on the wire, as in
        ``loss=0.01,seed=7`` (docs/configuration.md), ``queues`` how many hardware queues each adapter has, ``messages``
        how many interrupt messages (as many as queues, where there are several), ``offloads`` whether their TAPs hand
        over frames that are not finished.
        Further options are fields of the machine's geometry and of its watchdog.
        """
        addresses = [address] if isinstance(address, str) else [None] * adapters if address is None else list(address)
        if len(addresses) != adapters or (adapters > 1 and (mac or capture)):
            raise TypeError("an address, a mac or a capture is for one adapter; start several machines or leave it out")
        if messages is None:
            messages = queues if queues > 1 else 0
        kept = os.fspath(capture)
        chosen = [
            specify.adapter(
                wire, self._adapters + i, one, mac, mtu, kept, faults, messages, offloads=offloads, queues=queues
            )
            for i, one in enumerate(addresses)
        ]
        self._adapters += adapters
        shape = {"processors": processors, "passive_workers": passive_workers, "checked": checked}
        return self.start_machine(
            specify.machine(
                name or self._free_name(miniport),
                specify.drivers(miniport, protocol, filters, intermediate),
                chosen,
                dict(registry or {}),
                {**shape, **options},
                inspect.signature(self.start).parameters.keys() - {"options"},
            ),
            apart=apart,
        )

    def start_machine(self, specification: MachineSpecification, *, apart: bool = False) -> Nic:
        """Start a machine as it is specified, its TAPs in the laboratory's namespace or each in one of its own."""
        if not specification.devices:
            place = os.path.join(tempfile.gettempdir(), f"ndisemu-{os.getpid()}-{len(self.machines)}-{id(self):x}")
            specification = msgspec.structs.replace(specification, devices=place)
        taps = [n for n, adapter in enumerate(specification.adapters) if adapter.wire.kind == "tap"]
        try:
            grounds = {number: self._new_ground() if apart else self._ground for number in taps}
            inside = {number: ground.namespace.fileno() for number, ground in grounds.items()}
            machine = LabMachine(self.console.start_machine(specification, inside or None))
            self.machines.append(machine)
            machine.start()
        except ConfigurationError as error:
            raise error.with_traceback(None) from None  # it says all there is to say
        except HostError as error:
            captures = [adapter.capture for adapter in specification.adapters if adapter.capture]
            if taps and not any(path in error.step for path in captures):
                pytest.skip(f"needs a TAP: {error}")
            raise
        cables = iter(machine.proxy.cables)
        for number, adapter in enumerate(machine.proxy.specification.adapters):
            end: End
            if adapter.wire.kind == "cable":
                end = CableEnd(next(cables))
            elif adapter.wire.kind == "pcap":
                end = FileEnd(machine, number)
            else:
                end = TapEnd(grounds[number].namespace, adapter.wire.interface, grounds[number].links)
            self._ends.append(end)
            machine.nics.append(Nic(machine, number, end))
        if not machine.nics:
            raise ConfigurationError(f"machine {machine.name} has no adapter")
        self._wait_started(machine)
        return machine.nics[0]

    def _wait_started(self, machine: LabMachine) -> None:
        """A start that succeeded turns the carrier on; wait for it, so that what a test sends next arrives."""
        from emulator.ndis.headers.status import status_name

        for nic, status in zip(machine.nics, machine.proxy.statuses, strict=True):
            if status == 0:
                nic.wait_carrier(True)
            else:
                self.log.emit_note(machine.name, f"adapter {nic.number} did not start: {status_name(status)}")

    def _free_name(self, miniport: str) -> str:
        stem = re.sub(r"\W", "_", miniport.removesuffix(".py").rpartition("/")[2].rpartition(".")[2]) or "machine"
        taken = {machine.name for machine in self.machines}
        return next(name for n in range(1, 1000) if (name := stem if n == 1 else f"{stem}{n}") not in taken)

    @property
    def console(self) -> Console:
        """Nursery and host, started when they are first needed."""
        if self._console is None:
            if self._finished:
                raise EmulatorError("the laboratory is closed")
            self._console = Console()
        return self._console

    @property
    def namespace(self) -> Namespace:
        """The anonymous network namespace in which the laboratory's TAPs lie."""
        return self._ground.namespace

    @property
    def links(self) -> LinkWatcher:
        """What netlink says of the interfaces in the laboratory's namespace."""
        return self._ground.links

    @property
    def _ground(self) -> Ground:
        """What TAPs share that are not apart."""
        if self._shared_ground is None:
            self._shared_ground = self._new_ground()
        return self._shared_ground

    def _new_ground(self) -> Ground:
        ground = Ground()
        self._grounds.append(ground)
        return ground

    # -- while it runs -------------------------------------------------------------------------------------------------

    def expect_stop(
        self,
        code: int,
        subcode: int | None = None,
        rule: str | None = None,
        *,
        parameters: Sequence[int | None] = (),
        timeout: float = DEADLINE,
    ) -> Expectation:
        """Expect a machine to stop inside the ``with`` block, or soon after it, with exactly this bug check.

        ``subcode`` is its first parameter; ``parameters`` gives all four, None for one that does not matter.
        """
        return Expectation(self, code, subcode, rule, parameters, timeout)

    def control(self, nic: Nic, operation: int, argument: int = 0) -> Any:
        """Let the PnP thread carry out a control operation on an adapter; its NDIS_STATUS."""
        return nic.control(operation, argument)

    # -- the end -------------------------------------------------------------------------------------------------------

    def finish(self) -> list[str]:
        """End every machine in order and give everything back; what was not as it should be, one text each."""
        if self._finished:
            return []
        self._finished = True
        problems = [text for machine in self.machines if (text := self._end(machine))]
        members = {pid: f"{machine.name}" for machine in self.machines for pid in machine.proxy.pids().values()}
        if self._console is not None:
            members |= {self._console.host_pid: "the host", self._console.nursery_pid: "the nursery"}
        self._give_back()
        problems += [f"process left: {pid} of {whose}" for pid, whose in members.items() if leftovers.alive(pid)]
        return problems + leftovers.left_since(self._before)

    def _end(self, machine: LabMachine) -> str:
        if machine.expected:
            return ""
        try:
            machine.proxy.shutdown()
            machine.proxy.wait_ended(DEADLINE)
        except (ConfigurationError, HostError):
            return ""  # it was never there, and the test has been told
        except (Deadline, MachineStop, EmulatorError) as error:
            machine.proxy.kill()
            return f"machine {machine.name} did not end in order: {error}"
        if machine.report is not None:
            return machine.described_end()
        ended = machine.proxy.ended
        left = ended.leftovers if ended is not None else []
        return f"machine {machine.name} left: {', '.join(left)}" if left else ""

    def _give_back(self) -> None:
        for end in self._ends:
            end.close()
        if self._console is not None:
            self._console.close()
        for ground in self._grounds:
            ground.close()
        self._ends, self._console, self._grounds, self._shared_ground = [], None, [], None
        self.log.close()

    def close(self) -> None:
        """Give everything back, whatever has happened before."""
        self._finished = True
        self._give_back()
