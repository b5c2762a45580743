"""A loader whose floor is itself the driver of every adapter: it sends each frame back with its addresses swapped.

Law: nothing here knows NDIS; it drives the hardware as a miniport does, to try wire, pump, rings and interrupts.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from emulator.kernel.images import Images
from emulator.kernel.machine import Machine
from emulator.kernel.pointers import NONPAGED
from emulator.kernel.waits import wake
from emulator.layout.arena import FIRST_PROCESSOR_SLOT, FRAME_HEADROOM, FRAME_SLOT_BYTES
from emulator.rules.control import ControlOperation
from tests.host.toy import ToyServices
from vnic.device import (
    VNIC_CONTROL_RECEIVE_ENABLE,
    VNIC_CONTROL_TRANSMIT_ENABLE,
    VNIC_INTERRUPT_ALL,
    VNIC_INTERRUPT_LINK,
    VNIC_INTERRUPT_REMOVED,
    VNIC_REGISTER_CONTROL,
    VNIC_REGISTER_INTERRUPT_MASK,
    VNIC_REGISTER_LINK_ACKNOWLEDGE,
    VNIC_REGISTER_LINK_SEQUENCE,
    Vnic,
    VnicPostReceive,
    VnicReceive,
    VnicTransmitCompleted,
    VnicTransmitFrames,
    VnicWriteRegister,
)
from vnic.device.driver import VnicReadRegister

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.layout.arena import Arena

BUFFERS = 32
ENABLE = VNIC_CONTROL_RECEIVE_ENABLE | VNIC_CONTROL_TRANSMIT_ENABLE
WILD = 900
"""A control operation: post a buffer that lies outside the frames."""


class EchoServices(ToyServices):
    """Each adapter is served by processor number modulo processors."""

    def __init__(self) -> None:
        self.nics: list[Vnic] = []
        self.sent: list[deque[int]] = []

    def attach(self, context: Context) -> None:
        arena, platform = context.machine.arena, context.platform

        def ring_host() -> None:
            platform.fence()
            wake(context, 0)

        def interrupt(number: int) -> Any:
            return lambda queue: wake(context, FIRST_PROCESSOR_SLOT + number % context.machine.geometry.processors)

        for number in range(arena.geometry.adapters):
            offset = arena.hardware_offset(number)
            self.nics.append(
                Vnic(
                    arena.view,
                    offset,
                    arena.hardware_layout,
                    ring_host,
                    raise_interrupt=interrupt(number),
                    fence=platform.fence,
                )
            )
            self.sent.append(deque())

    def mine(self, context: Context) -> list[int]:
        return [n for n in range(len(self.nics)) if n % context.machine.geometry.processors == context.processor]

    def interrupts_pending(self, context: Context) -> bool:
        return any(self.nics[number].asserted(0) for number in self.mine(context))

    def interrupts(self, context: Context) -> bool:
        return any([self.serve(context, number) for number in self.mine(context)])

    def serve(self, context: Context, number: int) -> bool:
        nic, sent, view = self.nics[number], self.sent[number], context.machine.arena.view
        cause = nic.causes[0]() & nic.masks[0]
        if cause & VNIC_INTERRUPT_REMOVED:
            nic.masks[0] = 0
            context.platform.log(20, "echo", f"adapter {number} is gone")
            return True
        if cause & VNIC_INTERRUPT_LINK:
            sequence = VnicReadRegister(nic, VNIC_REGISTER_LINK_SEQUENCE)
            VnicWriteRegister(nic, VNIC_REGISTER_LINK_ACKNOWLEDGE, sequence)
            context.platform.log(20, "echo", f"link change {sequence} of adapter {number}")
        done = VnicTransmitCompleted(nic, 0)
        if done:
            VnicPostReceive(nic, 0, [sent.popleft() for _ in range(done)])
        addresses, lengths = VnicReceive(nic, 0, 64)
        for address in addresses:
            view[address : address + 12] = bytes(view[address + 6 : address + 12]) + bytes(view[address : address + 6])
            sent.append(address)
        if addresses:
            assert VnicTransmitFrames(nic, 0, addresses, lengths)
        return bool(cause)

    def control(self, context: Context, operation: Any) -> int:
        number = operation.target
        start, _ = context.machine.arena.frames
        if operation.operation == ControlOperation.START_ADAPTER:
            base = start + number * BUFFERS * FRAME_SLOT_BYTES + FRAME_HEADROOM
            posted = VnicPostReceive(self.nics[number], 0, [base + n * FRAME_SLOT_BYTES for n in range(BUFFERS)])
            assert posted == BUFFERS
            VnicWriteRegister(self.nics[number], VNIC_REGISTER_CONTROL, ENABLE)
            VnicWriteRegister(self.nics[number], VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_ALL)
        elif operation.operation == ControlOperation.STOP_ADAPTER:
            VnicWriteRegister(self.nics[number], VNIC_REGISTER_INTERRUPT_MASK, 0)
            VnicWriteRegister(self.nics[number], VNIC_REGISTER_CONTROL, 0)
        elif operation.operation == WILD:
            VnicPostReceive(self.nics[number], 0, [64])
        return 0


def create_machine(arena: Arena, specification: Any) -> Machine:
    return Machine(arena, Images(), EchoServices())


def load_machine(context: Context, specification: Any) -> None:
    context.machine.images.seal(NONPAGED)
