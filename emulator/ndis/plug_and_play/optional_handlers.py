"""NdisSetOptionalHandlers: what a driver adds to its handlers inside SetOptions, and a filter module changes of them.

Law: the type of the structure says what is set; where and by whom it may be set stands in the table below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.platform import current
from emulator.layout.handles import HandleKind
from emulator.ndis.absent import not_implemented
from emulator.ndis.gates.ddi import ddi
from emulator.ndis.gates.refusals import tell_refusal
from emulator.ndis.headers.handles import NDIS_HANDLE
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_BAD_CHARACTERISTICS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structures import NDIS_FILTER_PARTIAL_CHARACTERISTICS, NDIS_MINIPORT_PNP_CHARACTERISTICS
from emulator.ndis.headers.structures_common import structure_fault
from emulator.ndis.headers.structures_power import NDIS_MINIPORT_SS_CHARACTERISTICS
from emulator.ndis.plug_and_play.adapters import object_of, publish_change
from emulator.ndis.plug_and_play.filter_modules import driver_of, module_of
from emulator.ndis.plug_and_play.filter_registration import NEEDS
from emulator.ndis.plug_and_play.handlers import (
    FILTER_BYPASSED,
    MINIPORT_PNP_HANDLERS,
    MINIPORT_SS_HANDLERS,
    PLACES,
)
from emulator.ndis.plug_and_play.registration import handler, missing, routine_number
from emulator.rules.irql import AT_PASSIVE

if TYPE_CHECKING:
    from emulator.kernel.context import Context


@ddi(irql=AT_PASSIVE, rules=("Irql_Miscellaneous_Function",))
def NdisSetOptionalHandlers(NdisHandle: NDIS_HANDLE, OptionalHandlers: Any, /) -> NDIS_STATUS:
    """Set a filter module's data handlers inside FilterSetModuleOptions, a miniport's inside its SetOptions.

    Those of a miniport are of PnP, or of selective suspend.

    FAILURE elsewhere, BAD_CHARACTERISTICS for a wrong header or handlers that do not go together; the log says which.
    """
    context = current.context
    given = OptionalHandlers
    if isinstance(given, NDIS_FILTER_PARTIAL_CHARACTERISTICS):
        return _of_module(context, NdisHandle, given)
    if isinstance(given, NDIS_MINIPORT_PNP_CHARACTERISTICS | NDIS_MINIPORT_SS_CHARACTERISTICS):
        return _of_miniport(context, NdisHandle, given)
    not_implemented("NdisSetOptionalHandlers", type(given).__name__)


def _of_module(context: Context, handle: int, given: NDIS_FILTER_PARTIAL_CHARACTERISTICS) -> NDIS_STATUS:
    module = module_of(context, handle, "NdisSetOptionalHandlers")
    driver = driver_of(context, module)
    if context.callback != handler(driver, "SetFilterModuleOptionsHandler"):
        return _refused(context, "the handlers of a module are set inside FilterSetModuleOptions", NDIS_STATUS_FAILURE)
    fault = structure_fault(given)
    for one, other in NEEDS:
        if fault is None and getattr(given, one) is not None and not handler(driver, other):
            fault = f"{one} needs {other}"
    if fault is not None:
        return _refused(context, fault, NDIS_STATUS_BAD_CHARACTERISTICS)
    numbers = [routine_number(type(given).__name__, name, getattr(given, name)) for name in FILTER_BYPASSED]
    for place, number in enumerate(numbers):
        module.own_handlers[place] = number
    module.has_own_handlers = 1
    publish_change(context, context.machine.objects[HandleKind.ADAPTER].records[module.adapter])
    return NDIS_STATUS_SUCCESS


def _of_miniport(
    context: Context, handle: int, given: NDIS_MINIPORT_PNP_CHARACTERISTICS | NDIS_MINIPORT_SS_CHARACTERISTICS
) -> NDIS_STATUS:
    driver = object_of(context, handle, HandleKind.MINIPORT_DRIVER, "NdisSetOptionalHandlers")
    if context.callback != handler(driver, "SetOptionsHandler"):
        return _refused(context, "the optional handlers of a miniport are set inside SetOptions", NDIS_STATUS_FAILURE)
    fault = structure_fault(given)
    if fault is not None:
        return _refused(context, fault, NDIS_STATUS_BAD_CHARACTERISTICS)
    suspends = isinstance(given, NDIS_MINIPORT_SS_CHARACTERISTICS)
    absent = missing(given, MINIPORT_SS_HANDLERS) if suspends else None
    if absent is not None:
        return _refused(context, f"{absent} is NULL", NDIS_STATUS_BAD_CHARACTERISTICS)
    places = PLACES[HandleKind.MINIPORT_DRIVER]
    for name in MINIPORT_SS_HANDLERS if suspends else MINIPORT_PNP_HANDLERS:
        driver.handlers[places[name]] = routine_number(type(given).__name__, name, getattr(given, name))
    return NDIS_STATUS_SUCCESS


def _refused(context: Context, why: str, status: NDIS_STATUS) -> NDIS_STATUS:
    tell_refusal(context, "NdisSetOptionalHandlers", why)
    return status


__all__ = ["NdisSetOptionalHandlers"]
