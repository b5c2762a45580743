"""From one driver into the next: a plain call in the caller's context, with the black box written around it.

Law: what a crossing writes is readable in any half state; a handler returns at the IRQL and with the locks that it was
called with.  What leaves a handler otherwise stops the machine here: no driver above may catch it and go on in the name
of the one below.  A fault of ours (EmulatorError, HostError) goes on, and the driver above is itself again.  It is
kernel.calls.call with fixed arguments, and as a text: a data path cannot afford more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.calls import PASSED_ON, escaped, passed_through, returned_at_other_irql, returned_with_lock
from emulator.kernel.dpc import queue_dpc
from emulator.kernel.platform import current
from emulator.kernel.pointers import encode
from emulator.kernel.stop import driver_frames
from emulator.layout.machine import ROUTINE_CELL
from emulator.ndis.deferred_work.deferred import DeferredKind
from emulator.rules.errors import NotImplementedByEmulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from emulator.kernel.context import Context
    from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST

NESTING_LIMIT: Final = 12
WARNING: Final = 30

_CROSSING: Final = """
    context.nesting = nesting + 1
    outer = cells[ROUTINE_CELL]
    held = len(locks)                                           #: locked
    cells[ROUTINE_CELL] = mark
    try:
        function(value, {arguments})
    except PASSED_ON as error:
        context.nesting = nesting
        passed_through(context, error, outer, irql, 0)          #: bare
        passed_through(context, error, outer, irql, held)       #: locked
        raise
    except BaseException as error:
        escaped(context, error)
    context.nesting = nesting
    if context.irql != irql:
        returned_at_other_irql(context, routine, irql)
    if locks:                                                   #: bare
    if len(locks) != held:                                      #: locked
        returned_with_lock(context, routine)
    cells[ROUTINE_CELL] = outer
"""


def tagged(text: str, tags: Iterable[str]) -> str:
    """The lines of a text that all words behind their ``#:`` apply to."""
    known = set(tags)
    lines = (line.partition("#:") for line in text.splitlines())
    return "\n".join(code.rstrip() for code, _, wanted in lines if known.issuperset(wanted.split()))


CROSSING: Final = tagged(_CROSSING, ["bare"])
"""What calls a target's function, for the text of a function that has these names and whose caller holds no lock."""
_ENTER: Final = """
def enter(context, target, value, {arguments}):
    cells, locks, irql, nesting = context.cells, context.held, context.irql, context.nesting
    function, mark, routine = target.function, target.mark, target.routine
""" + tagged(_CROSSING, ["locked"])
IN_CROSSINGS: Final[dict[str, Any]] = {
    "PASSED_ON": PASSED_ON,
    "ROUTINE_CELL": ROUTINE_CELL,
    "escaped": escaped,
    "passed_through": passed_through,
    "returned_at_other_irql": returned_at_other_irql,
    "returned_with_lock": returned_with_lock,
}


def _enter(arguments: str) -> Callable[..., None]:
    scope = dict(IN_CROSSINGS)
    exec(compile(_ENTER.format(arguments=arguments), f"<enter with {arguments}>", "exec"), scope)
    made: Callable[..., None] = scope["enter"]
    return made


enter2 = _enter("a")
enter3 = _enter("a, b")
enter4 = _enter("a, b, c")
enter5 = _enter("a, b, c, d")
"""Call a target with so many arguments, the first its context value: ``enter2(context, target, value, x)``."""
ENTER: Final = {2: enter2, 3: enter3, 4: enter4, 5: enter5}

OPERATION_SHIFT, LAYER_SHIFT, FLAGS_MASK = 28, 16, 0xFFFF
LAYER_MASK = 0xFFF
FILTER_LAYER: Final = 0x800
"""Added to the index of a filter module where a binding's may stand as well."""


def defer(context: Context, operation: int, layer: int, nbl: NET_BUFFER_LIST, flags: int) -> None:
    """Too many crossings lie on the stack: the call goes on as a DPC of this processor."""
    path = context.datapath
    if path.checked and not path.cycle_told:
        path.cycle_told = True
        lines = "; ".join(line.partition(": ")[0] for line in driver_frames(context)[-NESTING_LIMIT:])
        context.platform.log(
            WARNING,
            "ndis",
            f"calls from driver to driver are nested {context.nesting} deep and go on in a DPC; the cycle is: {lines}",
        )
    word = encode(context, nbl)
    target = operation << OPERATION_SHIFT | layer << LAYER_SHIFT | flags & FLAGS_MASK
    queue_dpc(context, context.processor, DeferredKind.NESTED_CALL, target, word)


def not_implemented(name: str, what: str) -> None:
    """A part of a DDI that this emulator does not have: named, with the driver's line."""
    lines = driver_frames(current.context)
    raise NotImplementedByEmulator(f"{name} with {what}", lines[-1] if lines else "")
