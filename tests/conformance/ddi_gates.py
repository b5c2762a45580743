"""What the generated conformance tests share: the DDI as documented, and gates around functions that do nothing.

Law: what is legal is read from the table of documented facts and not from the declaration, except where the
declaration's note explains why it differs.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import emulator.ndis  # noqa: F401  (declares everything)
from emulator.ndis.gates.ddi import declarations, gate
from emulator.rules.irql import (
    APC_LEVEL,
    DIRQL,
    DISPATCH_LEVEL,
    PASSIVE_LEVEL,
    documented_mask,
)
from tools.check_ddi_facts import read_facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.ndis.gates.ddi import Declaration

FACTS: Final = read_facts()
NAMES: Final = sorted(declarations)
LEVELS: Final = (PASSIVE_LEVEL, APC_LEVEL, DISPATCH_LEVEL, DIRQL)

OWN_STOP: Final = {"NdisWaitEvent": (0x7C, 0x14)}
"""Gates whose stop is not the verifier's 0xC4/0xE5, because Windows documents another one."""


def legal_levels(declaration: Declaration) -> int:
    """The levels at which a function may be called, as a mask."""
    fact = FACTS.get(declaration.name)
    if declaration.note or fact is None:
        return declaration.irql
    mask = documented_mask(fact.irql)
    mask = mask if mask is not None else documented_mask(fact.header_irql)
    return declaration.irql if mask is None else mask


def stubbed(
    declaration: Declaration, calls: list[tuple[Any, ...]], *, checked: bool = True, switches: bool = False
) -> Callable[..., Any]:
    """The gate of a function, around one that takes the same, notes its arguments and returns its name."""

    def note(*arguments: Any) -> str:
        calls.append(arguments)
        return declaration.name

    signature, scope = inspect.signature(declaration.function), {"note": note}
    taken = ", ".join("*" * (one.kind is one.VAR_POSITIONAL) + one.name for one in signature.parameters.values())
    bare = signature.replace(parameters=[one.replace(annotation=one.empty) for one in signature.parameters.values()])
    exec(f"def {declaration.name}{bare.replace(return_annotation=bare.empty)}: return note({taken})", scope)
    stub: Callable[..., Any] = scope[declaration.name]
    return gate(declaration._replace(function=stub), checked=checked, switches=switches)


def arguments_for(declaration: Declaration) -> list[Any]:
    """One value for each parameter; a format and two values where a function takes any number."""
    parameters = inspect.signature(declaration.function).parameters.values()
    return [object() for _ in parameters]
