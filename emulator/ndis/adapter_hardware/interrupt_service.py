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
from emulator.kernel.spinlocks import wait_for
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
    asserted: Callable[[], bool]
    serve: Callable[[], bool]
    """Looks whether it is asserted; if so, calls the ISR and then its DPC."""
    run_dpc: Callable[[Any], None]
    """Calls its DPC with MiniportDpcContext."""


def serve_interrupts(context: Context) -> bool:
    """Look at this processor's lines and messages once: ISR, then its DPC; True if one was asserted."""
    _lines(context)
    return context.serve_lines()


def lines_asserted(context: Context) -> bool:
    """Is a line or a message of this processor asserted?"""
    _lines(context)
    return context.lines_asserted()


def _isr_alone(context: Context, lock: int, isr: Callable[[], Any]) -> Any:
    """The ISR, while nobody is in it, or in a function that is synchronised with it, on another processor."""
    if not context.platform.try_acquire(lock):
        wait_for(context, lock)
    result = isr()
    context.platform.release(lock)
    return result


def call_synchronized(context: Context, record: Any, routine: int, *arguments: Any) -> Any:
    """Call a driver's routine at DIRQL while the ISR of this line or message does not run."""
    before = raise_irql(context, DIRQL)
    if record.lock and not context.platform.try_acquire(record.lock):
        wait_for(context, record.lock)
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


def _server(
    context: Context,
    handle: int,
    record: Any,
    asserted: Callable[[], bool],
    isr: Callable[[], Any],
    run_dpc: Callable[[Any], None],
) -> Callable[[], bool]:
    """What serves a line.  DPCs are for whom the ISR's two out-parameters name, whether it has recognised it or not."""
    box = context.box

    def serve() -> bool:
        if not asserted():
            return False
        context.irql = box.irql = DIRQL
        result = isr()
        context.irql = box.irql = DISPATCH_LEVEL
        try:
            _, queue_default_dpc, targets = result
        except (TypeError, ValueError):
            wrong_result(context, record.isr, result, "an IsrResult")
        if queue_default_dpc:
            run_dpc(None)
        elif targets:
            queue_interrupt_dpcs(context, handle, record, targets, 0)
        return True

    return serve


def run_queued_dpc(context: Context, index: int, argument: int) -> None:
    """A DPC from the DPC queue: asked for by name, or more pending."""
    record = context.machine.objects[HandleKind.INTERRUPT].records[index]
    record.dpc_queued[context.processor].value = 0
    if record.enabled and record.head.allocated:
        handle = make_handle(HandleKind.INTERRUPT, record.head.generation, index)
        line = next((line for line in _lines(context) if line.handle == handle), None)
        (line or _line(context, index, record)).run_dpc(decode(context, argument))


def compile_lines(context: Context) -> None:
    """Forget the compiled lines, an epoch has changed: whoever looks at them next compiles them."""
    context.lines = None
    context.serve_lines = functools.partial(serve_interrupts, context)
    context.lines_asserted = functools.partial(lines_asserted, context)


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
        if len(lines) == 1:
            context.lines_asserted, context.serve_lines = lines[0].asserted, lines[0].serve
        else:
            context.lines_asserted = functools.partial(_any_asserted, lines)
            context.serve_lines = functools.partial(_serve_all, context, lines)
    return lines


def _any_asserted(lines: list[_Line]) -> bool:
    return any(line.asserted() for line in lines)


def _serve_all(context: Context, lines: list[_Line]) -> bool:
    """Serve each line, until in a DPC the epoch has changed: some may not be there any more."""
    served = False
    for line in lines:
        served = line.serve() or served
        if context.lines is not lines:
            break
    return served


def _line(context: Context, index: int, record: Any) -> _Line:
    nic = hardware_of(context, record.adapter)
    value = decode(context, record.context)
    arguments = (value, record.message) if record.messages else (value,)
    asserted = nic.lines[0] if nic.layout.queues == 1 else nic.line_asserted
    handle = make_handle(HandleKind.INTERRUPT, record.head.generation, index)
    if record.messages:
        asserted = functools.partial(nic.sends, record.message)
    isr = caller(context, record.isr, DIRQL, *arguments)
    if record.lock:
        isr = functools.partial(_isr_alone, context, record.lock, isr)
    run_dpc = _dpc_runner(context, handle, record, caller(context, record.dpc, DISPATCH_LEVEL, *arguments))
    return _Line(handle, asserted, _server(context, handle, record, asserted, isr, run_dpc), run_dpc)
