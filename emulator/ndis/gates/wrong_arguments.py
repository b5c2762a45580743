"""An exception inside a function of ours: the stop names which argument of the driver's was wrong.

Law: looked at when it is too late, so that a right call costs nothing; an argument is wrong when its declared type does
not admit it.  Where every argument is of its type the stop names the function and shows our lines beside the driver's.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.stop import exception_frames, stop, stop_limit, stop_unhandled
from emulator.ndis.gates.ddi import Declaration, GateKind, declarations
from emulator.rules.irql import DISPATCH_LEVEL
from emulator.rules.limits import VnicLimit

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from emulator.kernel.context import Context

STATUS_ACCESS_VIOLATION: Final = 0xC0000005
_NUMBERS: Final = ("int", "bool", "float")


def wrong_argument(context: Context, error: BaseException) -> None:
    """Stop for a wrong argument of the DDI call that the innermost driver made; return where that was none of ours."""
    ours = _beyond_the_driver(context, error.__traceback__)
    if ours is None:
        return
    declaration = declarations.get(ours.tb_frame.f_code.co_name)
    if declaration is None:
        return
    given = _arguments(declaration, ours.tb_frame)
    name = declaration.name
    for parameter, value in given:
        if value is None and not _admits_null(parameter.annotation):
            _null(context, error, f"{name} was given NULL for {parameter.name}", name)
        if value is not None and not _is_one(value, parameter.annotation):
            kind = type(value).__name__
            stop_limit(
                VnicLimit.VNIC_WRONG_TYPE,
                f"{name} was given {_a(kind)} for {parameter.name}, which is {_a(parameter.annotation)}.",
                frames=exception_frames(context, error.__traceback__),
                ddi=name,
            )
    if "NoneType" in str(error):
        unnamed = [parameter.name for parameter, value in given if value is None and parameter.annotation == "Any"]
        what = f"NULL for {' or '.join(unnamed)}" if unnamed else "a structure with NULL where it needs a value"
        _null(context, error, f"{name} was given {what}", name)
    stop_unhandled(
        context,
        f"{name} could do nothing with what it was given: {type(error).__name__}: {error}. Each argument is of its "
        f"type; if what they hold is right too, the fault is the emulator's, in {_innermost(ours)}.",
        exception_frames(context, error.__traceback__),
        name,
    )


def _beyond_the_driver(context: Context, trace: TracebackType | None) -> TracebackType | None:
    """The first frame of ours below the last one of a driver; None where a driver's own line raised."""
    found = None
    owns = context.machine.images.owns
    while trace is not None:
        if owns(trace.tb_frame.f_code):
            found = trace.tb_next
        trace = trace.tb_next
    return found


def _innermost(trace: TracebackType) -> str:
    """Where an exception was raised."""
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return f"{code.co_filename.rpartition('emulator/')[2]}:{trace.tb_lineno} ({code.co_name})"


def _arguments(declaration: Declaration, frame: FrameType) -> list[tuple[inspect.Parameter, Any]]:
    """What was passed, as far as the function still knows it."""
    local = frame.f_locals
    parameters = inspect.signature(declaration.function).parameters.values()
    return [
        (parameter, local[parameter.name])
        for parameter in parameters
        if parameter.name in local and parameter.kind is not parameter.VAR_POSITIONAL
    ]


def _admits_null(annotation: str) -> bool:
    return annotation == "Any" or "None" in annotation.split(" | ")


def _is_one(value: Any, annotation: str) -> bool:
    """Is a value of a type, as the declaration writes it?  By name, since types may be known to the checker alone."""
    import emulator.ndis as surface

    if annotation == "Any" or "[" in annotation:
        return annotation == "Any" or not annotation.startswith("Callable") or callable(value)
    names = {kind.__name__ for kind in type(value).__mro__}
    for each in annotation.split(" | "):
        kind = getattr(surface, each, None)
        if each in _NUMBERS or (isinstance(kind, type) and issubclass(kind, int)):
            if isinstance(value, int):
                return True
        elif each in names or (kind is not None and not isinstance(kind, type)):
            return True
    return False


def _null(context: Context, error: BaseException, text: str, name: str) -> None:
    """What Windows does when a NULL pointer is followed: 0xD1 at DISPATCH_LEVEL, an access violation below."""
    frames = exception_frames(context, error.__traceback__)
    site = context.box.site if declarations[name].gate is GateKind.LOCK else context.site
    if context.irql >= DISPATCH_LEVEL:
        stop(0xD1, 0, context.irql, 0, site, text=f"{text}.", frames=frames, ddi=name)
    stop(0x7E, STATUS_ACCESS_VIOLATION, site, text=f"{text}.", frames=frames, ddi=name)


def _a(kind: str) -> str:
    spoken_as_vowel = kind[0] in "aeiouAEIOU" or kind.startswith(("NDIS", "MDL", "NPAGED"))
    return f"{'an' if spoken_as_vowel else 'a'} {kind}"
