"""What `ndisemu explain` knows beside functions, callbacks and stops: structures, statuses, and the virtual adapter.

Law: as in explain.py, all of it is read from the declarations that the drivers' names come from.
"""

from __future__ import annotations

import inspect
import re
from typing import Any, ForwardRef


def names() -> dict[str, str]:
    """All of them, by their lower-case names."""
    return {name.lower(): name for name in (*_structures(), *_statuses(), *_of_the_adapter())}


def of_name(asked: str) -> list[str]:
    """One of them in lines, a status also by its number; nothing for what is none."""
    number = int(asked, 16) if re.fullmatch("0x[0-9a-f]{1,8}", asked) else None
    for name, status in _statuses().items():
        if asked == name.lower() or (number is not None and number == status & 0xFFFF_FFFF):
            return [f"{name} 0x{status & 0xFFFF_FFFF:08X}, {_severity(status)}"]
    name = names().get(asked, "")
    if name in _structures():
        return of_structure(name, _structures()[name])
    return of_adapter(name, _of_the_adapter()[name]) if name else []


def of_structure(name: str, kind: type[Any]) -> list[str]:
    """A structure: what its header must say, and its members."""
    from emulator.ndis.headers.callback_role import ROLES
    from emulator.ndis.headers.structure_headers import STRUCTURE_HEADERS, size_constant, type_constant

    first = (inspect.getdoc(kind) or "").partition("\n")[0]
    lines = [f"{name}: {first}" if first else name, ""]
    header = STRUCTURE_HEADERS.get(name)
    if header is not None:
        lines.append(f"  Header.Type      0x{header.object_type:02X}  {type_constant(header.object_type)}")
        for revision, size in header.sizes.items():
            lines.append(f"  Header.Revision  {revision}, Size {size}  {size_constant(name, revision)}".rstrip())
    handlers = {place: role.name for role in ROLES.values() for place in role.fields}
    for member, shown in _members(kind).items():
        role = handlers.get(f"{name}.{member}")
        lines.append(f"  {member}{f': {shown}' if shown and not role else ''}{f'  @{role}' if role else ''}")
    return lines


def of_adapter(name: str, value: Any) -> list[str]:
    """A function, a register or another constant of the virtual adapter."""
    from vnic.device.registers import REGISTERS

    if inspect.isfunction(value):
        signature = str(inspect.signature(value)).replace("'", "")
        return [
            f"{name}{signature}",
            "",
            *(f"  {line}".rstrip() for line in (inspect.getdoc(value) or "").splitlines()),
        ]
    if name.startswith("VNIC_REGISTER_"):
        row = REGISTERS[value]
        return [f"{name}: {row.meaning}", "", f"  {'read and written' if row.writable else 'read only'}"]
    return [f"{name} = 0x{value:X}"]


def _severity(status: int) -> str:
    return ("success", "information", "a warning", "an error")[status >> 30 & 3]


def _structures() -> dict[str, type[Any]]:
    """Structures of the drivers' surface: what has members, and is none of the integers and enumerations."""
    import emulator.ndis

    surface = vars(emulator.ndis)
    kinds = {name: surface[name] for name in surface["__all__"] if isinstance(surface[name], type)}
    return {
        name: kind for name, kind in kinds.items() if name.isupper() and not issubclass(kind, int) and _members(kind)
    }


def _members(kind: type[Any]) -> dict[str, str]:
    """Members that Microsoft named, with their types as far as those are written down."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        for name, shown in inspect.get_annotations(base).items():
            found[name] = shown.__forward_arg__ if isinstance(shown, ForwardRef) else str(shown)
        slots = base.__dict__.get("__slots__", ())
        properties = [name for name, value in base.__dict__.items() if isinstance(value, property)]
        for name in (*((slots,) if isinstance(slots, str) else slots), *properties):
            found.setdefault(name, "")
    return {name: shown for name, shown in found.items() if name[:1].isupper() or name[1:2].isupper()}


def _statuses() -> dict[str, int]:
    from emulator.ndis.headers import status

    return {name: int(value) for name, value in vars(status).items() if isinstance(value, status.NDIS_STATUS)}


def _of_the_adapter() -> dict[str, Any]:
    from vnic import device

    found = {name: getattr(device, name) for name in device.__all__}
    return {name: value for name, value in found.items() if not isinstance(value, type)}
