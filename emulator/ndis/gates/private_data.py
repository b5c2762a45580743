"""Python objects that a driver would share and cannot: writes to module globals, found at load and while it runs.

Law: legal on Windows, a limit here, said as such; nothing outside DriverEntry and unload routines writes a global.
"""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from emulator.kernel.images import included_files
from emulator.kernel.stop import CallSite, stop_limit
from emulator.rules.limits import VnicLimit

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.kernel.images import Image, Images

MAY_WRITE_GLOBALS = ("DriverEntry", "<module>")
_CONTAINERS = (list, dict, set, bytearray)
_WRITES = (dis.opmap["STORE_GLOBAL"], dis.opmap["DELETE_GLOBAL"])
_STORES = ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE")
_FIXED = (tuple, types.MappingProxyType, frozenset, bytes)
_CHANGING = frozenset(
    name
    for kind, fixed in zip(_CONTAINERS, _FIXED, strict=True)
    for name in dir(kind)
    if name != "copy" and not name.startswith("_") and not hasattr(fixed, name)
)
"""What lists, dictionaries and sets have and those that cannot change have not: append, update, ..."""
UNLOAD_ROLES = ("MINIPORT_UNLOAD", "DRIVER_UNLOAD", "SET_OPTIONS")


def forbid_global_writes(image: Image, images: Images) -> None:
    """Stop for a function of the image that assigns or deletes a module global."""
    for function in list(vars(image.module).values()):
        if not isinstance(function, types.FunctionType) or function.__code__.co_filename != image.path:
            continue
        role = getattr(getattr(function, "__ndis_role__", None), "name", "")
        if function.__name__ in MAY_WRITE_GLOBALS or role in UNLOAD_ROLES:
            continue
        for code, line, name in _global_writes(function.__code__):
            stop_limit(
                VnicLimit.VNIC_FORBIDDEN_NAME,
                f"{images.driver_name(image.number)} writes its module global '{name}' in {code.co_qualname}. Python "
                "objects are private to one context, so the others would never see it.",
                sites=[CallSite("written", f"{images.short_path(code.co_filename)}:{line} in {code.co_qualname}")],
            )


@functools.cache
def _global_writes(code: types.CodeType) -> tuple[tuple[types.CodeType, int, str], ...]:
    return tuple(_search_global_writes(code))


def _search_global_writes(code: types.CodeType) -> Iterator[tuple[types.CodeType, int, str]]:
    line = code.co_firstlineno
    # Every second byte is an operation or the place of one that is not there; only who has such a write is looked into.
    operations = code.co_code[::2]
    suspect = any(operation in operations for operation in _WRITES)
    for instruction in dis.get_instructions(code) if suspect else ():
        if instruction.starts_line:
            line = instruction.starts_line if type(instruction.starts_line) is int else instruction.line_number  # type: ignore[attr-defined]
        if instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            yield code, line, str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_writes(constant)


def containers_of(scope: dict[str, Any]) -> list[tuple[str, Any]]:
    """The mutable containers among a plug-in's own globals; other globals change only by the writes found at load."""
    import emulator.ndis as surface

    included = vars(surface)
    return [
        (name, value)
        for name, value in scope.items()
        if isinstance(value, _CONTAINERS) and not name.startswith("__") and included.get(name) is not value
    ]


def compare_fingerprints(context: Context) -> None:
    """Stop when a container among a driver's globals has changed in this context since the last look."""
    known: list[tuple[Image, str, Any, str]] | None = context.memory.get("fingerprints")
    if known is None:
        context.memory["fingerprints"] = [
            (image, name, value, repr(value))
            for image in context.machine.images.images
            for name, value in containers_of(context.machine.images.globals_of(context, image.number))
        ]
        return
    for image, name, value, before in known:
        if repr(value) != before:
            stop_limit(
                VnicLimit.VNIC_PRIVATE_DATA,
                f"{context.machine.images.driver_name(image.number)} changed its module global '{name}' in "
                f"{context.name}. Python objects are private to one context, so the others never see the change.",
                sites=_changes(context.machine.images, image, name),
            )


def _changes(images: Images, image: Image, name: str) -> list[CallSite]:
    """The lines that may have changed a container: those of routines that call what changes one, or else all uses."""
    found: dict[str, bool] = {}
    for path, scope in included_files(image.module).items():
        for function in scope.values():
            if isinstance(function, types.FunctionType) and function.__code__.co_filename == path:
                for code, line, changes in _uses(function.__code__, name):
                    where = f"{images.short_path(path)}:{line} in {code.co_qualname}"
                    if code.co_name not in MAY_WRITE_GLOBALS:
                        found[where] = changes
    changing = [where for where, changes in found.items() if changes]
    what = "used" if not changing else "changed" if len(changing) == 1 else "may have changed"
    return [CallSite(what, where) for where in changing or found]


def _uses(code: types.CodeType, name: str) -> Iterator[tuple[types.CodeType, int, bool]]:
    """Where a global is loaded, and whether that line does what changes a container."""
    changes: dict[int, bool] = {}
    for instruction in dis.get_instructions(code):
        place = instruction.positions.lineno or code.co_firstlineno if instruction.positions else code.co_firstlineno
        if instruction.opname == "LOAD_GLOBAL" and instruction.argval == name:
            changes.setdefault(place, False)
        if place in changes and (instruction.opname in _STORES or instruction.argval in _CHANGING):
            changes[place] = True
    yield from ((code, line, changing) for line, changing in sorted(changes.items()))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _uses(constant, name)


__all__ = ["compare_fingerprints", "forbid_global_writes"]
