"""What the virtual NIC is plugged into: one descriptor that carries whole Ethernet frames, and its link state.

Law: a wire moves no frame. One read of its descriptor is one frame and one write is one frame, and the host's pump
does both itself; a method per frame would cost the rate that it takes. Every failure to lay a wire names its step and
what mends it.
"""

from __future__ import annotations

import errno
import ipaddress
import os
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, runtime_checkable

import msgspec

from emulator.rules.errors import ConfigurationError, HostError

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_MTU: Final = 1500
SMALLEST_MTU: Final = 576
LARGEST_MTU: Final = 9000
ETHERNET_HEADER: Final = 14
LONGEST_INTERFACE_NAME: Final = 15  # IFNAMSIZ less the closing zero

# What a read or a write of the descriptor raises once the wire is gone for good. A read of no bytes says the same.
REMOVAL_ERRORS: Final = frozenset({errno.EBADFD, errno.ENODEV, errno.ENXIO, errno.EPIPE, errno.ECONNRESET})
# What a write raises for a frame that the outside does not take now: lost as on a real wire, and counted by the writer.
DROP_ERRORS: Final = frozenset({errno.EAGAIN, errno.EIO, errno.ENOBUFS, errno.ENETDOWN})

InterfaceAddress = ipaddress.IPv4Interface | ipaddress.IPv6Interface


class WireError(HostError):
    """A wire could not be laid: `step` failed, `mend` is the command that mends it, `errno` the system's reason."""

    def __init__(self, step: str, mend: str, reason: OSError | str | None = None, number: int | None = None) -> None:
        super().__init__(step, mend, reason)
        if number is not None:
            self.errno = number


@runtime_checkable
class Wire(Protocol):
    """The near end of a wire: what the host polls, reads and writes."""

    name: str
    mtu: int

    @property
    def carrier(self) -> bool:
        """Whether the outside has been told that the link is up."""
        ...

    def fileno(self) -> int:
        """Return the non-blocking descriptor: one read or write is one frame."""
        ...

    def descriptors(self) -> tuple[int, ...]:
        """Return every descriptor that must stay open for the wire to work, `fileno` first."""
        ...

    def set_carrier(self, up: bool) -> None:
        """Tell the outside that the link is up or down."""
        ...

    def poll_removed(self) -> bool:
        """Return whether the wire has been taken away from outside: a surprise removal."""
        ...

    def close(self) -> None:
        """Give the wire back; closing twice is closing once."""
        ...


class FrameCalls(Protocol):
    """The three calls that move a frame; a wrapper (capture, faults) offers the same three, put in at the start."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read one frame; its length, None when there is none, 0 when the wire has ended."""
        ...

    def write(self, frame: memoryview, /) -> int | None:
        """Write one frame; its length, None when the wire takes no more at present."""
        ...

    def gather(self, fragments: list[memoryview], /) -> int | None:
        """Write one frame that lies in one or several pieces."""
        ...


Alarm = tuple[int, "Callable[[], None]"]
"""A descriptor, and what must be called when it is readable."""


@runtime_checkable
class ActiveWire(Wire, Protocol):
    """A wire whose frames do not move by its descriptor alone: a capture file, or a wire with wrappers around it."""

    def frame_calls(self, bottom: Callable[[int], FrameCalls]) -> FrameCalls:
        """Compose the calls that move its frames; ``bottom`` makes those on a descriptor itself."""
        ...

    def alarms(self) -> list[Alarm]:
        """Return what must be polled besides `fileno`, and called back."""
        ...

    def attach(self, report: Callable[[str], None], finished: Callable[[], None]) -> None:
        """Say who is told one line about what went wrong, and who is told that there will be no more frames."""
        ...

    def counters(self) -> dict[str, int]:
        """Return what it has counted."""
        ...


@runtime_checkable
class OffloadWire(Wire, Protocol):
    """A wire that hands over frames which are not finished, each behind virtio's header."""

    offloads: int

    def set_offloads(self, offloads: int) -> None:
        """Say which of `offloads` the reader takes."""
        ...


@runtime_checkable
class SteeredWire(Wire, Protocol):
    """A wire with several descriptors, which spreads flows over them: a flow stays on one until it is steered anew."""

    longest_queue: int
    """Frames that may wait in front of one descriptor."""

    def queue_descriptors(self) -> tuple[int, ...]:
        """Return the descriptors that frames are read from and written to, `fileno` first."""
        ...

    def steer(self, information: int, key: bytes) -> None:
        """Spread flows by the Toeplitz hash of these types, under this key."""
        ...

    def steer_to_first(self) -> None:
        """Give every frame to the first descriptor."""
        ...


class WireSpecification(msgspec.Struct, frozen=True):
    """A wire as the user asked for it; crosses from the command line to the host."""

    kind: Literal["tap", "cable", "pcap"]
    interface: str = ""  # of a TAP: what the Linux side is called
    address: str = ""  # of the Linux side: "10.77.0.1/24", "10.77.0.1/24,fd00:77::1/64"; empty leaves it without one
    mtu: int = DEFAULT_MTU
    file: str = ""  # of a pcap: the capture file that is replayed
    out: str = ""  # and the file to which what the adapter sends is written
    speed: float = 1.0  # how many times as fast as it was captured; 0 is as fast as the driver takes the frames
    loop: int = 1  # how often; 0 is for ever
    end: Literal["stay", "exit"] = "stay"  # what a run does at the end of the file
    direction: Literal["in", "all"] = "in"  # whether frames that were captured as sent are left out

    @property
    def name(self) -> str:
        """Return the wire's name in messages and reports: `tap:ndis0`, `cable`, `pcap:file.pcapng`."""
        shown = self.interface or os.path.basename(self.file)
        return f"{self.kind}:{shown}" if shown else self.kind


def parse_wire(text: str, address: str = "", mtu: int = DEFAULT_MTU) -> WireSpecification:
    """Read `tap:NAME`, `cable` or `pcap:FILE,...`; what makes no sense is a ConfigurationError of one line."""
    kind, colon, interface = text.partition(":")
    address = ",".join(map(str, parse_addresses(address)))
    if not SMALLEST_MTU <= mtu <= LARGEST_MTU:
        raise ConfigurationError(f"MTU {mtu}: must be {SMALLEST_MTU} to {LARGEST_MTU}")
    if kind == "cable":
        if colon:
            raise ConfigurationError(f"wire {text!r}: a cable has no name; write 'cable'")
        return WireSpecification("cable", address=address, mtu=mtu)
    if kind == "tap":
        fault = interface_name_fault(interface)
        if fault:
            raise ConfigurationError(f"wire {text!r}: {fault}; write for example 'tap:ndis0'")
        return WireSpecification("tap", interface, address, mtu)
    if kind == "pcap":
        return _parse_pcap(text, interface, address, mtu)
    raise ConfigurationError(f"wire {text!r}: unknown kind {kind!r}; there are 'tap:NAME', 'cable' and 'pcap:FILE'")


def _parse_pcap(text: str, rest: str, address: str, mtu: int) -> WireSpecification:
    """Read `FILE,out=FILE,speed=2,loop=3,end=exit,direction=all`."""
    file, *options = rest.split(",")
    if not file:
        raise ConfigurationError(f"wire {text!r}: the file's name is missing; write for example 'pcap:in.pcapng'")
    found: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or key not in _PCAP_OPTIONS:
            known = ", ".join(_PCAP_OPTIONS)
            raise ConfigurationError(
                f"wire {text!r}: {option!r} is no option; there are {known} (and no file has a comma)"
            )
        if key in found:
            raise ConfigurationError(f"wire {text!r}: {key} is given twice")
        read, expected = _PCAP_OPTIONS[key]
        found[key] = read(value)
        if found[key] is None:
            raise ConfigurationError(f"wire {text!r}: {option}: expected {expected}")
    if found.get("loop") == 0 and found.get("end") == "exit":
        raise ConfigurationError(f"wire {text!r}: loop=forever has no end at which to exit")
    return WireSpecification("pcap", address=address, mtu=mtu, file=os.path.expanduser(file), **found)


def _speed(value: str) -> float | None:
    if value == "asap":
        return 0.0
    try:
        speed = float(value)
    except ValueError:
        return None
    return speed if 1e-6 <= speed <= 1e6 else None


def _loop(value: str) -> int | None:
    if value == "forever":
        return 0
    return int(value) if value.isdecimal() and 0 < int(value) < 1 << 62 else None


_PCAP_OPTIONS: Final[dict[str, tuple[Callable[[str], Any], str]]] = {
    "out": (lambda value: os.path.expanduser(value) or None, "the name of a file"),
    "speed": (_speed, "how many times as fast as it was captured, or asap"),
    "loop": (_loop, "how often, or forever"),
    "end": (lambda value: value if value in ("stay", "exit") else None, "stay or exit"),
    "direction": (lambda value: value if value in ("in", "all") else None, "in or all"),
}


def parse_addresses(text: str) -> list[InterfaceAddress]:
    """Read an interface's addresses with commas between them: at most one of IPv4 and one of IPv6, or none."""
    found = [parse_address(part.strip()) for part in text.split(",")] if text.strip() else []
    for version in (4, 6):
        if sum(address.version == version for address in found) > 1:
            raise ConfigurationError(f"addresses {text!r}: more than one of IPv{version}; an adapter has one of each")
    return found


def parse_address(text: str) -> InterfaceAddress:
    """Read an interface's address with its prefix, `10.77.0.1/24`."""
    try:
        address = ipaddress.ip_interface(text)
    except ValueError:
        raise ConfigurationError(f"address {text!r}: is none of IPv4 or IPv6; write '10.77.0.1/24'") from None
    network = address.network
    if "/" not in text or network.num_addresses == 1:
        raise ConfigurationError(f"address {text!r}: the prefix is missing; write for example '10.77.0.1/24'")
    if network.num_addresses > 2 and address.ip in (network.network_address, network.broadcast_address):
        raise ConfigurationError(f"address {text!r}: names the whole network {network}, not a station in it")
    if address.is_multicast or address.is_loopback or address.is_unspecified:
        raise ConfigurationError(f"address {text!r}: no interface can have it")
    return address


def interface_name_fault(name: str) -> str:
    """Return why the kernel would refuse this interface name, or nothing when it would take it."""
    if not name:
        return "the interface's name is missing"
    if len(os.fsencode(name)) > LONGEST_INTERFACE_NAME:
        return f"the interface name {name!r} is longer than {LONGEST_INTERFACE_NAME} characters"
    if name in (".", ".."):
        return f"{name!r} is no interface name"
    # The kernel reads '%' as a template and makes up a name of its own.
    bad = sorted({character for character in name if character in "/:%" or character.isspace() or ord(character) < 32})
    if bad:
        return f"the interface name {name!r} holds {', '.join(map(repr, bad))}"
    return ""


def is_removal(error: OSError) -> bool:
    """Return whether this error of a read or a write means that the wire is gone for good."""
    return error.errno in REMOVAL_ERRORS
