"""One declaration per DDI: what a decorator says once, the gate, the documents and the tests all read.

Law: ``@ddi`` records and returns the function itself; ``install`` puts either the plain functions (free build) or
generated gates of exact arity (checked build) under Microsoft's names into ``emulator.ndis``.
"""

from __future__ import annotations

import functools
import inspect
import sys
import textwrap
import types
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from emulator.kernel.platform import current
from emulator.kernel.sites import site_of_frame
from emulator.kernel.stop import raise_if_stopped, site_of, stop
from emulator.layout.machine import SITE_CELL
from emulator.ndis.gates.inlining import inlined
from emulator.rules.irql import ANY, irql_name, mask_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context

Function = TypeVar("Function", bound="Callable[..., Any]")


class Caller(IntFlag):
    """Kinds of driver that may call a function."""

    MINIPORT = 1
    FILTER = 2
    PROTOCOL = 4
    INTERMEDIATE = 8
    ALL = 15


MINIPORT, FILTER, PROTOCOL, INTERMEDIATE, ALL = (
    Caller.MINIPORT,
    Caller.FILTER,
    Caller.PROTOCOL,
    Caller.INTERMEDIATE,
    Caller.ALL,
)


class GateKind(IntEnum):
    """How much the checked build's gate does; what is called at every frame can only afford what it needs."""

    FULL = 0
    """Stop word, call site, black box, IRQL."""
    BRIEF = 1
    """Call site and IRQL: for a function that neither waits nor calls a driver, and remembers where it was called."""
    LEAF = 2
    """IRQL: for a function that looks at its arguments and at nothing else."""
    INLINE = 3
    """As FULL, inside the function, as those of BRIEF and LEAF are: one call less."""
    LOCK = 4
    """The black box alone, inside the function, which looks at stop word and IRQL itself, as locks do."""
    EDGE = 5
    """None: the edge over which the function hands a chain on does what FULL does."""


class Declaration(NamedTuple):
    """What is declared about one DDI function."""

    number: int
    name: str
    function: Callable[..., Any]
    parameters: tuple[str, ...]
    irql: int
    callers: Caller
    rules: tuple[str, ...]
    acquires: str
    releases: str
    page: str
    note: str
    gate: GateKind = GateKind.FULL


declarations: dict[str, Declaration] = {}
numbers: list[str] = [""]


def ddi(
    *,
    irql: int,
    callers: Caller = ALL,
    rules: tuple[str, ...] = (),
    acquires: str = "",
    releases: str = "",
    page: str = "",
    note: str = "",
    gate: GateKind = GateKind.FULL,
) -> Callable[[Function], Function]:
    """Declare a DDI function.

    ``irql`` is a mask of emulator.rules.irql; ``rules`` the DDI-compliance rules of its page; ``acquires`` and
    ``releases`` name a resource of the leak table; ``page`` is Microsoft's page when it is not ``nf-ndis-<name>``;
    ``note`` keeps a decision where header and page differ; ``gate`` says what the checked build does before the call.
    """

    def declare(function: Function) -> Function:
        name = function.__name__
        parameters = tuple(word.removeprefix("*") for word in _parameters(function))
        declarations[name] = Declaration(
            len(numbers),
            name,
            function,
            parameters,
            irql,
            callers,
            rules,
            acquires,
            releases,
            page or f"nf-ndis-{name.lower()}",
            note,
            gate,
        )
        numbers.append(name)
        return function

    return declare


def _parameters(function: Callable[..., Any]) -> list[str]:
    """What a plain function takes, as it is written: a Signature of each would cost a machine's start 20 ms."""
    code: types.CodeType = function.__code__
    names = list(code.co_varnames[: code.co_argcount])
    if code.co_flags & inspect.CO_VARARGS:
        names.append(f"*{code.co_varnames[code.co_argcount + code.co_kwonlyargcount]}")
    return names


def ddi_name(number: int) -> str:
    """The function behind a number of the black box; empty for none."""
    return numbers[number] if 0 < number < len(numbers) else ""


_GATE = """
def {name}({parameters}):
    context = current.context
{prelude}    return function({arguments})
"""
_STOPPED = """    if context.stop_word[0]:
        raise_if_stopped(context)
"""
_SITE = """    frame = getframe(1)
    site = {kept}context.site_numbers[id(frame.f_code) + frame.f_lasti]
"""
_TRAIL = """    context.cells[SITE_CELL] = {number} << 32 | site
"""
_CHECK = """    if {wrong}:
        wrong_irql(context, {name!r})
"""
_SWITCH = """    context.platform.switch({name!r})
"""


_TRACE = """    context.trace({number})
"""


@functools.cache
def gate(
    declaration: Declaration, *, checked: bool = True, switches: bool = False, traced: bool = False
) -> Callable[..., Any]:
    """The checked build's function: stop word, call site, IRQL as far as declared, then the plain function.

    With ``switches`` each call is a switch point of the simulated platform; with ``traced`` its number is kept.  A free
    build that is simulated or traced has these two and nothing else in front of its functions.
    """
    kind = declaration.gate
    looks = checked and kind is not GateKind.EDGE
    prelude = "".join(
        (
            _SWITCH.format(name=declaration.name) if switches else "",
            _TRACE.format(number=declaration.number) if traced else "",
            _STOPPED if looks and kind in (GateKind.FULL, GateKind.INLINE) else "",
            _SITE.format(kept="" if kind is GateKind.LOCK else "context.site = ")
            if looks and kind is not GateKind.LEAF
            else "",
            _TRAIL.format(number=declaration.number) if looks and kind not in (GateKind.BRIEF, GateKind.LEAF) else "",
            _CHECK.format(wrong=_wrong(declaration.irql), name=declaration.name)
            if looks and declaration.irql != ANY and kind is not GateKind.LOCK
            else "",
        )
    )
    if kind in (GateKind.LEAF, GateKind.EDGE) and not prelude:
        return declaration.function
    scope: dict[str, Any] = {
        "SITE_CELL": SITE_CELL,
        "current": current,
        "getframe": sys._getframe,
        "raise_if_stopped": raise_if_stopped,
        "wrong_irql": wrong_irql,
    }
    made: Callable[..., Any] | None = None
    if kind is not GateKind.FULL:
        made = inlined(declaration.function, textwrap.dedent(prelude), scope)
    if made is None:
        made = _around(declaration, prelude, scope)
    made.__doc__ = declaration.function.__doc__
    made.__wrapped__ = declaration.function  # type: ignore[attr-defined]
    return made


def pass_gate(context: Context, name: str) -> None:
    """A gate for what an EDGE function calls when it finds no edge: the driver's line is two callers further up."""
    raise_if_stopped(context)
    declaration, frame = declarations[name], sys._getframe(3)
    site = context.site = site_of_frame(context, frame)
    context.cells[SITE_CELL] = declaration.number << 32 | site
    if not declaration.irql >> context.irql & 1:
        wrong_irql(context, name)


def _wrong(mask: int) -> str:
    """The test that finds a wrong IRQL: one comparison where the mask is of all levels up to one."""
    highest = mask.bit_length() - 1
    return f"context.irql > {highest}" if mask == (1 << highest + 1) - 1 else f"not {mask} >> context.irql & 1"


def _around(declaration: Declaration, prelude: str, scope: dict[str, Any]) -> Callable[..., Any]:
    shown = _parameters(declaration.function)
    has_variable = any(word.startswith("*") for word in shown)
    source = _GATE.format(
        name=declaration.name,
        parameters=", ".join(shown) + (", /" if shown and not has_variable else ""),
        prelude=prelude,
        arguments=", ".join(shown),
    )
    scope["function"] = declaration.function
    exec(compile(source, f"<gate of {declaration.name}>", "exec"), scope)
    made: Callable[..., Any] = scope[declaration.name]
    return made


def wrong_irql(context: Context, name: str) -> None:
    """0xC4/0xE5, a kernel call at the wrong IRQL; NdisWaitEvent has its own, 0x7C/0x14."""
    declaration = declarations[name]
    rule = next((rule for rule in declaration.rules if rule.startswith("Irql_")), "")
    text = f"{name} was called at {irql_name(context.irql)}; it may be called at {mask_name(declaration.irql)}."
    # A lock that is held is what raised the IRQL, as a rule.
    sites = [site_of(context, "lock acquired", site) for _, site in context.locks_held()]
    if name == "NdisWaitEvent":
        stop(0x7C, 0x14, context.irql, text=text, rule=rule, ddi=name, sites=sites)
    stop(0xC4, 0xE5, context.irql, declaration.number, text=text, rule=rule, ddi=name, sites=sites)


def install(*, checked: bool, switches: bool = False, traced: bool = False) -> None:
    """Put one build's functions into ``emulator.ndis``; before any plug-in is imported.

    ``switches`` and ``traced`` say what else each call does, in either build.
    """
    import emulator.ndis as surface

    plain = not (checked or switches or traced)
    for name, declaration in declarations.items():
        made = declaration.function if plain else gate(declaration, checked=checked, switches=switches, traced=traced)
        setattr(surface, name, made)
