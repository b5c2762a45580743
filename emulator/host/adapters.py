"""The wires of a machine's adapters as the host lays them, and the pumps that move frames between wire and arena.

Law: a wire is opened before its machine is born, so that what the computer lacks is told first; its carrier goes off
before anything else of a dying machine is touched.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import socket
from typing import TYPE_CHECKING

from vnic.wires.cable import Cable

if TYPE_CHECKING:
    from emulator.host.specification import AdapterSpecification
    from vnic.wires.wire import Wire


def mac_of(specification: AdapterSpecification, machine: int, number: int) -> bytes:
    """The permanent address: as it was asked for, else a locally administered one made of the numbers."""
    if specification.mac:
        return bytes.fromhex(specification.mac.replace(":", "").replace("-", ""))
    return bytes((0x02, 0x4E, 0x44, machine & 0xFF, number >> 8 & 0xFF, (number & 0xFF) + 1))


def lay_wires(
    adapters: list[AdapterSpecification], cables: list[tuple[int, int]], namespaces: dict[int, int]
) -> list[Wire]:
    """Open every adapter's wire; all or none.  ``cables`` are (socket, flag) of near ends made by the console."""
    wires: list[Wire] = []
    ends = iter(cables)
    try:
        for number, adapter in enumerate(adapters):
            if adapter.wire.kind == "cable":
                wires.append(_cable(next(ends), adapter.wire.name, adapter.wire.mtu))
            else:
                wires.append(_tap(adapter, namespaces.get(number)))
    except BaseException:
        for wire in wires:
            wire.close()
        raise
    return wires


def _cable(end: tuple[int, int], name: str, mtu: int) -> Cable:
    near, flag = end
    memory = mmap.mmap(flag, mmap.PAGESIZE)
    os.close(flag)
    return Cable(socket.socket(fileno=near), memory, name, mtu)


def _tap(adapter: AdapterSpecification, namespace: int | None) -> Wire:
    from vnic.wires.network import Namespace
    from vnic.wires.tap import Tap

    wire = adapter.wire
    with Namespace(namespace).entered() if namespace is not None else contextlib.nullcontext():
        return Tap.open(wire.interface, wire.address, wire.mtu)
