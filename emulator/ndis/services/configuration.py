"""Configuration: an adapter's or a driver's registry values, from the machine's ``[registry]`` tables.

Law: values are read at PASSIVE_LEVEL through a handle that is open; what was read lives until the handle is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.stop import site_of, stop
from emulator.layout.handles import HandleKind
from emulator.ndis.absent import not_implemented
from emulator.ndis.gates.ddi import MINIPORT, ddi
from emulator.ndis.gates.refusals import header_refused
from emulator.ndis.headers.enumerations import NDIS_PARAMETER_TYPE
from emulator.ndis.headers.handles import ConfigurationHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structures_common import (
    NDIS_CONFIGURATION_PARAMETER,
    NDIS_CONFIGURATION_PARAMETER_DATA,
)
from emulator.ndis.services.registry import SEPARATOR, Value, keep_text, subkeys, text_at, values_of, write
from emulator.rules.irql import AT_MOST_APC, AT_PASSIVE

if TYPE_CHECKING:
    from emulator.ndis.headers.structures_common import NDIS_CONFIGURATION_OBJECT

_RULES = ("Irql_Miscellaneous_Function",)
NETWORK_ADDRESS = "NetworkAddress"
_TEXTS = (NDIS_PARAMETER_TYPE.NdisParameterString, NDIS_PARAMETER_TYPE.NdisParameterMultiString)


class OpenedConfiguration(NamedTuple):
    """What NdisOpenConfigurationEx gives."""

    Status: NDIS_STATUS
    ConfigurationHandle: ConfigurationHandle | None


class OpenedSubKey(NamedTuple):
    """What NdisOpenConfigurationKeyByName gives."""

    Status: NDIS_STATUS
    SubKeyHandle: ConfigurationHandle | None


class OpenedByIndex(NamedTuple):
    """What NdisOpenConfigurationKeyByIndex gives."""

    Status: NDIS_STATUS
    KeyName: str | None
    KeyHandle: ConfigurationHandle | None


class ReadParameter(NamedTuple):
    """What NdisReadConfiguration gives."""

    Status: NDIS_STATUS
    ParameterValue: NDIS_CONFIGURATION_PARAMETER | None


class ReadAddress(NamedTuple):
    """What NdisReadNetworkAddress gives."""

    Status: NDIS_STATUS
    NetworkAddress: bytes | None
    NetworkAddressLength: int


@ddi(irql=AT_PASSIVE, rules=("Irql_Miscellaneous_Function", "NdisOpenConfigurationEx"), acquires="configuration")
def NdisOpenConfigurationEx(ConfigObject: NDIS_CONFIGURATION_OBJECT, /) -> OpenedConfiguration:
    """Open the registry key of an adapter, a binding or a driver; FAILURE for another handle."""
    context = current.context
    parent = ConfigObject.NdisHandle
    if header_refused(context, "NdisOpenConfigurationEx", ConfigObject):
        return OpenedConfiguration(NDIS_STATUS_INVALID_PARAMETER, None)
    if ConfigObject.Flags:
        not_implemented("NdisOpenConfigurationEx", f"Flags {ConfigObject.Flags:#x}")
    if parent is None or values_of(context, parent) is None:
        return OpenedConfiguration(NDIS_STATUS_FAILURE, None)
    made = context.machine.objects[HandleKind.CONFIGURATION].allocate(
        HandleKind.CONFIGURATION, driver=context.driver, parent=parent, site=context.site
    )
    if made is None:
        return OpenedConfiguration(NDIS_STATUS_RESOURCES, None)
    made[1].key = 0
    return OpenedConfiguration(NDIS_STATUS_SUCCESS, ConfigurationHandle(made[0]))


@ddi(irql=AT_MOST_APC, rules=_RULES, acquires="configuration")
def NdisOpenConfigurationKeyByName(ConfigurationHandle: ConfigurationHandle, SubKeyName: str, /) -> OpenedSubKey:
    """Open a subkey of an open key; FAILURE when there is none of this name.  Close it with NdisCloseConfiguration."""
    record, values = _opened(ConfigurationHandle, "NdisOpenConfigurationKeyByName")
    wanted = str(SubKeyName).lower()
    if wanted not in map(str.lower, subkeys(values)):
        return OpenedSubKey(NDIS_STATUS_FAILURE, None)
    return OpenedSubKey(*_open_subkey(record, str(SubKeyName)))


@ddi(irql=AT_MOST_APC, rules=_RULES, acquires="configuration")
def NdisOpenConfigurationKeyByIndex(ConfigurationHandle: ConfigurationHandle, Index: int, /) -> OpenedByIndex:
    """Open a subkey by its number, from 0 in the order of the alphabet; FAILURE when there are no more."""
    record, values = _opened(ConfigurationHandle, "NdisOpenConfigurationKeyByIndex")
    names = subkeys(values)
    if not 0 <= Index < len(names):
        return OpenedByIndex(NDIS_STATUS_FAILURE, None, None)
    status, handle = _open_subkey(record, names[Index])
    return OpenedByIndex(status, names[Index] if handle is not None else None, handle)


@ddi(irql=AT_PASSIVE, rules=_RULES)
def NdisReadConfiguration(
    ConfigurationHandle: ConfigurationHandle, Keyword: str, ParameterType: NDIS_PARAMETER_TYPE, /
) -> ReadParameter:
    """Read one value; FAILURE when there is none, or none of that type.  Binary ones are those that were written so."""
    value = _value(ConfigurationHandle, "NdisReadConfiguration", str(Keyword))
    if value is None or isinstance(value, bytes) != (ParameterType == NDIS_PARAMETER_TYPE.NdisParameterBinary):
        return ReadParameter(NDIS_STATUS_FAILURE, None)
    data = NDIS_CONFIGURATION_PARAMETER_DATA()
    if isinstance(value, bytes):
        data.BinaryData = value
    elif ParameterType in _TEXTS:
        data.StringData = str(value)
    else:
        base = 16 if ParameterType == NDIS_PARAMETER_TYPE.NdisParameterHexInteger else 10
        try:
            data.IntegerData = value if isinstance(value, int) else int(value, base)
        except ValueError:
            return ReadParameter(NDIS_STATUS_FAILURE, None)
    return ReadParameter(
        NDIS_STATUS_SUCCESS, NDIS_CONFIGURATION_PARAMETER(ParameterType=ParameterType, ParameterData=data)
    )


@ddi(irql=AT_PASSIVE, rules=_RULES)
def NdisWriteConfiguration(
    ConfigurationHandle: ConfigurationHandle, Keyword: str, ParameterValue: NDIS_CONFIGURATION_PARAMETER, /
) -> NDIS_STATUS:
    """Write one value, for as long as the machine lives; NOT_SUPPORTED for a type that does not exist.

    Every handle of the same object finds it, in every context; RESOURCES when there is no room.
    """
    record, _ = _opened(ConfigurationHandle, "NdisWriteConfiguration")
    context = current.context
    kind, data = ParameterValue.ParameterType, ParameterValue.ParameterData
    value: Value
    if kind in _TEXTS:
        value = str(data.StringData)
    elif kind in (NDIS_PARAMETER_TYPE.NdisParameterInteger, NDIS_PARAMETER_TYPE.NdisParameterHexInteger):
        value = data.IntegerData & 0xFFFF_FFFF
    elif kind == NDIS_PARAMETER_TYPE.NdisParameterBinary:
        value = bytes(data.BinaryData)
    else:
        return NDIS_STATUS_NOT_SUPPORTED
    path = text_at(context, record.key)
    name = f"{path}{SEPARATOR}{Keyword}" if path else str(Keyword)
    written = write(context, record.head.parent, name, value)
    return NDIS_STATUS_SUCCESS if written else NDIS_STATUS_RESOURCES


@ddi(irql=AT_PASSIVE, callers=MINIPORT, rules=_RULES)
def NdisReadNetworkAddress(ConfigurationHandle: ConfigurationHandle, /) -> ReadAddress:
    """The registry value NetworkAddress as bytes: hexadecimal text, hyphens dropped; FAILURE when there is none."""
    value = _value(ConfigurationHandle, "NdisReadNetworkAddress", NETWORK_ADDRESS)
    try:
        address = bytes.fromhex(str(value).replace("-", "").replace(":", "")) if value else b""
    except ValueError:
        address = b""
    if not address:
        return ReadAddress(NDIS_STATUS_FAILURE, None, 0)
    return ReadAddress(NDIS_STATUS_SUCCESS, address, len(address))


@ddi(irql=AT_PASSIVE, rules=("Irql_Miscellaneous_Function", "NdisOpenConfigurationEx"), releases="configuration")
def NdisCloseConfiguration(ConfigurationHandle: ConfigurationHandle, /) -> None:
    """Close the key; what was read from it is gone."""
    record, _ = _opened(ConfigurationHandle, "NdisCloseConfiguration")
    context = current.context
    if record.key:
        context.machine.pool.free(record.key, site=context.site)
    context.machine.objects[HandleKind.CONFIGURATION].free(ConfigurationHandle, site=context.site)


def _open_subkey(record: Any, name: str) -> tuple[NDIS_STATUS, ConfigurationHandle | None]:
    context = current.context
    outer = text_at(context, record.key)
    key = keep_text(context, f"{outer}{SEPARATOR}{name}" if outer else name)
    if not key:
        return NDIS_STATUS_FAILURE, None
    made = context.machine.objects[HandleKind.CONFIGURATION].allocate(
        HandleKind.CONFIGURATION, driver=context.driver, parent=record.head.parent, site=context.site
    )
    if made is None:
        context.machine.pool.free(key, site=context.site)
        return NDIS_STATUS_FAILURE, None
    made[1].key = key
    return NDIS_STATUS_SUCCESS, ConfigurationHandle(made[0])


def _value(handle: int | None, name: str, keyword: str) -> Value | None:
    return _opened(handle, name)[1].get(keyword.lower(), ("", None))[1]


def _opened(handle: int | None, name: str) -> tuple[Any, dict[str, tuple[str, Value]]]:
    """The record of an open handle, and what is found below its key."""
    context = current.context
    table = context.machine.objects[HandleKind.CONFIGURATION]
    record = table.find(handle, HandleKind.CONFIGURATION)
    opened = values_of(context, record.head.parent, text_at(context, record.key)) if record is not None else None
    if opened is None:
        freed = table.freed(handle, HandleKind.CONFIGURATION) if handle else None
        known = (("opened", freed.head.allocated_site), ("closed", freed.head.freed_site)) if freed is not None else ()
        stop(
            0x7C,
            0x21,
            handle or 0,
            rule="NdisOpenConfigurationEx",
            text=f"{name} was given no open configuration handle.",
            ddi=name,
            sites=[site_of(context, what, site) for what, site in known if site],
        )
    return record, opened


__all__ = [
    "NdisCloseConfiguration",
    "NdisOpenConfigurationEx",
    "NdisOpenConfigurationKeyByIndex",
    "NdisOpenConfigurationKeyByName",
    "NdisReadConfiguration",
    "NdisReadNetworkAddress",
    "NdisWriteConfiguration",
]
