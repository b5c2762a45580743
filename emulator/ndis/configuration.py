"""Configuration: an adapter's or a driver's registry values, from the machine's ``[registry]`` tables.

Law: values are read at PASSIVE_LEVEL through a handle that is open; what was read lives until the handle is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.stop import site_of, stop
from emulator.layout.handles import HandleKind
from emulator.ndis.absent import not_implemented
from emulator.ndis.ddi import MINIPORT, ddi
from emulator.ndis.enumerations import NDIS_PARAMETER_TYPE
from emulator.ndis.handles import ConfigurationHandle
from emulator.ndis.status import (
    NDIS_STATUS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.structures_common import (
    NDIS_CONFIGURATION_PARAMETER,
    NDIS_CONFIGURATION_PARAMETER_DATA,
    structure_fault,
)
from emulator.rules.irql import AT_PASSIVE

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.structures_common import NDIS_CONFIGURATION_OBJECT

_RULES = ("Irql_Miscellaneous_Function",)
NETWORK_ADDRESS = "NetworkAddress"


class OpenedConfiguration(NamedTuple):
    """What NdisOpenConfigurationEx gives."""

    Status: NDIS_STATUS
    ConfigurationHandle: ConfigurationHandle | None


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
    if structure_fault(ConfigObject):
        return OpenedConfiguration(NDIS_STATUS_INVALID_PARAMETER, None)
    if ConfigObject.Flags:
        not_implemented("NdisOpenConfigurationEx", f"Flags {ConfigObject.Flags:#x}")
    if parent is None or _values(context, parent) is None:
        return OpenedConfiguration(NDIS_STATUS_FAILURE, None)
    made = context.machine.objects[HandleKind.CONFIGURATION].allocate(
        HandleKind.CONFIGURATION, driver=context.driver, parent=parent, site=context.site
    )
    if made is None:
        return OpenedConfiguration(NDIS_STATUS_RESOURCES, None)
    return OpenedConfiguration(NDIS_STATUS_SUCCESS, ConfigurationHandle(made[0]))


@ddi(irql=AT_PASSIVE, rules=_RULES)
def NdisReadConfiguration(
    ConfigurationHandle: ConfigurationHandle, Keyword: str, ParameterType: NDIS_PARAMETER_TYPE, /
) -> ReadParameter:
    """Read one value; FAILURE when there is none, or none of that type: a machine's registry has no binary ones."""
    value = _opened(ConfigurationHandle, "NdisReadConfiguration").get(Keyword.lower())
    if value is None or ParameterType == NDIS_PARAMETER_TYPE.NdisParameterBinary:
        return ReadParameter(NDIS_STATUS_FAILURE, None)
    text = ParameterType in (NDIS_PARAMETER_TYPE.NdisParameterString, NDIS_PARAMETER_TYPE.NdisParameterMultiString)
    if text:
        return ReadParameter(
            NDIS_STATUS_SUCCESS,
            NDIS_CONFIGURATION_PARAMETER(
                ParameterType=ParameterType, ParameterData=NDIS_CONFIGURATION_PARAMETER_DATA(StringData=str(value))
            ),
        )
    try:
        base = 16 if ParameterType == NDIS_PARAMETER_TYPE.NdisParameterHexInteger and isinstance(value, str) else 10
        number = value if isinstance(value, int) else int(value, base)
    except ValueError:
        return ReadParameter(NDIS_STATUS_FAILURE, None)
    return ReadParameter(
        NDIS_STATUS_SUCCESS,
        NDIS_CONFIGURATION_PARAMETER(
            ParameterType=ParameterType, ParameterData=NDIS_CONFIGURATION_PARAMETER_DATA(IntegerData=number)
        ),
    )


@ddi(irql=AT_PASSIVE, callers=MINIPORT, rules=_RULES)
def NdisReadNetworkAddress(ConfigurationHandle: ConfigurationHandle, /) -> ReadAddress:
    """The registry value NetworkAddress as bytes: hexadecimal text, hyphens dropped; FAILURE when there is none."""
    value = _opened(ConfigurationHandle, "NdisReadNetworkAddress").get(NETWORK_ADDRESS.lower())
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
    _opened(ConfigurationHandle, "NdisCloseConfiguration")
    context = current.context
    context.machine.objects[HandleKind.CONFIGURATION].free(ConfigurationHandle, site=context.site)


def _opened(handle: int | None, name: str) -> dict[str, Any]:
    context = current.context
    table = context.machine.objects[HandleKind.CONFIGURATION]
    record = table.find(handle, HandleKind.CONFIGURATION)
    opened = _values(context, record.head.parent) if record is not None else None
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
    return opened


def _values(context: Context, handle: int | None) -> dict[str, Any] | None:
    machine = context.machine
    specification = machine.configuration["specification"]
    kind = (handle or 0) >> 56
    table = machine.objects.get(HandleKind(kind)) if kind in HandleKind.__members__.values() else None
    record = table.find(handle, kind) if table is not None else None
    if record is None:
        return None
    values = dict(specification.registry)
    image = record.head.driver
    if 0 < image <= len(specification.drivers):
        values.update(specification.drivers[image - 1].registry)
    if kind == HandleKind.ADAPTER:
        values.update(specification.adapters[record.number].registry)
    if kind == HandleKind.BINDING:
        adapters = machine.objects[HandleKind.ADAPTER]
        values.update(specification.adapters[adapters.records[record.adapter].number].registry)
    return {name.lower(): value for name, value in values.items()}


__all__ = ["NdisCloseConfiguration", "NdisOpenConfigurationEx", "NdisReadConfiguration", "NdisReadNetworkAddress"]
