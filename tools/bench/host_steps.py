"""`python -m tools.bench.host_steps`: what the host does for a frame, in steps no noise changes.

Law: the host's loop, port and pump run as they are over a socket; the driver's end and the far end are played here and
are not counted.  Byte codes and calls are counted by a trace and a profile function, times are the fastest of many and
have the socket's system calls in them; beside them stands the time of an empty call.

A frame comes in one turn of the loop and goes out in another; a large one, of an adapter with offloads, goes out as
drivers send what is to be cut: a copy of its headers, and the rest where it lies.  A look is a turn in which nothing
has happened, a sleep all that the host does besides turns between the last before it sleeps and the first after.
"""

from __future__ import annotations

import gc
import socket
import sys
import time
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from emulator.host.host import Host
from emulator.host.ports import Port
from emulator.host.specification import AdapterSpecification
from emulator.layout.arena import Arena, Geometry, offsets_of
from tools.bench.steps import empty_call
from vnic.device import (
    VNIC_CHECKSUM_OFFSET_TCP,
    VNIC_CONTROL_RECEIVE_ENABLE,
    VNIC_CONTROL_TRANSMIT_ENABLE,
    VNIC_DESCRIPTOR_OFFLOAD,
    VNIC_HEADER_BYTES,
    VNIC_HEADER_NEEDS_CHECKSUM,
    VNIC_INTERRUPT_ALL,
    VNIC_OFFLOAD_HEADERS,
    VNIC_OFFLOAD_WIRE,
    VNIC_RECEIVE_HEADROOM,
    VNIC_RECEIVE_SLOT,
    VNIC_REGISTER_CONTROL,
    VNIC_REGISTER_INTERRUPT_MASK,
    VNIC_REGISTER_OFFLOADS,
    VNIC_SEGMENTS_TCP4,
    Vnic,
    VnicDescriptor,
    VnicOffload,
    VnicPostReceive,
    VnicReceive,
    VnicTransmitCompleted,
    VnicTransmitFrames,
    VnicTransmitOffloads,
    VnicWriteRegister,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

BATCHES: Final = (1, 16, 64, 128)
LARGE_BATCHES: Final = (1, 4, 8)
WARM: Final = 1000
LOOKS: Final = 20
TIMES: Final = 300


class _Wire:
    """The near end of a pair of sockets."""

    def __init__(self, near: socket.socket) -> None:
        self.name, self.mtu, self.carrier = "steps", 1500, False
        self._near = near

    def fileno(self) -> int:
        return self._near.fileno()

    def descriptors(self) -> tuple[int, ...]:
        return (self._near.fileno(),)

    def set_carrier(self, up: bool) -> None:
        self.carrier = up

    def poll_removed(self) -> bool:
        return False

    def close(self) -> None:
        self._near.close()


class _LargeWire(_Wire):
    """The same with headers."""

    offloads = VNIC_OFFLOAD_WIRE

    def set_offloads(self, offloads: int) -> None:
        pass


class HostSteps:
    """A host with one port, whose driver and far end are here; what its turns take is counted or timed."""

    batches: tuple[int, ...] = BATCHES
    frame = bytes(60)
    pieces = 1
    """Descriptors that a frame is sent in."""
    _wire: type[_Wire] = _Wire
    _buffers, _slot = 512, VNIC_RECEIVE_SLOT
    _offloads = 0

    def __init__(self) -> None:
        self.ends = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) for _ in range(3)]
        channels: list[Any] = [near for near, _ in self.ends]
        self.host = Host(channels[0], channels[1])
        geometry = Geometry()
        arena = Arena(bytearray(offsets_of(geometry)["size"]), geometry)
        self.rings = 0
        machine: Any = SimpleNamespace(
            arena=arena,
            geometry=geometry,
            specification=SimpleNamespace(adapters=[AdapterSpecification()]),
            host=self.host,
            ring=self._ring,
            due=1 << 62,
            attend=lambda: False,
        )
        self.port = Port(machine, 0, self._wire(channels[2]), b"\x02\0\0\0\0\x01")
        self.port.power_on()
        self.host.machines[0] = machine
        self.far = self.ends[2][1]
        self.nic = Vnic(arena.view, arena.hardware_offset(0), arena.hardware_layout, self._ring)
        start = arena.frames[0] + VNIC_RECEIVE_HEADROOM
        self._headers = arena.pool[0]
        self._post([start + number * self._slot for number in range(self._buffers)])
        VnicWriteRegister(self.nic, VNIC_REGISTER_OFFLOADS, self._offloads)
        VnicWriteRegister(self.nic, VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_ALL)
        VnicWriteRegister(self.nic, VNIC_REGISTER_CONTROL, VNIC_CONTROL_RECEIVE_ENABLE | VNIC_CONTROL_TRANSMIT_ENABLE)
        self.codes = self.calls = 0

    def close(self) -> None:
        """Close every socket."""
        for pair in self.ends:
            for end in pair:
                end.close()

    def _ring(self, slot: int = 0) -> None:
        self.rings += 1

    def _post(self, addresses: list[int]) -> None:
        if VnicPostReceive(self.nic, 0, addresses, self._slot - VNIC_RECEIVE_HEADROOM) != len(addresses):
            raise RuntimeError("the ring of empty buffers has no room")

    def _send(self, addresses: list[int], lengths: list[int]) -> None:
        VnicTransmitFrames(self.nic, 0, addresses, lengths)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        del argument
        if frame.f_code.co_filename == __file__:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.codes += event == "opcode"
        return self._trace

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if frame.f_code.co_filename != __file__ and argument is not sys.setprofile:
            self.calls += event in ("call", "c_call")

    def turn(self) -> None:
        """One turn of the loop while it looks for more."""
        self.host.serve_ports()
        self.host.lingers()

    def sleep(self) -> None:
        """To sleep, and up again."""
        self.host.settle_ports()
        self.host.doze()
        self.host.rouse()

    def looked(self, act: Callable[[], None], look: str = "") -> int:
        """Act, and look at it: the nanoseconds."""
        if look == "codes":
            sys.settrace(self._trace)
        elif look == "calls":
            sys.setprofile(self._profile)
        began = time.perf_counter_ns()
        act()
        spent = time.perf_counter_ns() - began
        sys.settrace(None)
        sys.setprofile(None)
        return spent

    def echo(self, frames: int, look: str = "") -> int:
        """Let so many frames come and go: the nanoseconds of the turns that it took."""
        for _ in range(frames):
            self.far.send(self.frame)
        spent, taken, gone = 0, 0, 0
        posted: list[int] = []
        while taken < frames:
            spent += self.looked(self.turn, look)
            addresses, lengths = VnicReceive(self.nic, 0, frames)
            taken += len(addresses)
            posted += addresses
            self._send(addresses, lengths)
        while gone < frames:
            done = VnicTransmitCompleted(self.nic, 0) // self.pieces
            for _ in range(done):
                self.far.recv(len(self.frame))
            gone += done
            if gone < frames:
                spent += self.looked(self.turn, look)
        self._post(posted)
        return spent

    def counted(self, act: Callable[[str], object], look: str) -> int:
        """Byte codes, or calls, of the host in what is done; without those of garbage."""
        self.codes = self.calls = 0
        gc.disable()
        try:
            act(look)
        finally:
            gc.enable()
        return self.codes if look == "codes" else self.calls


class LargeHostSteps(HostSteps):
    """The same for frames of 9,000 bytes on an adapter with offloads."""

    batches = LARGE_BATCHES
    frame = bytes(VNIC_HEADER_BYTES + 9000)
    pieces = 2
    _wire = _LargeWire
    _buffers, _slot = 127, 1 << 16
    _offloads = VNIC_OFFLOAD_HEADERS | VNIC_OFFLOAD_WIRE

    def _send(self, addresses: list[int], lengths: list[int]) -> None:
        word = VnicOffload(VNIC_HEADER_NEEDS_CHECKSUM, VNIC_SEGMENTS_TCP4, 1448, 34, VNIC_CHECKSUM_OFFSET_TCP, 32)
        headers = VnicDescriptor(self._headers, 66, True) | VNIC_DESCRIPTOR_OFFLOAD
        descriptors: list[int] = []
        for address, length in zip(addresses, lengths, strict=True):
            descriptors += [headers, VnicDescriptor(address + 66, length - 66)]
        VnicTransmitOffloads(self.nic, 0, descriptors, [word, 0] * len(addresses))


def main() -> None:
    """Print a line for each kind of step."""
    tell(HostSteps())
    print("adapter with offloads, frames of 9,000 bytes")
    tell(LargeHostSteps())
    print(f"an empty call {empty_call():.0f} ns")


def tell(steps: HostSteps) -> None:
    """Print what is taken by the steps of one adapter, and be done with it."""
    rows: list[tuple[str, int, Callable[[str], int]]] = [
        ("look", 1, partial(steps.looked, steps.turn)),
        ("sleep", 1, partial(steps.looked, steps.sleep)),
        *((f"batch of {frames}", frames, partial(steps.echo, frames)) for frames in steps.batches),
    ]
    for frames in steps.batches:
        for _ in range(WARM // frames):
            steps.echo(frames)
    for name, frames, act in rows:
        codes = min(steps.counted(act, "codes") for _ in range(LOOKS))
        calls = min(steps.counted(act, "calls") for _ in range(LOOKS))
        nanoseconds = min(act("") for _ in range(TIMES))
        print(
            f"{name:13}{codes:6} byte codes, {calls:4} calls;{codes / frames:6.1f} byte codes and"
            f"{nanoseconds / frames:7,.0f} ns a frame"
        )
    steps.close()


if __name__ == "__main__":
    main()
