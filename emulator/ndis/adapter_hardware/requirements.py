"""Which resources an adapter needs: what MiniportFilterResourceRequirements is asked, and what becomes of its answer.

Law: the list is the driver's during the call alone; of its changes NDIS keeps whether messages are wanted at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.ndis.adapter_hardware.bus_data import PCI_BUS
from emulator.ndis.adapter_hardware.hardware import (
    CM_RESOURCE_INTERRUPT_MESSAGE,
    CM_RESOURCE_TYPE,
    resources_of,
)
from emulator.ndis.gates.refusals import warn
from emulator.ndis.headers.structures_resources import (
    CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN,
    IO_RESOURCE_DESCRIPTOR,
    IO_RESOURCE_INTERRUPT,
    IO_RESOURCE_LIST,
    IO_RESOURCE_MEMORY,
    IO_RESOURCE_REQUIREMENTS_LIST,
    IO_RESOURCE_UNION,
    CmResourceShareDeviceExclusive,
    CmResourceShareShared,
    IrqPolicySpecifiedProcessors,
)
from emulator.ndis.plug_and_play.adapters import text_of

if TYPE_CHECKING:
    from emulator.kernel.context import Context

ASKED: Final = "requirements"
"""Where a context keeps the list of the call that it makes."""


class IO_FILTER_RESOURCE_REQUIREMENTS(NamedTuple):
    """Parameters.FilterResourceRequirements."""

    IoResourceRequirementList: IO_RESOURCE_REQUIREMENTS_LIST


def requirements_of(context: Context, adapter: Any) -> IO_RESOURCE_REQUIREMENTS_LIST:
    """What the bus says of an adapter: its register block, its line, and each message that it can send."""
    described = [_descriptor(resource) for resource in resources_of(context, adapter)]
    together = IO_RESOURCE_LIST(1, 1, len(described), described)
    return IO_RESOURCE_REQUIREMENTS_LIST(PCI_BUS, 0, adapter.number, 1, [together])


def _descriptor(resource: Any) -> IO_RESOURCE_DESCRIPTOR:
    if resource.Type == CM_RESOURCE_TYPE.CmResourceTypeMemory:
        last = resource.Start + resource.Length - 1
        memory = IO_RESOURCE_MEMORY(resource.Length, 1, resource.Start, last)
        return IO_RESOURCE_DESCRIPTOR(
            0, resource.Type, CmResourceShareDeviceExclusive, resource.Flags, IO_RESOURCE_UNION(Memory=memory)
        )
    message = resource.Flags & CM_RESOURCE_INTERRUPT_MESSAGE
    vector = CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN if message else resource.Start
    share = CmResourceShareDeviceExclusive if message else CmResourceShareShared
    union = IO_RESOURCE_UNION(Interrupt=IO_RESOURCE_INTERRUPT(vector, vector))
    return IO_RESOURCE_DESCRIPTOR(0, resource.Type, share, resource.Flags, union)


def keep(context: Context, adapter: Any, asked: IO_RESOURCE_REQUIREMENTS_LIST) -> None:
    """Give the adapter what the driver has left in the list: without a message of it, a line and nothing else.

    The log tells what is not given: fewer or more messages than the adapter has, other processors for them.
    """
    there = _messages(requirements_of(context, adapter))
    wanted = _messages(asked)
    name, processors = text_of(adapter.name), context.machine.geometry.processors
    if there and not wanted:
        adapter.line_based = 1
    elif len(wanted) != len(there):
        warn(context, f"{name}: MiniportFilterResourceRequirements asks for {len(wanted)} messages of {len(there)}")
    for number, message in enumerate(wanted[: len(there)]):
        interrupt, processor = message.u.Interrupt, (adapter.number + number) % processors
        chosen = interrupt.AffinityPolicy == IrqPolicySpecifiedProcessors
        if chosen and not interrupt.TargetedProcessors >> processor & 1:
            warn(
                context,
                f"{name}: MiniportFilterResourceRequirements targets message {number} at processors "
                f"0x{interrupt.TargetedProcessors:X}; it comes to processor {processor}",
            )


def _messages(asked: IO_RESOURCE_REQUIREMENTS_LIST) -> list[IO_RESOURCE_DESCRIPTOR]:
    return [
        one
        for together in asked.List[: asked.AlternativeLists]
        for one in together.Descriptors[: together.Count]
        if one.Type == CM_RESOURCE_TYPE.CmResourceTypeInterrupt and one.Flags & CM_RESOURCE_INTERRUPT_MESSAGE
    ]
