"""What an adapter needs of its bus, as IRP_MN_FILTER_RESOURCE_REQUIREMENTS tells it (wdm.h).

Law: as in a header file, nothing here does anything.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from msgspec import Struct, field

CM_RESOURCE_INTERRUPT_POLICY_INCLUDED: Final = 4
CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN: Final = 0xFFFF_FFFE
"""The vector of a message."""
CmResourceShareDeviceExclusive: Final = 1
CmResourceShareShared: Final = 3


class IRQ_DEVICE_POLICY(IntEnum):
    """IrqPolicy...: which processors a device's interrupts come to (wdm.h)."""

    IrqPolicyMachineDefault = 0
    IrqPolicyAllCloseProcessors = 1
    IrqPolicyOneCloseProcessor = 2
    IrqPolicyAllProcessorsInMachine = 3
    IrqPolicySpecifiedProcessors = 4
    IrqPolicySpreadMessagesAcrossAllProcessors = 5


IrqPolicyMachineDefault: Final = IRQ_DEVICE_POLICY.IrqPolicyMachineDefault
IrqPolicyAllCloseProcessors: Final = IRQ_DEVICE_POLICY.IrqPolicyAllCloseProcessors
IrqPolicyOneCloseProcessor: Final = IRQ_DEVICE_POLICY.IrqPolicyOneCloseProcessor
IrqPolicyAllProcessorsInMachine: Final = IRQ_DEVICE_POLICY.IrqPolicyAllProcessorsInMachine
IrqPolicySpecifiedProcessors: Final = IRQ_DEVICE_POLICY.IrqPolicySpecifiedProcessors
IrqPolicySpreadMessagesAcrossAllProcessors: Final = IRQ_DEVICE_POLICY.IrqPolicySpreadMessagesAcrossAllProcessors


class IO_RESOURCE_MEMORY(Struct):
    """u.Memory of a descriptor."""

    Length: int = 0
    Alignment: int = 0
    MinimumAddress: int = 0
    MaximumAddress: int = 0


class IO_RESOURCE_INTERRUPT(Struct):
    """u.Interrupt of a descriptor."""

    MinimumVector: int = 0
    MaximumVector: int = 0
    AffinityPolicy: int = IrqPolicyMachineDefault
    PriorityPolicy: int = 0
    TargetedProcessors: int = 0


class IO_RESOURCE_UNION(Struct):
    """u of a descriptor: what Type names is valid."""

    Memory: IO_RESOURCE_MEMORY = field(default_factory=IO_RESOURCE_MEMORY)
    Interrupt: IO_RESOURCE_INTERRUPT = field(default_factory=IO_RESOURCE_INTERRUPT)


class IO_RESOURCE_DESCRIPTOR(Struct):
    """One resource that a device needs."""

    Option: int
    Type: int
    ShareDisposition: int
    Flags: int
    u: IO_RESOURCE_UNION


class IO_RESOURCE_LIST(Struct):
    """What a device needs together."""

    Version: int
    Revision: int
    Count: int
    Descriptors: list[IO_RESOURCE_DESCRIPTOR]


class IO_RESOURCE_REQUIREMENTS_LIST(Struct):
    """What a device needs, as alternatives."""

    InterfaceType: int
    BusNumber: int
    SlotNumber: int
    AlternativeLists: int
    List: list[IO_RESOURCE_LIST]


__all__ = [
    "CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN",
    "CM_RESOURCE_INTERRUPT_POLICY_INCLUDED",
    "CmResourceShareDeviceExclusive",
    "CmResourceShareShared",
    "IO_RESOURCE_DESCRIPTOR",
    "IO_RESOURCE_LIST",
    "IO_RESOURCE_REQUIREMENTS_LIST",
    "IRQ_DEVICE_POLICY",
    "IrqPolicyAllCloseProcessors",
    "IrqPolicyAllProcessorsInMachine",
    "IrqPolicyMachineDefault",
    "IrqPolicyOneCloseProcessor",
    "IrqPolicySpecifiedProcessors",
    "IrqPolicySpreadMessagesAcrossAllProcessors",
]
