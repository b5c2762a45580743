"""Processors by group, the alignment of what they share, and functions of NDIS by name.

Law: a machine has one processor group, number 0; another group has no processors.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from emulator.kernel.platform import current
from emulator.ndis.gates.ddi import ddi, declarations
from emulator.ndis.headers.processor_numbers import PROCESSOR_NUMBER
from emulator.rules.irql import ANY, AT_DISPATCH, AT_MOST_DISPATCH, AT_PASSIVE, IrqlMask

AT_LEAST_DISPATCH: Final[IrqlMask] = ANY & ~(AT_MOST_DISPATCH & ~AT_DISPATCH)
ALL_PROCESSOR_GROUPS: Final = 0xFFFF
CACHE_LINE: Final = 64


@ddi(irql=ANY)
def NdisActiveGroupCount() -> int:
    """Processor groups of the machine: one."""
    return 1


@ddi(irql=ANY)
def NdisMaxGroupCount() -> int:
    """Processor groups that the machine may have: one."""
    return 1


@ddi(irql=ANY)
def NdisGroupActiveProcessorCount(Group: int, /) -> int:
    """Processors of a group, or of all of them for ALL_PROCESSOR_GROUPS; 0 for a group that does not exist."""
    return _count(Group)


@ddi(irql=ANY)
def NdisGroupMaxProcessorCount(Group: int, /) -> int:
    """Processors that a group may have: those that it has."""
    return _count(Group)


@ddi(irql=ANY)
def NdisGroupActiveProcessorMask(Group: int, /) -> int:
    """Processors of a group, one bit each; 0 for a group that does not exist."""
    return (1 << _count(Group)) - 1 if Group != ALL_PROCESSOR_GROUPS else 0


@ddi(irql=AT_LEAST_DISPATCH, note=">= DISPATCH_LEVEL, as the page says, so that the answer stays true")
def NdisCurrentGroupAndProcessor() -> PROCESSOR_NUMBER:
    """The caller's processor."""
    return PROCESSOR_NUMBER(0, current.context.processor)


@ddi(irql=AT_PASSIVE, rules=("Irql_Miscellaneous_Function",))
def NdisGetRoutineAddress(NdisRoutineName: Any, /) -> Any:
    """A function of NDIS by its name, for a driver that runs on versions without it too; None (NULL) for none."""
    name = str(NdisRoutineName)
    return getattr(sys.modules["emulator.ndis"], name) if name in declarations else None


@ddi(irql=AT_MOST_DISPATCH, rules=("Irql_Miscellaneous_Function",))
def NdisGetSharedDataAlignment() -> int:
    """To what data that several processors share are best aligned: the cache line of x86-64, in bytes."""
    return CACHE_LINE


def _count(group: int) -> int:
    return current.context.machine.geometry.processors if group in (0, ALL_PROCESSOR_GROUPS) else 0


__all__ = [
    "ALL_PROCESSOR_GROUPS",
    "NdisActiveGroupCount",
    "NdisCurrentGroupAndProcessor",
    "NdisGetRoutineAddress",
    "NdisGetSharedDataAlignment",
    "NdisGroupActiveProcessorCount",
    "NdisGroupActiveProcessorMask",
    "NdisGroupMaxProcessorCount",
    "NdisMaxGroupCount",
]
