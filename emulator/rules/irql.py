"""Interrupt request levels, and masks that say at which of them something may run.

Law: a level is an int from 0 to 15, a mask is an int with one bit for each level, so that a gate is the single
test `1 << irql & mask`. Nothing here knows who runs at which level.
"""

from __future__ import annotations

from typing import Final

Irql = int
IrqlMask = int

PASSIVE_LEVEL: Final = 0
LOW_LEVEL: Final = 0
APC_LEVEL: Final = 1
DISPATCH_LEVEL: Final = 2
CMCI_LEVEL: Final = 5
DIRQL: Final = 6
"""Our choice: Windows gives each device some level from 3 to 12; 5 is left to the corrected-error interrupt."""
CLOCK_LEVEL: Final = 13
IPI_LEVEL: Final = 14
DRS_LEVEL: Final = 14
POWER_LEVEL: Final = 14
PROFILE_LEVEL: Final = 15
HIGH_LEVEL: Final = 15

_NAMES: Final = {
    PASSIVE_LEVEL: "PASSIVE_LEVEL",
    APC_LEVEL: "APC_LEVEL",
    DISPATCH_LEVEL: "DISPATCH_LEVEL",
    CMCI_LEVEL: "CMCI_LEVEL",
    DIRQL: "DIRQL",
    CLOCK_LEVEL: "CLOCK_LEVEL",
    IPI_LEVEL: "IPI_LEVEL",
    HIGH_LEVEL: "HIGH_LEVEL",
}

AT_PASSIVE: Final[IrqlMask] = 1 << PASSIVE_LEVEL
AT_MOST_APC: Final[IrqlMask] = (1 << APC_LEVEL + 1) - 1
AT_MOST_DISPATCH: Final[IrqlMask] = (1 << DISPATCH_LEVEL + 1) - 1
AT_DISPATCH: Final[IrqlMask] = 1 << DISPATCH_LEVEL
AT_DIRQL: Final[IrqlMask] = 1 << DIRQL
AT_MOST_DIRQL: Final[IrqlMask] = (1 << DIRQL + 1) - 1
AT_PASSIVE_OR_HIGH: Final[IrqlMask] = 1 << PASSIVE_LEVEL | 1 << HIGH_LEVEL
ANY: Final[IrqlMask] = (1 << HIGH_LEVEL + 1) - 1

_MASK_NAMES: Final = {
    AT_PASSIVE: "PASSIVE_LEVEL",
    AT_MOST_APC: "<= APC_LEVEL",
    AT_MOST_DISPATCH: "<= DISPATCH_LEVEL",
    AT_DISPATCH: "DISPATCH_LEVEL",
    AT_DIRQL: "DIRQL",
    AT_MOST_DIRQL: "<= DIRQL",
    AT_PASSIVE_OR_HIGH: "PASSIVE_LEVEL or HIGH_LEVEL",
    ANY: "any level",
}

# How the reference pages write a level, once spaces, full stops and the word IRQL are taken away. What is not here
# ("See Remarks section") depends on an argument or on circumstances, and its declaration must say where it decides.
_DOCUMENTED: Final = {
    "passive_level": AT_PASSIVE,
    "calledatpassive_level": AT_PASSIVE,
    "=passive_level": AT_PASSIVE,
    "<=apc_level": AT_MOST_APC,
    "<dispatch_level": AT_MOST_APC,
    "dispatch_level": AT_DISPATCH,
    "=dispatch_level": AT_DISPATCH,
    "<=dispatch_level": AT_MOST_DISPATCH,
    "<=dirql": AT_MOST_DIRQL,
    "dirql": AT_DIRQL,
    "dirql(seeremarkssection)": AT_DIRQL,
    "anylevel": ANY,
    "anylevel(seeremarkssection)": ANY,
}


def irql_name(irql: Irql) -> str:
    """Return Microsoft's name of a level, or its number where it has none."""
    return _NAMES.get(irql, f"IRQL {irql}")


def mask_name(mask: IrqlMask) -> str:
    """Return a mask as the reference pages write it."""
    known = _MASK_NAMES.get(mask)
    if known is not None:
        return known
    return ", ".join(irql_name(level) for level in range(HIGH_LEVEL + 1) if 1 << level & mask) or "no level"


def is_legal(irql: Irql, mask: IrqlMask) -> bool:
    """Tell whether a level is in a mask."""
    return bool(1 << irql & mask)


def documented_mask(text: str) -> IrqlMask | None:
    """Return the mask that a reference page means, or None where the page leaves it to its remarks."""
    key = text.lower().replace(" ", "").replace(".", "").removeprefix("irql")
    return _DOCUMENTED.get(key)
