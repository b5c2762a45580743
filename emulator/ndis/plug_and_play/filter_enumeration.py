"""NdisEnumerateFilterModules: which filter modules lie in a stack, and which of them are out of its data path.

Law: the topmost is first.  What follows NDIS_ENUM_FILTERS in C's buffer is a list inside it here; the sizes are those
of the buffer on x64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Struct, field

from emulator.kernel.platform import current
from emulator.layout.handles import HandleKind
from emulator.ndis.gates.ddi import ddi
from emulator.ndis.headers.constants import NDIS_FILTER_DRIVER_MANDATORY
from emulator.ndis.headers.handles import NDIS_HANDLE
from emulator.ndis.headers.object_header import NDIS_OBJECT_TYPE_DEFAULT
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_BUFFER_TOO_SHORT,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER
from emulator.ndis.plug_and_play.adapters import text_of
from emulator.ndis.plug_and_play.filter_modules import REACHABLE, driver_of, handlers_of, modules_of
from emulator.ndis.plug_and_play.handlers import FILTER_HANDLERS
from emulator.ndis.plug_and_play.registration import miniport_of, protocol_of
from emulator.ndis.services import interfaces
from emulator.rules.irql import AT_PASSIVE

if TYPE_CHECKING:
    from emulator.kernel.context import Context

NDIS_ENUM_FILTERS_REVISION_1: Final = 1
NDIS_SIZEOF_ENUM_FILTERS_REVISION_1: Final = 16
NDIS_FILTER_INTERFACE_REVISION_1: Final = 1
NDIS_FILTER_INTERFACE_REVISION_2: Final = 2
NDIS_SIZEOF_FILTER_INTERFACE_REVISION_1: Final = 64
NDIS_SIZEOF_FILTER_INTERFACE_REVISION_2: Final = 64
NDIS_FILTER_INTERFACE_IM_FILTER: Final = 1
NDIS_FILTER_INTERFACE_LW_FILTER: Final = 2
NDIS_FILTER_INTERFACE_SEND_BYPASS: Final = 4
NDIS_FILTER_INTERFACE_RECEIVE_BYPASS: Final = 8
NdisFilterTypeMonitoring: Final = 1
NdisFilterTypeModifying: Final = 2
NdisFilterRunTypeMandatory: Final = 1
NdisFilterRunTypeOptional: Final = 2

_FIRST_WITH_BYPASS: Final = 30
"""Minor version of NDIS 6 from which a driver is told of bypassed modules."""


class NDIS_FILTER_INTERFACE(Struct, kw_only=True, eq=False):
    """One filter module of a stack."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    FilterType: int = 0
    FilterRunType: int = 0
    IfIndex: int = 0
    NetLuid: int = 0
    FilterClass: str = ""
    FilterInstanceName: str = ""


class NDIS_ENUM_FILTERS(Struct, kw_only=True, eq=False):
    """What NdisEnumerateFilterModules fills: the filter modules of a stack, the topmost first."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Flags: int = 0
    NumberOfFilters: int = 0
    OffsetFirstFilter: int = 0
    Filter: list[NDIS_FILTER_INTERFACE] = field(default_factory=list)


class EnumeratedFilters(NamedTuple):
    """What NdisEnumerateFilterModules gives."""

    Status: NDIS_STATUS
    BytesNeeded: int
    BytesWritten: int


@ddi(irql=AT_PASSIVE, rules=("Irql_Filter_Driver_Function",))
def NdisEnumerateFilterModules(
    NdisHandle: NDIS_HANDLE, InterfaceBuffer: NDIS_ENUM_FILTERS, InterfaceBufferLength: int, /
) -> EnumeratedFilters:
    """The filter modules of the stack that an adapter, a binding or a filter module belongs to, the topmost first.

    INVALID_PARAMETER for another handle.  BUFFER_TOO_SHORT for a length that is too small: as many as it has room for.
    """
    context = current.context
    found = _stack_of(context, NdisHandle)
    if found is None:
        return EnumeratedFilters(NDIS_STATUS_INVALID_PARAMETER, 0, 0)
    adapter, driver = found
    newer = driver is not None and driver.minor_version >= _FIRST_WITH_BYPASS
    modules = [module for _, module in modules_of(context, adapter)[::-1] if module.state in REACHABLE]
    head, each = NDIS_SIZEOF_ENUM_FILTERS_REVISION_1, NDIS_SIZEOF_FILTER_INTERFACE_REVISION_1
    needed = head + len(modules) * each
    if InterfaceBufferLength < head:
        return EnumeratedFilters(NDIS_STATUS_BUFFER_TOO_SHORT, needed, 0)
    told = modules[: (InterfaceBufferLength - head) // each]
    InterfaceBuffer.Header = NDIS_OBJECT_HEADER(NDIS_OBJECT_TYPE_DEFAULT, NDIS_ENUM_FILTERS_REVISION_1, head)
    InterfaceBuffer.Flags = 0
    InterfaceBuffer.NumberOfFilters = len(told)
    InterfaceBuffer.OffsetFirstFilter = head
    InterfaceBuffer.Filter = [_interface(context, module, newer) for module in told]
    status = NDIS_STATUS_SUCCESS if len(told) == len(modules) else NDIS_STATUS_BUFFER_TOO_SHORT
    return EnumeratedFilters(status, needed, head + len(told) * each)


def _stack_of(context: Context, handle: int) -> tuple[int, Any] | None:
    """(adapter handle, the registered driver whose handle it is); None for what is in no stack."""
    objects = context.machine.objects
    adapter = objects[HandleKind.ADAPTER].find(handle, HandleKind.ADAPTER)
    if adapter is not None:
        return handle, miniport_of(context, adapter)
    binding = objects[HandleKind.BINDING].find(handle, HandleKind.BINDING)
    if binding is not None:
        return binding.head.parent, protocol_of(context, binding)
    module = objects[HandleKind.FILTER_MODULE].find(handle, HandleKind.FILTER_MODULE)
    return (module.head.parent, driver_of(context, module)) if module is not None else None


def _interface(context: Context, module: Any, newer: bool) -> NDIS_FILTER_INTERFACE:
    handlers = dict(zip(FILTER_HANDLERS, handlers_of(context, module), strict=False))
    flags = NDIS_FILTER_INTERFACE_LW_FILTER
    if newer and not handlers["SendNetBufferListsHandler"]:
        flags |= NDIS_FILTER_INTERFACE_SEND_BYPASS
    if newer and not handlers["ReceiveNetBufferListsHandler"]:
        flags |= NDIS_FILTER_INTERFACE_RECEIVE_BYPASS
    mandatory = driver_of(context, module).flags & NDIS_FILTER_DRIVER_MANDATORY
    return NDIS_FILTER_INTERFACE(
        Header=NDIS_OBJECT_HEADER(
            NDIS_OBJECT_TYPE_DEFAULT,
            NDIS_FILTER_INTERFACE_REVISION_2 if newer else NDIS_FILTER_INTERFACE_REVISION_1,
            NDIS_SIZEOF_FILTER_INTERFACE_REVISION_2 if newer else NDIS_SIZEOF_FILTER_INTERFACE_REVISION_1,
        ),
        Flags=flags,
        FilterType=NdisFilterTypeModifying,
        FilterRunType=NdisFilterRunTypeMandatory if mandatory else NdisFilterRunTypeOptional,
        IfIndex=module.interface,
        NetLuid=interfaces.luid_of(context, module.interface),
        FilterInstanceName=text_of(module.name),
    )


__all__ = [
    "NDIS_ENUM_FILTERS",
    "NDIS_ENUM_FILTERS_REVISION_1",
    "NDIS_FILTER_INTERFACE",
    "NDIS_FILTER_INTERFACE_IM_FILTER",
    "NDIS_FILTER_INTERFACE_LW_FILTER",
    "NDIS_FILTER_INTERFACE_RECEIVE_BYPASS",
    "NDIS_FILTER_INTERFACE_REVISION_1",
    "NDIS_FILTER_INTERFACE_REVISION_2",
    "NDIS_FILTER_INTERFACE_SEND_BYPASS",
    "NDIS_SIZEOF_ENUM_FILTERS_REVISION_1",
    "NDIS_SIZEOF_FILTER_INTERFACE_REVISION_1",
    "NDIS_SIZEOF_FILTER_INTERFACE_REVISION_2",
    "NdisEnumerateFilterModules",
    "NdisFilterRunTypeMandatory",
    "NdisFilterRunTypeOptional",
    "NdisFilterTypeModifying",
    "NdisFilterTypeMonitoring",
]
