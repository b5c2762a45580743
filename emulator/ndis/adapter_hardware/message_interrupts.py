"""Message-signalled interrupts: what a driver is told of its messages, and the table that maps causes to them.

Law: NDIS is the bus driver here, so it alone writes the adapter's MSI-X table. What a driver is told is read only.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.stop import stop
from emulator.layout.handles import HandleKind
from emulator.ndis.adapter_hardware.hardware import hardware_of, messages_of
from emulator.ndis.gates.ddi import MINIPORT, ddi
from emulator.ndis.gates.refusals import header_refused
from emulator.ndis.headers.handles import AdapterHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play.adapters import adapter_of
from emulator.rules.irql import ANY, DIRQL, DISPATCH_LEVEL, irql_name
from vnic.device import messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emulator.kernel.context import Context
    from emulator.ndis.headers.structures_miniport import NDIS_MSIX_CONFIG_PARAMETERS

LOCAL_APIC: Final = 0xFEE0_0000
"""Where x86 takes messages; the processor stands in bits 12 to 19."""
FIRST_VECTOR: Final = 0x50


class KINTERRUPT_MODE(IntEnum):
    """How an interrupt is signalled."""

    LevelSensitive = 0
    Latched = 1


class KINTERRUPT_POLARITY(IntEnum):
    """Which level, or which change, signals an interrupt."""

    InterruptPolarityUnknown = 0
    InterruptActiveHigh = 1
    InterruptActiveLow = 2


LevelSensitive: Final = KINTERRUPT_MODE.LevelSensitive
Latched: Final = KINTERRUPT_MODE.Latched
InterruptPolarityUnknown: Final = KINTERRUPT_POLARITY.InterruptPolarityUnknown
InterruptActiveHigh: Final = KINTERRUPT_POLARITY.InterruptActiveHigh
InterruptActiveLow: Final = KINTERRUPT_POLARITY.InterruptActiveLow


class NDIS_MSIX_TABLE_OPERATION(IntEnum):
    """What NdisMConfigMSIXTableEntry shall do."""

    NdisMSIXTableConfigSetTableEntry = 0
    NdisMSIXTableConfigMaskTableEntry = 1
    NdisMSIXTableConfigUnmaskTableEntry = 2
    NdisMSIXTableConfigMax = 3


NdisMSIXTableConfigSetTableEntry: Final = NDIS_MSIX_TABLE_OPERATION.NdisMSIXTableConfigSetTableEntry
NdisMSIXTableConfigMaskTableEntry: Final = NDIS_MSIX_TABLE_OPERATION.NdisMSIXTableConfigMaskTableEntry
NdisMSIXTableConfigUnmaskTableEntry: Final = NDIS_MSIX_TABLE_OPERATION.NdisMSIXTableConfigUnmaskTableEntry
NdisMSIXTableConfigMax: Final = NDIS_MSIX_TABLE_OPERATION.NdisMSIXTableConfigMax


class IO_INTERRUPT_MESSAGE_INFO_ENTRY(NamedTuple):
    """One message: what the adapter writes where, and who is interrupted."""

    MessageAddress: int
    TargetProcessorSet: int
    InterruptObject: int
    MessageData: int
    Vector: int
    Irql: int
    Mode: KINTERRUPT_MODE
    Polarity: KINTERRUPT_POLARITY


class IO_INTERRUPT_MESSAGE_INFO(NamedTuple):
    """The messages that NDIS has granted; MessageId is a place in MessageInfo."""

    UnifiedIrql: int
    MessageCount: int
    MessageInfo: Sequence[IO_INTERRUPT_MESSAGE_INFO_ENTRY]


def message_info(context: Context, handles: list[int]) -> IO_INTERRUPT_MESSAGE_INFO:
    """MessageInfoTable of an interrupt that has these messages."""
    table = context.machine.objects[HandleKind.INTERRUPT]
    entries = []
    for number, handle in enumerate(handles):
        processor = table.find(handle, HandleKind.INTERRUPT).processor
        entries.append(
            IO_INTERRUPT_MESSAGE_INFO_ENTRY(
                MessageAddress=LOCAL_APIC | processor << 12,
                TargetProcessorSet=1 << processor,
                InterruptObject=handle,
                MessageData=FIRST_VECTOR + number,
                Vector=FIRST_VECTOR + number,
                Irql=DIRQL,
                Mode=KINTERRUPT_MODE.Latched,
                Polarity=KINTERRUPT_POLARITY.InterruptActiveHigh,
            )
        )
    return IO_INTERRUPT_MESSAGE_INFO(DIRQL, len(entries), tuple(entries))


@ddi(irql=ANY, callers=MINIPORT, note="page: <= DISPATCH_LEVEL to map an entry, any level to mask and to unmask one")
def NdisMConfigMSIXTableEntry(
    NdisMiniportHandle: AdapterHandle, MSIXConfigParameters: NDIS_MSIX_CONFIG_PARAMETERS, /
) -> NDIS_STATUS:
    """Map a table entry of the adapter to another of its messages, and so to another processor; or mask, or unmask it.

    INVALID_PARAMETER for a wrong header, operation, entry or message, NOT_SUPPORTED without messages.  Bug check
    0xC4/0xE5 where an entry is mapped above DISPATCH_LEVEL.
    """
    context = current.context
    adapter = adapter_of(context, NdisMiniportHandle, "NdisMConfigMSIXTableEntry")
    given, nic = MSIXConfigParameters, hardware_of(context, adapter.number)
    count = messages_of(context, adapter)
    wrong = header_refused(context, "NdisMConfigMSIXTableEntry", given)
    if wrong or not 0 <= given.TableEntry < messages.entries(nic.words):
        return NDIS_STATUS_INVALID_PARAMETER
    if not count:
        return NDIS_STATUS_NOT_SUPPORTED
    if given.ConfigOperation == NdisMSIXTableConfigSetTableEntry:
        if context.irql > DISPATCH_LEVEL:
            stop(
                0xC4,
                0xE5,
                context.irql,
                text=f"An entry of the MSI-X table was mapped at {irql_name(context.irql)}; that may be done up to "
                "DISPATCH_LEVEL.",
            )
        if not 0 <= given.MessageNumber < count:
            return NDIS_STATUS_INVALID_PARAMETER
        messages.set_entry(nic.words, given.TableEntry, given.MessageNumber)
    elif given.ConfigOperation == NdisMSIXTableConfigMaskTableEntry:
        messages.mask_entry(nic.words, given.TableEntry, True)
    elif given.ConfigOperation == NdisMSIXTableConfigUnmaskTableEntry:
        messages.mask_entry(nic.words, given.TableEntry, False)
    else:
        return NDIS_STATUS_INVALID_PARAMETER
    # What is pending is sent now, perhaps to a processor that sleeps and has not counted on it.
    nic.fence()
    if nic.raise_interrupt is not None and messages.enabled(nic.words):
        nic.raise_interrupt(0)
    return NDIS_STATUS_SUCCESS


__all__ = [
    "IO_INTERRUPT_MESSAGE_INFO",
    "IO_INTERRUPT_MESSAGE_INFO_ENTRY",
    "InterruptActiveHigh",
    "InterruptActiveLow",
    "InterruptPolarityUnknown",
    "KINTERRUPT_MODE",
    "KINTERRUPT_POLARITY",
    "Latched",
    "LevelSensitive",
    "NDIS_MSIX_TABLE_OPERATION",
    "NdisMConfigMSIXTableEntry",
    "NdisMSIXTableConfigMaskTableEntry",
    "NdisMSIXTableConfigMax",
    "NdisMSIXTableConfigSetTableEntry",
    "NdisMSIXTableConfigUnmaskTableEntry",
]
