"""Interrupts as a processor serves them: the ISR at DIRQL, then its DPC at DISPATCH_LEVEL.

Law: a line, and a message too, is a level: it is looked at once a round and before the processor sleeps, and what is
not masked in the ISR comes again in the next round.  An ISR never interrupts a DPC here: a processor is one thread of
execution (a simplification of this emulator).  Two processors meet in an ISR's lock, which only a machine of several
processors has; on a single one the processor's own lock is enough.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel.calls import call, caller
from emulator.kernel.dpc import queue_dpc
from emulator.kernel.irql import lower_irql, raise_irql
from emulator.kernel.pointers import decode, encode
from emulator.layout.handles import INDEX_MASK, HandleKind, make_handle
from emulator.layout.machine import ContextKind
from emulator.ndis.adapter_hardware.hardware import hardware_of
from emulator.ndis.deferred_work.deferred import DeferredKind
from emulator.ndis.gates.returned_status import wrong_result
from emulator.ndis.headers.constants import NDIS_INDICATE_ALL_NBLS
from emulator.ndis.headers.structures_miniport import NDIS_RECEIVE_THROTTLE_PARAMETERS
from emulator.rules.irql import DIRQL, DISPATCH_LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context


class _Line(NamedTuple):
    """An interrupt line or message that this processor serves, compiled."""

    handle: int
    record: Any
    isr: Callable[[], Any]
    """Calls it with MiniportInterruptContext, and for a message MessageId."""
    run_dpc: Callable[[Any], None]
    """Calls its DPC with MiniportDpcContext."""
    asserted: Callable[[], bool]


def serve_interrupts(context: Context) -> bool:
    """Look at this processor's lines and messages once: ISR, then its DPC; True if one was asserted.

    DPCs are for whom the two out-parameters name, whatever the ISR says of the interrupt's being its own.
    """
    served, box = False, context.box
    for line in context.lines or _lines(context):
        if not line.asserted() or not line.record.enabled:
            continue
        served = True
        context.irql = box.irql = DIRQL
        result = line.isr()
        context.irql = box.irql = DISPATCH_LEVEL
        try:
            _, queue_default_dpc, targets = result
        except (TypeError, ValueError):
            wrong_result(context, line.record.isr, result, "an IsrResult")
        if queue_default_dpc:
            line.run_dpc(None)
        elif targets:
            queue_interrupt_dpcs(context, line.handle, line.record, targets, 0)
    return served


def _isr_alone(context: Context, lock: int, isr: Callable[[], Any]) -> Any:
    """The ISR, while nobody is in it, or in a function that is synchronised with it, on another processor."""
    context.platform.acquire(lock)
    result = isr()
    context.platform.release(lock)
    return result


def call_synchronized(context: Context, record: Any, routine: int, *arguments: Any) -> Any:
    """Call a driver's routine at DIRQL while the ISR of this line or message does not run."""
    before = raise_irql(context, DIRQL)
    if record.lock:
        context.platform.acquire(record.lock)
    try:
        result = call(context, routine, *arguments)
    except Exception:  # a fault of ours; the driver above may catch it, and is where it was
        _let_go(context, record.lock, before)
        raise
    _let_go(context, record.lock, before)
    return result


def _let_go(context: Context, lock: int, irql: int) -> None:
    if lock:
        context.platform.release(lock)
    lower_irql(context, irql)


def lines_asserted(context: Context) -> bool:
    """Is a line or a message of this processor asserted?"""
    for line in context.lines or _lines(context):  # noqa: SIM110  (a generator costs as much as the look)
        if line.asserted() and line.record.enabled:
            return True
    return False


def queue_interrupt_dpcs(context: Context, handle: int, record: Any, targets: int, argument: int) -> int:
    """Queue the DPC of a line or message to the processors of a mask; the mask of those where it was not queued yet."""
    queued = 0
    for processor in range(context.machine.geometry.processors):
        if targets >> processor & 1 and not context.platform.exchange(record.dpc_queued[processor], 1):
            queue_dpc(context, processor, DeferredKind.INTERRUPT_DPC, handle & INDEX_MASK, argument)
            queued |= 1 << processor
    return queued


def _dpc_runner(context: Context, handle: int, record: Any, dpc: Callable[..., Any]) -> Callable[[Any], None]:
    """What calls an interrupt's DPC; it is queued again when it says that more is pending."""
    processor, throttle = context.processor, NDIS_RECEIVE_THROTTLE_PARAMETERS()
    limit = context.machine.geometry.receive_throttle or NDIS_INDICATE_ALL_NBLS
    running = memoryview(record.dpc_running).cast("B").cast("I")[processor : processor + 1]

    def run_dpc(argument: Any) -> None:
        throttle.MaxNblsToIndicate = limit
        running[0] = 1
        dpc(argument, throttle, None)
        running[0] = 0
        if throttle.MoreNblsPending:
            throttle.MoreNblsPending = False
            if record.enabled:
                queue_interrupt_dpcs(context, handle, record, 1 << processor, encode(context, argument))

    return run_dpc


def run_queued_dpc(context: Context, index: int, argument: int) -> None:
    """A DPC from the DPC queue: asked for by name, or more pending."""
    record = context.machine.objects[HandleKind.INTERRUPT].records[index]
    record.dpc_queued[context.processor].value = 0
    if record.enabled and record.head.allocated:
        handle = make_handle(HandleKind.INTERRUPT, record.head.generation, index)
        line = next((line for line in _lines(context) if line.handle == handle), None)
        (line or _line(context, index, record)).run_dpc(decode(context, argument))


def compile_lines(context: Context) -> None:
    """Forget the compiled lines; an epoch has changed."""
    context.lines = None


def _lines(context: Context) -> list[_Line]:
    lines: list[_Line] | None = context.lines
    if lines is None:
        table = context.machine.objects[HandleKind.INTERRUPT]
        mine = context.kind is ContextKind.PROCESSOR
        lines = [
            _line(context, handle & INDEX_MASK, record)
            for handle, record in table.live()
            if mine and record.enabled and record.processor == context.processor
        ]
        context.lines = lines
    return lines


def _line(context: Context, index: int, record: Any) -> _Line:
    nic = hardware_of(context, record.adapter)
    value = decode(context, record.context)
    arguments = (value, record.message) if record.messages else (value,)
    asserted = nic.lines[0] if nic.layout.queues == 1 else nic.line_asserted
    handle = make_handle(HandleKind.INTERRUPT, record.head.generation, index)
    isr = caller(context, record.isr, DIRQL, *arguments)
    return _Line(
        handle=handle,
        record=record,
        isr=functools.partial(_isr_alone, context, record.lock, isr) if record.lock else isr,
        run_dpc=_dpc_runner(context, handle, record, caller(context, record.dpc, DISPATCH_LEVEL, *arguments)),
        asserted=functools.partial(nic.sends, record.message) if record.messages else asserted,
    )
