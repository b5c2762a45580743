"""Error and event logs of drivers: lines of the machine's log, at the level of an error.

Law: what a driver logs is under its own name, ``driver.<name>``, and never waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.platform import current
from emulator.ndis.adapter_hardware.hardware import UNLOGGED
from emulator.ndis.gates.ddi import MINIPORT, ddi
from emulator.ndis.headers.status import NDIS_STATUS, NDIS_STATUS_BUFFER_TOO_SHORT, NDIS_STATUS_SUCCESS
from emulator.ndis.plug_and_play.adapters import adapter_of
from emulator.ndis.services.memory import readable
from emulator.rules.irql import AT_MOST_DISPATCH

if TYPE_CHECKING:
    from emulator.ndis.headers.handles import AdapterHandle
    from emulator.ndis.plug_and_play.driver_object import DRIVER_OBJECT

_RULES: Final = ("Irql_Miscellaneous_Function",)
ERROR: Final = 40
NDIS_ERROR_CODE_RESOURCE_CONFLICT: Final = 0xC000_1388
NDIS_ERROR_CODE_OUT_OF_RESOURCES: Final = 0xC000_1389
NDIS_ERROR_CODE_HARDWARE_FAILURE: Final = 0xC000_138A
NDIS_ERROR_CODE_ADAPTER_NOT_FOUND: Final = 0xC000_138B
NDIS_ERROR_CODE_INTERRUPT_CONNECT: Final = 0xC000_138C
MAX_EVENT_LOG_DATA_SIZE: Final = 196
"""Bytes of strings and data that one entry may have (our choice: the page names the constant and not its value)."""


@ddi(
    irql=AT_MOST_DISPATCH,
    callers=MINIPORT,
    rules=_RULES,
    note="what C passes as further arguments has a name here",
)
def NdisWriteErrorLogEntry(
    NdisAdapterHandle: AdapterHandle, ErrorCode: int, NumberOfErrorValues: int, *ErrorValues: int
) -> None:
    """Log an error of an adapter, with as many values as are said to follow."""
    context = current.context
    adapter = adapter_of(context, NdisAdapterHandle, "NdisWriteErrorLogEntry")
    context.memory.pop(UNLOGGED, None)
    values = "".join(f" {value & 0xFFFF_FFFF:#010x}" for value in ErrorValues[:NumberOfErrorValues])
    _log(f"error {ErrorCode & 0xFFFF_FFFF:#010x} of {_name(adapter)}{':' if values else ''}{values}")


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES)
def NdisWriteEventLogEntry(
    LogHandle: DRIVER_OBJECT,
    EventCode: int,
    UniqueEventValue: int,
    NumStrings: int,
    StringsList: list[str] | None,
    DataSize: int,
    Data: Any,
    /,
) -> NDIS_STATUS:
    """Log an event with strings and data; BUFFER_TOO_SHORT when they are more than an entry can hold."""
    driver = LogHandle.image
    strings = [str(text) for text in (StringsList or [])[:NumStrings]]
    data = bytes(readable(Data, DataSize)) if Data is not None else b""
    if sum(2 * len(text) + 2 for text in strings) + len(data) > MAX_EVENT_LOG_DATA_SIZE:
        return NDIS_STATUS_BUFFER_TOO_SHORT
    text = f"event {EventCode & 0xFFFF_FFFF:#010x} number {UniqueEventValue}"
    text += "".join(f", {each}" for each in strings) + (f", data {data.hex(' ')}" if data else "")
    _log(text, driver)
    return NDIS_STATUS_SUCCESS


def _name(adapter: Any) -> str:
    return bytes(adapter.name).rstrip(b"\0").decode("utf-8", "replace") or f"adapter {adapter.number}"


def _log(text: str, driver: int = 0) -> None:
    context = current.context
    name = context.machine.images.driver_name(driver or context.driver)
    context.platform.log(ERROR, name or "unknown", text)


__all__ = [
    "MAX_EVENT_LOG_DATA_SIZE",
    "NDIS_ERROR_CODE_ADAPTER_NOT_FOUND",
    "NDIS_ERROR_CODE_HARDWARE_FAILURE",
    "NDIS_ERROR_CODE_INTERRUPT_CONNECT",
    "NDIS_ERROR_CODE_OUT_OF_RESOURCES",
    "NDIS_ERROR_CODE_RESOURCE_CONFLICT",
    "NdisWriteErrorLogEntry",
    "NdisWriteEventLogEntry",
]
