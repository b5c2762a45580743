"""The ways that a TCP connection of the benchmark can take: through the kernel, through C, through the emulator.

Law: a road is laid once and serves every round; with super-frames or without is a property of the road, and both ends
of a connection keep the kernel's own settings.
"""

from __future__ import annotations

import fcntl
import subprocess
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytun

from emulator.host.console import Console
from emulator.host.specification import AdapterSpecification, DriverSpecification, MachineSpecification
from emulator.layout.arena import Geometry
from emulator.rules.errors import HostError
from tools.bench.echo_subjects import PEER_ADDRESS, Build
from tools.bench.emulator_subjects import MINIPORT, roles_of, wait_started
from tools.bench.link import open_tap
from tools.bench.processes import Forked, end
from tools.bench.python_peers import (
    FRAME_ROOM,
    HEADER_BYTES,
    LARGE_ROOM,
    copy_with_pytun,
    copy_with_scapy,
    look_for_scapy,
    reflect_large_with_pytun,
    reflect_with_pytun,
    reflect_with_scapy,
)
from tools.bench.stream import Ends
from vnic.wires.network import LinkWatcher, Namespace
from vnic.wires.wire import parse_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tools.bench.link import Tap

ADDRESSES: Final = ("10.80.0.1", "10.80.0.2")
PREFIX: Final = 24
BRIDGE: Final = "sample_drivers.bridge"
REFLECTOR: Final = "tools.bench.tcp_driver"
LINK_SECONDS: Final = 8.0
_TUNSETOFFLOAD: Final = 0x400454D0
_TUN_F_CSUM, _TUN_F_TSO4, _TUN_F_TSO6 = 1, 2, 4
_NUD_PERMANENT: Final = 0x80


class Road(Protocol):
    """A laid way between two ends; `roles` are the processes whose time is accounted."""

    ends: Ends
    roles: Mapping[str, tuple[int, ...]]

    def close(self) -> None:
        """Take it up again."""


def _addressed(namespace: Namespace, interface: str, address: str) -> None:
    """Give an interface an address and bring it up."""
    from pyroute2 import IPRoute

    with namespace.entered(), IPRoute() as route:
        index = route.link_lookup(ifname=interface)[0]
        route.addr("add", index=index, address=address, prefixlen=PREFIX)
        route.link("set", index=index, state="up")


def _wait_up(namespace: Namespace, interface: str) -> None:
    with namespace.entered(), LinkWatcher() as watcher:
        try:
            watcher.wait_for(interface, carrier=True, timeout=LINK_SECONDS)
        except TimeoutError as error:
            raise HostError(f"waiting for the interface {interface}", "run again", str(error)) from error


def _knows(namespace: Namespace, interface: str, address: str, station: str) -> None:
    """Tell a network for good which station has an address: nobody would answer its question."""
    from pyroute2 import IPRoute

    with namespace.entered(), IPRoute() as route:
        index = route.link_lookup(ifname=interface)[0]
        route.neigh("replace", dst=address, lladdr=station, ifindex=index, state=_NUD_PERMANENT)


def two_networks(stack: ExitStack) -> tuple[Namespace, Namespace]:
    """Two networks that meet nowhere."""
    return stack.enter_context(Namespace.create()), stack.enter_context(Namespace.create())


class KernelBridge:
    """The kernel's own bridge between two veth pairs."""

    def __init__(self, *, large: bool) -> None:
        from pyroute2 import IPRoute

        self.roles: Mapping[str, tuple[int, ...]] = {}
        self._stack = ExitStack()
        try:
            first, second = two_networks(self._stack)
            middle = self._stack.enter_context(Namespace.create())
            with middle.entered(), IPRoute() as route:
                route.link("add", ifname="bridge0", kind="bridge")
                bridge = route.link_lookup(ifname="bridge0")[0]
                for number, network in enumerate((first, second)):
                    port = f"port{number}"
                    route.link("add", ifname=port, kind="veth", peer={"ifname": "veth0", "net_ns_fd": network.fileno()})
                    route.link("set", index=route.link_lookup(ifname=port)[0], state="up", master=bridge)
                route.link("set", index=bridge, state="up")
            for network, address in zip((first, second), ADDRESSES, strict=True):
                _addressed(network, "veth0", address)
                if not large:
                    with network.entered(), IPRoute() as route:
                        route.link("set", index=route.link_lookup(ifname="veth0")[0], gso_max_segs=1)
                _wait_up(network, "veth0")
        except BaseException:
            self.close()
            raise
        self.ends = Ends(first, second, ADDRESSES[1], ADDRESSES[1])

    def close(self) -> None:
        """The kernel ends the links with their namespaces."""
        self._stack.close()


class TapRoad:
    """Between two TAPs one process that copies, on one TAP one that sends back what comes."""

    def __init__(self, *, taps: int, large: bool = False) -> None:
        self.roles: Mapping[str, tuple[int, ...]] = {}
        self._stack = ExitStack()
        try:
            networks = [self._stack.enter_context(Namespace.create()) for _ in range(taps)]
            self.roles = {"worker": (self._begin(networks, large),)}
            for network, address in zip(networks, ADDRESSES, strict=False):
                _addressed(network, "tap0", address)
                _wait_up(network, "tap0")
            if taps == 1:
                _knows(networks[0], "tap0", ADDRESSES[1], PEER_ADDRESS)
        except BaseException:
            self.close()
            raise
        self.ends = Ends(networks[0], networks[-1], ADDRESSES[taps - 1], ADDRESSES[1])

    def _begin(self, networks: Sequence[Namespace], large: bool) -> int:
        """Start the process, which ends with the road, with a TAP in each network; its pid."""
        raise NotImplementedError

    def _open(self, networks: Sequence[Namespace], large: bool) -> list[Tap]:
        """Open the TAPs in this process, which holds them until the road is taken up."""
        opened = []
        for network in networks:
            with network.entered():
                tap = open_tap("tap0", pytun.IFF_VNET_HDR if large else 0)
            self._stack.callback(tap.close)
            if large:
                fcntl.ioctl(tap.fileno(), _TUNSETOFFLOAD, _TUN_F_CSUM | _TUN_F_TSO4 | _TUN_F_TSO6)
            opened.append(tap)
        return opened

    def _fork(self, function: Callable[[Callable[[], None]], None]) -> int:
        """Run a loop in a process of its own; its pid."""
        process = Forked(function)
        self._stack.callback(process.end)
        process.wait_ready()
        return process.pid

    def close(self) -> None:
        """End the process, then the TAPs and the networks."""
        self._stack.close()


class CopierRoad(TapRoad):
    """c/copier.c."""

    def __init__(self, program: Path, *, taps: int, large: bool) -> None:
        self._program = program
        super().__init__(taps=taps, large=large)

    def _begin(self, networks: Sequence[Namespace], large: bool) -> int:
        descriptors = [tap.fileno() for tap in self._open(networks, large)]
        header = HEADER_BYTES if large else 0
        process = subprocess.Popen([str(self._program), str(header), *map(str, descriptors)], pass_fds=descriptors)
        self._stack.callback(end, process)
        return process.pid


class PytunLoopRoad(TapRoad):
    """The shortest Python that does it with pytun."""

    def _begin(self, networks: Sequence[Namespace], large: bool) -> int:
        taps = self._open(networks, large)
        if len(taps) == 1:
            return self._fork(partial(reflect_large_with_pytun if large else reflect_with_pytun, taps))
        return self._fork(partial(copy_with_pytun, LARGE_ROOM if large else FRAME_ROOM, taps))


class ScapyRoad(TapRoad):
    """scapy's bridge_and_sniff between two TAPs that it makes itself, its AnsweringMachine on one; plain frames."""

    def _begin(self, networks: Sequence[Namespace], large: bool) -> int:
        look_for_scapy()
        return self._fork(partial(reflect_with_scapy if len(networks) == 1 else copy_with_scapy, networks))


def have_offloads() -> bool:
    """Can an adapter of this emulator have super-frames?"""
    return "offloads" in AdapterSpecification.__struct_fields__


class EmulatorRoad:
    """netvmini on two TAPs with the bridge between them, or on one with a bridge that sends back what came."""

    def __init__(self, build: Build, *, taps: int, large: bool) -> None:
        self._stack = ExitStack()
        more: dict[str, Any] = {"offloads": True} if large else {}
        if taps == 1:
            more["mac"] = PEER_ADDRESS
        try:
            networks = [self._stack.enter_context(Namespace.create()) for _ in range(taps)]
            names = [f"adapter{number}" for number in range(taps)]
            specification = MachineSpecification(
                name=f"bench-tcp-{taps}",
                geometry=Geometry(processors=1, passive_workers=1, checked=build == "checked"),
                drivers=[
                    DriverSpecification(kind="miniport", module=MINIPORT),
                    DriverSpecification(kind="protocol", module=BRIDGE if taps > 1 else REFLECTOR),
                ],
                adapters=[
                    AdapterSpecification(
                        name=name,
                        wire=parse_wire("tap:tap0", f"{address}/{PREFIX}"),
                        **more,
                    )
                    for name, address in zip(names, ADDRESSES, strict=False)
                ],
                log_level=40,
            )
            console = Console()
            self._stack.callback(console.close)
            inside = {number: network.fileno() for number, network in enumerate(networks)}
            machine = console.start_machine(specification, inside)
            self._stack.callback(machine.stop)
            wait_started(machine)
            for network in networks:
                _wait_up(network, "tap0")
            if taps == 1:
                _knows(networks[0], "tap0", ADDRESSES[1], PEER_ADDRESS)
        except BaseException:
            self.close()
            raise
        self.roles: Mapping[str, tuple[int, ...]] = roles_of(machine)
        self.ends = Ends(networks[0], networks[-1], ADDRESSES[taps - 1], ADDRESSES[1])

    def close(self) -> None:
        """End the machine in order, then its host; the networks go last."""
        self._stack.close()
