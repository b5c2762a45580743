"""What one would write in Python instead of a driver: loops with pytun, and scapy's own means on its own TAPs.

Law: each serves its TAPs for good and calls `ready` when they are there; it is what the library's documentation shows,
as short as it can be, and is not tuned. scapy is imported in the process that needs it.
"""

from __future__ import annotations

import logging
import select
from typing import TYPE_CHECKING, Any, Final

from emulator.rules.errors import HostError
from tools.bench.link import bring_up
from vnic.wires.network import Namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tools.bench.link import Tap

FRAME_ROOM: Final = 2048
LARGE_ROOM: Final = (1 << 16) + 256
HEADER_BYTES: Final = 10
"""The virtio_net_hdr that stands before each frame of a TAP with IFF_VNET_HDR."""


def echo_with_pytun(taps: Sequence[Tap], ready: Callable[[], None]) -> None:
    """Answer each frame with its Ethernet addresses swapped; a TAP that is alone needs no select."""
    ready()
    if len(taps) == 1:
        read, write = taps[0].read, taps[0].write
        while True:
            frame = read(FRAME_ROOM)
            write(frame[6:12] + frame[:6] + frame[12:])
    while True:
        for tap in select.select(taps, [], [])[0]:
            frame = tap.read(FRAME_ROOM)
            tap.write(frame[6:12] + frame[:6] + frame[12:])


def reflect_with_pytun(taps: Sequence[Tap], ready: Callable[[], None]) -> None:
    """Send each IPv4 frame back with the addresses of Ethernet and IP swapped."""
    ready()
    read, write = taps[0].read, taps[0].write
    while True:
        frame = read(FRAME_ROOM)
        write(frame[6:12] + frame[:6] + frame[12:26] + frame[30:34] + frame[26:30] + frame[34:])


def reflect_large_with_pytun(taps: Sequence[Tap], ready: Callable[[], None]) -> None:
    """The same with super-frames: their virtio_net_hdr goes back as it came."""
    ready()
    read, write = taps[0].read, taps[0].write
    while True:
        frame = read(LARGE_ROOM)
        # The first ten bytes are the header.
        write(frame[:10] + frame[16:22] + frame[10:16] + frame[22:36] + frame[40:44] + frame[36:40] + frame[44:])


def copy_with_pytun(room: int, taps: Sequence[Tap], ready: Callable[[], None]) -> None:
    """Give each frame of the one TAP to the other, and what stands before it."""
    ready()
    first, second = taps
    others = {first: second, second: first}
    while True:
        for tap in select.select(taps, [], [])[0]:
            others[tap].write(tap.read(room))


def look_for_scapy() -> None:
    """Raise HostError when scapy is not installed."""
    try:
        import scapy  # noqa: F401  (only looked for: the import that costs is made in the process that needs it)
    except ImportError as error:
        raise HostError("importing scapy", "pip install scapy", str(error)) from error


def import_scapy() -> None:
    """Import it in an empty network: it looks at every interface that there is, which takes seconds beside many."""
    with Namespace.create() as empty, empty.entered():
        import scapy.ansmachine
        import scapy.layers.tuntap  # noqa: F401


def scapy_wire(interface: str) -> Any:
    """A TAP that scapy makes itself, and that is up."""
    from scapy.layers.tuntap import TunTapInterface

    logging.getLogger("scapy.runtime").setLevel(logging.ERROR)  # it warns about every TAP
    wire = TunTapInterface(interface, mode_tun=False)
    bring_up(interface)
    return wire


def echo_with_scapy(interfaces: Sequence[str], ready: Callable[[], None]) -> None:
    """Make the interfaces and answer on them: an AnsweringMachine, which is told where a frame was seen."""
    from scapy.ansmachine import AnsweringMachine
    from scapy.layers.l2 import Ether
    from scapy.packet import Packet

    wires = {name: scapy_wire(name) for name in interfaces}

    class Swap(AnsweringMachine[Packet]):
        """Answer each frame with its addresses swapped."""

        function_name = "swap"

        def make_reply(self, req: Packet) -> Packet:
            reply = Ether(dst=req.src, src=req.dst, type=req.type)
            reply.add_payload(req.payload)
            reply.sniffed_on = req.sniffed_on
            return reply

        def send_reply(self, reply: Packet, send_function: object = None) -> None:
            wires[str(reply.sniffed_on)].send(reply)

    ready()
    Swap(verbose=0)(opened_socket={wire: name for name, wire in wires.items()})


def reflect_with_scapy(networks: Sequence[Namespace], ready: Callable[[], None]) -> None:
    """Make a TAP in the network; each IPv4 frame goes back with the addresses of Ethernet and IP swapped."""
    from scapy.ansmachine import AnsweringMachine
    from scapy.layers.inet import IP
    from scapy.layers.l2 import Ether
    from scapy.packet import Packet

    with networks[0].entered():
        wire = scapy_wire("tap0")

    class Reflect(AnsweringMachine[Packet]):
        """Answer each frame with itself; its checksums are of the same addresses, and stay."""

        function_name = "reflect"

        def is_request(self, req: Packet) -> int:
            return IP in req

        def make_reply(self, req: Packet) -> Packet:
            for layer in (req[Ether], req[IP]):
                layer.src, layer.dst = layer.dst, layer.src
            return req

        def send_reply(self, reply: Packet, send_function: object = None) -> None:
            wire.send(reply)

    ready()
    Reflect(verbose=0)(opened_socket=wire)


def copy_with_scapy(networks: Sequence[Namespace], ready: Callable[[], None]) -> None:
    """Make a TAP in each network and join them: bridge_and_sniff."""
    from scapy.sendrecv import bridge_and_sniff

    wires = []
    for network in networks:
        with network.entered():
            wires.append(scapy_wire("tap0"))
    ready()
    bridge_and_sniff(*wires, store=False)
