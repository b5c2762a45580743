"""The wires of a machine's adapters as the host lays them, and the pumps that move frames between wire and arena.

Law: a wire is opened before its machine is born, so that what the computer lacks is told first; its carrier goes off
before anything else of a dying machine is touched.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

from emulator.sync import memory
from vnic.wires.cable import Cable

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.host.specification import AdapterSpecification
    from vnic.wires.wire import Wire


def mac_of(specification: AdapterSpecification, machine: int, number: int) -> bytes:
    """The permanent address: as it was asked for, else a locally administered one made of the numbers."""
    if specification.mac:
        return bytes.fromhex(specification.mac.replace(":", "").replace("-", ""))
    return bytes((0x02, 0x4E, 0x44, machine & 0xFF, number >> 8 & 0xFF, (number & 0xFF) + 1))


def lay_wires(
    adapters: list[AdapterSpecification],
    cables: list[tuple[int, int]],
    namespaces: dict[int, int],
    machine: int,
    report: Callable[[str], None],
) -> list[Wire]:
    """Open every adapter's wire; all or none.

    ``cables`` are (socket, flag) of near ends made by the console, ``report`` is told what is worth a line.
    """
    wires: list[Wire] = []
    ends = iter(cables)
    try:
        for number, adapter in enumerate(adapters):
            if adapter.wire.kind == "cable":
                wires.append(_cable(next(ends), adapter.wire.name, adapter.wire.mtu))
            elif adapter.wire.kind == "pcap":
                wires.append(_pcap(adapter, machine, number))
            else:
                wires.append(_tap(adapter, namespaces.get(number), report))
            if adapter.capture or adapter.faults.any:
                wires[-1] = _wrapped(wires[-1], adapter, machine, number)
    except BaseException:
        for wire in wires:
            wire.close()
        raise
    return wires


class HandedCable(Cable):
    """The near end of a cable that the console made; its flag is mapped without a descriptor."""

    def __init__(self, near: socket.socket, flag: memory.Mapping, name: str, mtu: int) -> None:
        super().__init__(near, flag.view, name, mtu)  # type: ignore[arg-type]
        self._mapping: memory.Mapping | None = flag

    @property
    def carrier(self) -> bool:
        """Whether the outside has been told that the link is up."""
        return self._mapping is not None and super().carrier

    def close(self) -> None:
        """Give the near end back, and the flag."""
        super().close()
        if self._mapping is not None:
            mapping, self._mapping = self._mapping, None
            mapping.close()


def _cable(end: tuple[int, int], name: str, mtu: int) -> Cable:
    near, flag = end
    mapping = memory.map(flag)
    os.close(flag)
    return HandedCable(socket.socket(fileno=near), mapping, name, mtu)


def _tap(adapter: AdapterSpecification, namespace: int | None, report: Callable[[str], None]) -> Wire:
    from vnic.wires.network import Namespace
    from vnic.wires.steered import open_queues
    from vnic.wires.tap import Tap

    wire = adapter.wire
    with Namespace(namespace).entered() if namespace is not None else contextlib.nullcontext():
        if adapter.queues == 1 or adapter.capture or adapter.faults.any:  # wrappers go around one descriptor
            return Tap.open(wire.interface, wire.address, wire.mtu, offloads=adapter.offloads)
        tap, told = open_queues(
            wire.interface, wire.address, wire.mtu, queues=adapter.queues, offloads=adapter.offloads
        )
        if told:
            report(told)
        return tap


def _pcap(adapter: AdapterSpecification, machine: int, number: int) -> Wire:
    from vnic.wires.replay import PcapWire

    name, mac = adapter.name or f"adapter{number}", mac_of(adapter, machine, number)
    return PcapWire(adapter.wire, name, mac, adapter.faults.longest)


def _wrapped(wire: Wire, adapter: AdapterSpecification, machine: int, number: int) -> Wire:
    """Put the wrappers around a wire that were asked for."""
    from vnic.wires.pcapng import CaptureWriter
    from vnic.wires.wrapped import WrappedWire

    name, mac = adapter.name or f"adapter{number}", mac_of(adapter, machine, number)
    capture = CaptureWriter(adapter.capture, wire.name, name, mac) if adapter.capture else None
    return WrappedWire(wire, capture, adapter.faults if adapter.faults.any else None)
