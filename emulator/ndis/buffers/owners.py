"""The handle on whose account a driver allocates: what NDIS calls NdisHandle where any of a driver's handles will do.

Law: looked at in the checked build only; what is recorded is what leaks are found by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emulator.kernel.objects import handle_in_words
from emulator.kernel.stop import stop
from emulator.layout.handles import KIND_SHIFT, HandleKind

if TYPE_CHECKING:
    from emulator.kernel.context import Context

OWNERS: Final = frozenset(
    {
        HandleKind.MINIPORT_DRIVER,
        HandleKind.FILTER_DRIVER,
        HandleKind.PROTOCOL_DRIVER,
        HandleKind.ADAPTER,
        HandleKind.FILTER_MODULE,
        HandleKind.BINDING,
        HandleKind.GENERIC_OBJECT,
    }
)
"""What a driver may name."""


def owner_of(context: Context, handle: int | None, ddi_name: str, *, needed: bool = False) -> int:
    """The handle, 0 for NULL; in the checked build 0x7C/0x21 for what is no owner, and for NULL where one is needed."""
    if not context.machine.checked or (not handle and not needed):
        return handle or 0
    kind = (handle or 0) >> KIND_SHIFT
    if kind not in OWNERS or context.machine.objects[HandleKind(kind)].find(handle, kind) is None:
        found = handle_in_words(context.machine.objects, handle)
        wanted = "a handle of a driver, an adapter, a filter module, a binding or a generic object"
        stop(0x7C, 0x21, handle or 0, text=f"{ddi_name} needs {wanted}; it was given {found}.", ddi=ddi_name)
    return handle or 0
