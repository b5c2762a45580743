"""Interrupts as a miniport registers them: a line, or messages where the machine has some for the adapter.

Law: a handle stands for the line, or for all messages; what differs from message to message (the processor, the lock,
the DPCs that are queued) is kept in a record for each, and message 0's is the handle's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel import lock_entries
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode, encode
from emulator.kernel.stop import stop
from emulator.kernel.waits import look_until, wake
from emulator.layout.arena import FIRST_PROCESSOR_SLOT
from emulator.layout.handles import HandleKind
from emulator.layout.machine import INTERRUPT_ENTRY
from emulator.ndis.adapter_hardware.hardware import hardware_of, messages_of
from emulator.ndis.adapter_hardware.interrupt_service import call_synchronized, queue_interrupt_dpcs
from emulator.ndis.adapter_hardware.message_interrupts import message_info
from emulator.ndis.gates.callback_numbers import number_of, unknown_routine
from emulator.ndis.gates.ddi import MINIPORT, ddi
from emulator.ndis.gates.refusals import header_refused, tell_refusal
from emulator.ndis.headers.enumerations import NDIS_CONNECT_LINE_BASED, NDIS_CONNECT_MESSAGE_BASED
from emulator.ndis.headers.handles import AdapterHandle, InterruptHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play.adapters import adapter_of, publish_change, wait_for_acknowledgement, wrong_handle
from emulator.rules.irql import ANY, AT_MOST_DIRQL, AT_PASSIVE
from emulator.rules.states import AdapterState
from vnic.device import messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.ndis.headers.processor_numbers import GROUP_AFFINITY
    from emulator.ndis.headers.structures_miniport import NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS

_RULES = (
    "Init_DeRegisterInterrupt",
    "Init_RegisterInterrupt",
    "Irql_Interrupt_Function",
    "NdisMDeregisterInterruptEx",
)


class RegisteredInterrupt(NamedTuple):
    """What NdisMRegisterInterruptEx gives."""

    Status: NDIS_STATUS
    NdisInterruptHandle: InterruptHandle | None


class IsrResult(NamedTuple):
    """What MiniportInterrupt and MiniportMessageInterrupt give back: is it ours, and the two out-parameters."""

    Recognized: bool
    QueueDefaultInterruptDpc: bool
    TargetProcessors: int


class _Routines(NamedTuple):
    """The routines of a line or of messages, by number; 0 for one that need not be there and is not."""

    isr: int
    dpc: int
    disable: int
    enable: int


@ddi(irql=AT_PASSIVE, callers=MINIPORT, rules=_RULES, acquires="interrupt")
def NdisMRegisterInterruptEx(
    MiniportAdapterHandle: AdapterHandle,
    MiniportInterruptContext: Any,
    MiniportInterruptCharacteristics: NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS,
    /,
) -> RegisteredInterrupt:
    """Register the adapter's interrupt, inside MiniportInitializeEx; the ISR may run before this returns.

    InterruptType says what it has become: messages, where the driver knows them and the machine has some, else a line.
    """
    context = current.context
    adapter = adapter_of(context, MiniportAdapterHandle, "NdisMRegisterInterruptEx")
    given = MiniportInterruptCharacteristics
    if header_refused(context, "NdisMRegisterInterruptEx", given):
        return RegisteredInterrupt(NDIS_STATUS_FAILURE, None)
    if adapter.state != AdapterState.INITIALIZING or adapter.virtual:
        return _refused(context, "is for MiniportInitializeEx" if not adapter.virtual else "there is no hardware")
    line, message = _line_routines(given), _message_routines(given) if given.MsiSupported else None
    if line is None or (given.MsiSupported and message is None):
        kind = "" if line is None else "Message"
        return _refused(context, f"{kind}InterruptHandler or {kind}InterruptDpcHandler is NULL")
    nic = hardware_of(context, adapter.number)
    value, count = encode(context, MiniportInterruptContext), messages_of(context, adapter)
    handles: list[int] = []
    if message is not None and count:
        handles = _connect(context, MiniportAdapterHandle, adapter, message, value, count, given.MsiSyncWithAllMessages)
    granted = bool(handles)
    if not handles:
        handles = _connect(context, MiniportAdapterHandle, adapter, line, value, 0, True)
    if not handles:
        return RegisteredInterrupt(NDIS_STATUS_RESOURCES, None)
    adapter.interrupt = handles[0]
    given.InterruptType = NDIS_CONNECT_MESSAGE_BASED if granted else NDIS_CONNECT_LINE_BASED
    given.MessageInfoTable = message_info(context, handles) if granted else None
    messages.enable(nic.words, granted)
    publish_change(context, adapter)
    for record in _family(context, handles[0]):
        wake(context, FIRST_PROCESSOR_SLOT + record.processor)
    return RegisteredInterrupt(NDIS_STATUS_SUCCESS, InterruptHandle(handles[0]))


def _refused(context: Context, why: str) -> RegisteredInterrupt:
    tell_refusal(context, "NdisMRegisterInterruptEx", why)
    return RegisteredInterrupt(NDIS_STATUS_FAILURE, None)


def _line_routines(given: NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS) -> _Routines | None:
    return _numbers(
        (given.InterruptHandler, "MINIPORT_ISR"),
        (given.InterruptDpcHandler, "MINIPORT_INTERRUPT_DPC"),
        (given.DisableInterruptHandler, "MINIPORT_DISABLE_INTERRUPT"),
        (given.EnableInterruptHandler, "MINIPORT_ENABLE_INTERRUPT"),
    )


def _message_routines(given: NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS) -> _Routines | None:
    return _numbers(
        (given.MessageInterruptHandler, "MINIPORT_MESSAGE_INTERRUPT"),
        (given.MessageInterruptDpcHandler, "MINIPORT_MESSAGE_INTERRUPT_DPC"),
        (given.DisableMessageInterruptHandler, "MINIPORT_DISABLE_MESSAGE_INTERRUPT"),
        (given.EnableMessageInterruptHandler, "MINIPORT_ENABLE_MESSAGE_INTERRUPT"),
    )


def _numbers(*handlers: tuple[Callable[..., Any] | None, str]) -> _Routines | None:
    """The numbers of ISR, DPC, disable and enable handler; None where one of the first two is missing."""
    routines = _Routines(*(number_of(function, "NdisMRegisterInterruptEx", role) for function, role in handlers))
    return routines if routines.isr and routines.dpc else None


def _connect(
    context: Context, parent: int, adapter: Any, routines: _Routines, value: int, count: int, one_lock: bool
) -> list[int]:
    """Records for a line (``count`` is 0) or for so many messages: their handles; none without room for them all."""
    table = context.machine.objects[HandleKind.INTERRUPT]
    processors = context.machine.geometry.processors
    handles: list[int] = []
    records: list[Any] = []
    lock = 0
    for number in range(max(count, 1)):
        owner = handles[0] if handles else parent
        made = table.allocate(HandleKind.INTERRUPT, driver=context.driver, parent=owner, site=context.site)
        if made is None:
            _free(context, handles, records)
            return []
        handle, record = made
        handles.append(handle)
        records.append(record)
        if processors > 1 and not (one_lock and lock):
            lock = lock_entries.take(context, INTERRUPT_ENTRY)
        record.lock = lock
        if processors > 1 and not lock:
            _free(context, handles, records)
            return []
        record.adapter, record.context = adapter.number, value
        record.isr, record.dpc, record.disable, record.enable = routines
        record.message, record.messages = number, count
        record.processor = (adapter.number + number) % processors
    for record in records:
        for number, handle in enumerate(handles):
            record.family[number] = handle
        record.enabled = 1
    return handles


def _free(context: Context, handles: list[int], records: list[Any]) -> None:
    for lock in {record.lock for record in records} - {0}:
        lock_entries.give_back(context, lock, INTERRUPT_ENTRY)
    for handle in handles:
        context.machine.objects[HandleKind.INTERRUPT].free(handle, site=context.site)


@ddi(irql=AT_PASSIVE, callers=MINIPORT, rules=_RULES, releases="interrupt")
def NdisMDeregisterInterruptEx(NdisInterruptHandle: InterruptHandle, /) -> None:
    """Take the interrupt back; when this returns no ISR and no DPC of it runs or will run."""
    context = current.context
    interrupt = _interrupt(context, NdisInterruptHandle, "NdisMDeregisterInterruptEx")
    handles = _handles(interrupt) or [NdisInterruptHandle]
    records = _family(context, NdisInterruptHandle)
    for record in records:
        record.enabled = 0
    adapter = context.machine.objects[HandleKind.ADAPTER].find(interrupt.head.parent, HandleKind.ADAPTER)
    if adapter is not None:
        words = hardware_of(context, adapter.number).words
        messages.enable(words, False)
        messages.reset_table(words)
        adapter.interrupt = 0
        publish_change(context, adapter)
        wait_for_acknowledgement(context)

    def over() -> bool:
        return not any(any(cell.value for cell in record.dpc_queued) or any(record.dpc_running) for record in records)

    look_until(context, over)  # nobody rings for the end of a DPC: it would cost every one of them
    _free(context, handles, records)


@ddi(irql=ANY, callers=MINIPORT, note="header: <= DISPATCH_LEVEL; the page says any level, as an ISR needs it")
def NdisMQueueDpc(
    NdisInterruptHandle: InterruptHandle, MessageId: int, TargetProcessors: int, MiniportDpcContext: Any, /
) -> int:
    """Queue the interrupt's DPC to the processors of a mask; the mask of those where it was not queued already."""
    context = current.context
    handle, record = _message(context, NdisInterruptHandle, MessageId, "NdisMQueueDpc")
    return queue_interrupt_dpcs(context, handle, record, TargetProcessors, encode(context, MiniportDpcContext))


@ddi(irql=ANY, callers=MINIPORT)
def NdisMQueueDpcEx(
    NdisInterruptHandle: InterruptHandle, MessageId: int, TargetProcessors: GROUP_AFFINITY, MiniportDpcContext: Any, /
) -> int:
    """`NdisMQueueDpc` for the processors of a group; another group than 0 has none."""
    context = current.context
    handle, record = _message(context, NdisInterruptHandle, MessageId, "NdisMQueueDpcEx")
    targets = TargetProcessors.Mask if TargetProcessors.Group == 0 else 0
    return queue_interrupt_dpcs(context, handle, record, targets, encode(context, MiniportDpcContext))


@ddi(irql=AT_MOST_DIRQL, callers=MINIPORT, rules=("NdisMDeregisterInterruptEx",))
def NdisMSynchronizeWithInterruptEx(
    NdisInterruptHandle: InterruptHandle,
    MessageId: int,
    SynchronizeFunction: Callable[[Any], bool],
    SynchronizeContext: Any,
    /,
) -> bool:
    """Run a function at DIRQL while the ISR of the line, or of this message, runs nowhere; what it returned."""
    context = current.context
    _, record = _message(context, NdisInterruptHandle, MessageId, "NdisMSynchronizeWithInterruptEx")
    number = getattr(SynchronizeFunction, "__ndis_routine__", 0)
    if not number:
        unknown_routine(SynchronizeFunction, "NdisMSynchronizeWithInterruptEx", "MINIPORT_SYNCHRONIZE_INTERRUPT")
    return bool(call_synchronized(context, record, number, SynchronizeContext))


def switch_interrupts(context: Context, number: int, on: int) -> int:
    """Call the driver's handlers that enable or disable the interrupt of an adapter, as NDIS may to find a fault.

    NOT_SUPPORTED where the adapter has no interrupt, or its driver no such handler.
    """
    adapter = next((one for _, one in context.machine.objects[HandleKind.ADAPTER].live() if one.number == number), None)
    if adapter is None or not adapter.interrupt:
        return NDIS_STATUS_NOT_SUPPORTED
    status = NDIS_STATUS_NOT_SUPPORTED
    for record in _family(context, adapter.interrupt):
        routine = record.enable if on else record.disable
        if routine:
            message = (record.message,) if record.messages else ()
            call_synchronized(context, record, routine, decode(context, record.context), *message)
            status = NDIS_STATUS_SUCCESS
    return status


def _handles(interrupt: Any) -> list[int]:
    """The handles of all messages; none of a line, which has a single one."""
    return [interrupt.family[number] for number in range(interrupt.messages)]


def _family(context: Context, handle: int) -> list[Any]:
    """The records of a line, or of all messages, behind a handle."""
    table = context.machine.objects[HandleKind.INTERRUPT]
    first = table.find(handle, HandleKind.INTERRUPT)
    return [table.find(one, HandleKind.INTERRUPT) for one in _handles(first)] or [first]


def _message(context: Context, handle: int, message: int, name: str) -> tuple[int, Any]:
    """Handle and record of one message; of the line, whatever the number."""
    interrupt = _interrupt(context, handle, name)
    if not interrupt.messages:
        return handle, interrupt
    if not 0 <= message < interrupt.messages:
        stop(
            0xC4,
            0xE5,
            context.irql,
            message,
            ddi=name,
            text=f"MessageId is {message}; NDIS has granted this interrupt {interrupt.messages} messages.",
        )
    one = interrupt.family[message]
    return one, context.machine.objects[HandleKind.INTERRUPT].find(one, HandleKind.INTERRUPT)


def _interrupt(context: Context, handle: int | None, name: str) -> Any:
    table = context.machine.objects[HandleKind.INTERRUPT]
    interrupt = table.find(handle, HandleKind.INTERRUPT)
    if interrupt is None or interrupt.message:
        if handle and table.freed(handle, HandleKind.INTERRUPT) is not None:
            stop(
                0x7C,
                0x21,
                handle,
                rule="NdisMDeregisterInterruptEx",
                text=f"{name} was called after the interrupt had been deregistered.",
            )
        wrong_handle(handle, HandleKind.INTERRUPT, name)
    return interrupt


__all__ = [
    "IsrResult",
    "NdisMDeregisterInterruptEx",
    "NdisMQueueDpc",
    "NdisMQueueDpcEx",
    "NdisMRegisterInterruptEx",
    "NdisMSynchronizeWithInterruptEx",
]
