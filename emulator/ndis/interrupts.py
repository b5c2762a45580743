"""Interrupts: the ISR at DIRQL, the DPC at DISPATCH_LEVEL, both on the interrupt's processor.

Law: the line is level triggered; it is looked at once a round and before the processor sleeps.  An ISR never interrupts
a DPC here: a processor is one thread of execution (a simplification of this emulator).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel.calls import call
from emulator.kernel.dpc import queue_dpc
from emulator.kernel.platform import current
from emulator.kernel.pointers import decode, encode
from emulator.kernel.stop import stop
from emulator.kernel.waits import sleep_in_call, wake
from emulator.layout.arena import FIRST_PROCESSOR_SLOT
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.layout.machine import ContextKind
from emulator.ndis.absent import not_implemented
from emulator.ndis.adapters import adapter_of, publish_change, wait_for_acknowledgement, wrong_handle
from emulator.ndis.constants import NDIS_INDICATE_ALL_NBLS
from emulator.ndis.ddi import MINIPORT, ddi
from emulator.ndis.deferred import DeferredKind
from emulator.ndis.enumerations import NDIS_CONNECT_LINE_BASED
from emulator.ndis.handles import AdapterHandle, InterruptHandle
from emulator.ndis.hardware import hardware_of
from emulator.ndis.returned_status import wrong_result
from emulator.ndis.status import NDIS_STATUS, NDIS_STATUS_FAILURE, NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS
from emulator.ndis.structures_common import structure_fault
from emulator.ndis.structures_miniport import NDIS_RECEIVE_THROTTLE_PARAMETERS
from emulator.ndis.work_items import unknown_routine
from emulator.rules.irql import ANY, AT_MOST_DIRQL, AT_PASSIVE, DIRQL, DISPATCH_LEVEL
from emulator.rules.states import AdapterState

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.ndis.structures_miniport import NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS
    from vnic.device import Vnic

DEFAULT_MESSAGE = 0
LOOK_AGAIN_NS = 1_000_000


class RegisteredInterrupt(NamedTuple):
    """What NdisMRegisterInterruptEx gives."""

    Status: NDIS_STATUS
    NdisInterruptHandle: InterruptHandle | None


class IsrResult(NamedTuple):
    """What MiniportInterrupt gives back: is it ours, and its two out-parameters."""

    Recognized: bool
    QueueDefaultInterruptDpc: bool
    TargetProcessors: int


class _Line(NamedTuple):
    """An interrupt line that this processor serves, compiled."""

    handle: int
    record: Any
    isr: int
    dpc: int
    value: Any
    nic: Vnic
    throttle: NDIS_RECEIVE_THROTTLE_PARAMETERS


@ddi(
    irql=AT_PASSIVE,
    callers=MINIPORT,
    rules=(
        "Init_DeRegisterInterrupt",
        "Init_RegisterInterrupt",
        "Irql_Interrupt_Function",
        "NdisMDeregisterInterruptEx",
    ),
    acquires="interrupt",
)
def NdisMRegisterInterruptEx(
    MiniportAdapterHandle: AdapterHandle,
    MiniportInterruptContext: Any,
    MiniportInterruptCharacteristics: NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS,
    /,
) -> RegisteredInterrupt:
    """Register the adapter's line interrupt, inside MiniportInitializeEx; the ISR may run before this returns."""
    context = current.context
    adapter = adapter_of(context, MiniportAdapterHandle, "NdisMRegisterInterruptEx")
    given = MiniportInterruptCharacteristics
    if adapter.state != AdapterState.INITIALIZING or structure_fault(given):
        return RegisteredInterrupt(NDIS_STATUS_FAILURE, None)
    if given.MsiSupported and given.InterruptHandler is None:
        not_implemented("NdisMRegisterInterruptEx", "message-signalled interrupts")
    routines = []
    for function, role in (
        (given.InterruptHandler, "MINIPORT_ISR"),
        (given.InterruptDpcHandler, "MINIPORT_INTERRUPT_DPC"),
    ):
        if function is None:
            return RegisteredInterrupt(NDIS_STATUS_FAILURE, None)
        number = getattr(function, "__ndis_routine__", 0)
        if not number:
            unknown_routine(function, "NdisMRegisterInterruptEx", role)
        routines.append(number)
    made = context.machine.objects[HandleKind.INTERRUPT].allocate(
        HandleKind.INTERRUPT, driver=context.driver, parent=MiniportAdapterHandle, site=context.site
    )
    if made is None:
        return RegisteredInterrupt(NDIS_STATUS_RESOURCES, None)
    handle, interrupt = made
    interrupt.adapter = adapter.number
    interrupt.isr, interrupt.dpc = routines
    interrupt.processor = adapter.number % context.machine.geometry.processors
    interrupt.context = encode(context, MiniportInterruptContext)
    interrupt.enabled = 1
    adapter.interrupt = handle
    given.InterruptType = NDIS_CONNECT_LINE_BASED
    publish_change(context, adapter)
    wake(context, FIRST_PROCESSOR_SLOT + interrupt.processor)
    return RegisteredInterrupt(NDIS_STATUS_SUCCESS, InterruptHandle(handle))


@ddi(
    irql=AT_PASSIVE,
    callers=MINIPORT,
    rules=(
        "Init_DeRegisterInterrupt",
        "Init_RegisterInterrupt",
        "Irql_Interrupt_Function",
        "NdisMDeregisterInterruptEx",
    ),
    releases="interrupt",
)
def NdisMDeregisterInterruptEx(NdisInterruptHandle: InterruptHandle, /) -> None:
    """Take the interrupt back; when this returns no ISR and no DPC of it runs or will run."""
    context = current.context
    interrupt = _interrupt(context, NdisInterruptHandle, "NdisMDeregisterInterruptEx")
    interrupt.enabled = 0
    adapter = context.machine.objects[HandleKind.ADAPTER].find(interrupt.head.parent, HandleKind.ADAPTER)
    if adapter is not None:
        adapter.interrupt = 0
        publish_change(context, adapter)
        wait_for_acknowledgement(context)

    def over() -> bool:
        return not any(cell.value for cell in interrupt.dpc_queued) and not any(interrupt.dpc_running)

    # Nobody rings for the end of a DPC: it would cost every one of them.
    while not over():
        sleep_in_call(context, over, context.platform.now() + LOOK_AGAIN_NS)
    context.machine.objects[HandleKind.INTERRUPT].free(NdisInterruptHandle, site=context.site)


@ddi(irql=ANY, callers=MINIPORT, note="header: <= DISPATCH_LEVEL; the page says any level, as an ISR needs it")
def NdisMQueueDpc(
    NdisInterruptHandle: InterruptHandle, MessageId: int, TargetProcessors: int, MiniportDpcContext: Any, /
) -> int:
    """Queue the interrupt's DPC to one processor (a mask with one bit); the mask of those it was queued to now."""
    del MessageId
    context = current.context
    interrupt = _interrupt(context, NdisInterruptHandle, "NdisMQueueDpc")
    processors = context.machine.geometry.processors
    processor = (TargetProcessors & -TargetProcessors).bit_length() - 1 if TargetProcessors else interrupt.processor
    if not 0 <= processor < processors:
        return 0
    value = encode(context, MiniportDpcContext)
    if context.platform.exchange(interrupt.dpc_queued[processor], 1):
        return 0
    queue_dpc(context, processor, DeferredKind.INTERRUPT_DPC, NdisInterruptHandle & INDEX_MASK, value)
    return 1 << processor


@ddi(irql=AT_MOST_DIRQL, callers=MINIPORT, rules=("NdisMDeregisterInterruptEx",))
def NdisMSynchronizeWithInterruptEx(
    NdisInterruptHandle: InterruptHandle,
    MessageId: int,
    SynchronizeFunction: Callable[[Any], bool],
    SynchronizeContext: Any,
    /,
) -> bool:
    """Run a function at DIRQL while no ISR of this interrupt runs; what it returned."""
    del MessageId
    context = current.context
    _interrupt(context, NdisInterruptHandle, "NdisMSynchronizeWithInterruptEx")
    number = getattr(SynchronizeFunction, "__ndis_routine__", 0)
    if not number:
        unknown_routine(SynchronizeFunction, "NdisMSynchronizeWithInterruptEx", "MINIPORT_SYNCHRONIZE_INTERRUPT")
    from emulator.kernel.irql import lower_irql, raise_irql

    # The ISR runs under its processor's lock; holding that lock at DIRQL keeps it out.
    before = raise_irql(context, DIRQL)
    result = bool(call(context, number, SynchronizeContext))
    lower_irql(context, before)
    return result


def serve_interrupts(context: Context) -> bool:
    """Look at this processor's lines once: ISR, then its DPC; True if a line was asserted."""
    served = False
    box = context.box
    for line in _lines(context):
        if not line.nic.asserted() or not line.record.enabled:
            continue
        served = True
        context.irql = box.irql = DIRQL
        result = call(context, line.isr, line.value)
        context.irql = box.irql = DISPATCH_LEVEL
        try:
            recognized, queue_dpc_now, _ = result
        except (TypeError, ValueError):
            wrong_result(context, line.isr, result, "an IsrResult")
        if recognized and queue_dpc_now:
            run_interrupt_dpc(context, line, None)
    return served


def lines_asserted(context: Context) -> bool:
    """Is a line of this processor asserted?"""
    return any(line.nic.asserted() and line.record.enabled for line in _lines(context))


def run_interrupt_dpc(context: Context, line: _Line, argument: Any) -> None:
    """Call the interrupt's DPC; queued again when it says that more is pending."""
    throttle, record, processor = line.throttle, line.record, context.processor
    throttle.MaxNblsToIndicate, throttle.MoreNblsPending = NDIS_INDICATE_ALL_NBLS, False
    running = record.dpc_running
    running[processor] = 1
    call(context, line.dpc, line.value, argument, throttle, None)
    running[processor] = 0
    if throttle.MoreNblsPending and record.enabled and not context.platform.exchange(record.dpc_queued[processor], 1):
        queue_dpc(context, processor, DeferredKind.INTERRUPT_DPC, line.handle & INDEX_MASK, encode(context, argument))


def run_queued_dpc(context: Context, index: int, argument: int) -> None:
    """A DPC from the DPC queue: NdisMQueueDpc, or more pending."""
    record = context.machine.objects[HandleKind.INTERRUPT].records[index]
    record.dpc_queued[context.processor].value = 0
    if record.enabled and record.head.allocated:
        handle = HandleKind.INTERRUPT << 56 | record.head.generation << 32 | index
        line = next((line for line in _lines(context) if line.handle == handle), None)
        run_interrupt_dpc(context, line or _line(context, index, record), decode(context, argument))


def compile_lines(context: Context) -> None:
    """Forget the compiled lines; an epoch has changed."""
    context.memory.pop("interrupt_lines", None)


def _lines(context: Context) -> list[_Line]:
    lines: list[_Line] | None = context.memory.get("interrupt_lines")
    if lines is None:
        table = context.machine.objects[HandleKind.INTERRUPT]
        mine = context.kind is ContextKind.PROCESSOR
        lines = [
            _line(context, handle & INDEX_MASK, record)
            for handle, record in table.live()
            if mine and record.enabled and record.processor == context.processor
        ]
        context.memory["interrupt_lines"] = lines
    return lines


def _line(context: Context, index: int, record: Any) -> _Line:
    handle = HandleKind.INTERRUPT << 56 | record.head.generation << 32 | index
    value = decode(context, record.context)
    nic = hardware_of(context, record.adapter)
    return _Line(handle, record, record.isr, record.dpc, value, nic, NDIS_RECEIVE_THROTTLE_PARAMETERS())


def _interrupt(context: Context, handle: int | None, name: str) -> Any:
    table = context.machine.objects[HandleKind.INTERRUPT]
    interrupt = table.find(handle, HandleKind.INTERRUPT)
    if interrupt is None:
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
    "NdisMRegisterInterruptEx",
    "NdisMSynchronizeWithInterruptEx",
]
