"""The registry of a machine: what its ``[registry]`` tables say, and over that what drivers have written.

Law: the tables are read and never changed; what is written lies in a chain of blocks in the pool, lives as long as the
machine, and is seen by every context.  A backslash in a name parts a subkey from what stands in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from emulator.kernel.pointers import DATA_TAG
from emulator.kernel.pool import OFFSET_MASK
from emulator.layout.handles import HandleKind
from emulator.layout.machine import SystemLock
from emulator.ndis.services.memory import keep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.kernel.context import Context

SEPARATOR: Final = "\\"
LINK_BYTES: Final = 8
Value = int | str | bytes


class Written(msgspec.Struct, array_like=True, frozen=True):
    """One value that a driver has written: whose, its name with its subkeys, and what."""

    scope: str
    name: str
    value: Any


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(Written).decode


def values_of(context: Context, handle: int | None, path: str = "") -> dict[str, tuple[str, Value]] | None:
    """Name and value by lower-case name of all that an object finds below a subkey; None for what has no key."""
    scopes = _scopes(context, handle)
    if scopes is None:
        return None
    found: dict[str, tuple[str, Value]] = {}
    for _, table in scopes:
        found.update((name.lower(), (name, value)) for name, value in table.items())
    names = [scope for scope, _ in scopes]
    context.platform.acquire(SystemLock.CONTROL)
    contents = [bytes(_content(context, pointer)) for pointer in _chain(context)]
    context.platform.release(SystemLock.CONTROL)
    written = [_DECODE(content) for content in contents]
    for each in sorted((each for each in written if each.scope in names), key=lambda each: names.index(each.scope)):
        found[each.name.lower()] = (each.name, each.value)
    begin = path.lower() + SEPARATOR if path else ""
    return {
        name[len(begin) :]: (spelt[len(begin) :], value)
        for name, (spelt, value) in found.items()
        if name.startswith(begin)
    }


def subkeys(values: dict[str, tuple[str, Value]]) -> list[str]:
    """The names of the subkeys among values, in alphabetical order."""
    names = {}
    for name, (spelt, _) in values.items():
        key, separator, _ = name.partition(SEPARATOR)
        if separator:
            names[key] = spelt[: len(key)]
    return [names[name] for name in sorted(names)]


def write(context: Context, handle: int, name: str, value: Value) -> bool:
    """Let an object's key have a value from now on; False when the pool has no room for it."""
    scopes = _scopes(context, handle)
    assert scopes is not None
    scope = scopes[-1][0]
    content = _ENCODE(Written(scope, name, value))
    arena = context.machine.arena
    pointer = keep(context, bytes(LINK_BYTES) + content, DATA_TAG)
    if pointer is None:
        return False
    context.platform.acquire(SystemLock.CONTROL)
    stale = _unlink(context, scope, name)
    arena.words[(pointer & OFFSET_MASK) >> 3] = arena.machine.registry
    arena.machine.registry = pointer
    context.platform.release(SystemLock.CONTROL)
    if stale:
        context.machine.pool.free(stale, site=context.site)
    return True


def keep_text(context: Context, text: str) -> int:
    """A block of the pool with a text, for ``text_at``; 0 when there is no room."""
    return keep(context, text.encode(), DATA_TAG) or 0


def text_at(context: Context, pointer: int) -> str:
    """The text of a block; empty for 0."""
    if not pointer:
        return ""
    place, block = pointer & OFFSET_MASK, context.machine.pool.header(pointer)
    assert block is not None
    return bytes(context.machine.arena.view[place : place + block.length]).decode()


def _scopes(context: Context, handle: int | None) -> list[tuple[str, dict[str, Any]]] | None:
    """(name, table) of the keys that an object's values come from, the strongest last."""
    machine = context.machine
    specification = machine.configuration["specification"]
    kind = (handle or 0) >> 56
    table = machine.objects.get(HandleKind(kind)) if kind in HandleKind.__members__.values() else None
    record = table.find(handle, kind) if table is not None else None
    if record is None:
        return None
    image = record.head.driver
    known = 0 < image <= len(specification.drivers)
    found = [
        ("machine", specification.registry),
        (f"driver {image}", specification.drivers[image - 1].registry if known else {}),
    ]
    if kind == HandleKind.BINDING:
        adapter = machine.objects[HandleKind.ADAPTER].records[record.adapter]
        found.append(_adapter_scope(specification, adapter))
        found.append((f"driver {image} adapter {adapter.number}", {}))
    if kind == HandleKind.ADAPTER:
        found.append(_adapter_scope(specification, record))
    return found


def _adapter_scope(specification: Any, adapter: Any) -> tuple[str, dict[str, Any]]:
    """The key of an adapter; one that an intermediate driver has made finds what its driver has below its name."""
    if not adapter.virtual:
        return f"adapter {adapter.number}", specification.adapters[adapter.number].registry
    image, name = adapter.head.driver, adapter.name.rstrip(b"\0").decode()
    known = 0 < image <= len(specification.drivers)
    begin = name.lower() + SEPARATOR
    values = specification.drivers[image - 1].registry.items() if known else ()
    return f"adapter {name}", {key[len(begin) :]: value for key, value in values if key.lower().startswith(begin)}


def _chain(context: Context) -> Iterator[int]:
    pointer = context.machine.arena.machine.registry
    while pointer:
        yield pointer
        pointer = context.machine.arena.words[(pointer & OFFSET_MASK) >> 3]


def _content(context: Context, pointer: int) -> memoryview:
    place, block = pointer & OFFSET_MASK, context.machine.pool.header(pointer)
    assert block is not None
    return context.machine.arena.view[place + LINK_BYTES : place + block.length]


def _unlink(context: Context, scope: str, name: str) -> int:
    """Take the block of a value out of the chain; its pointer, 0 when there is none."""
    arena, before = context.machine.arena, 0
    for pointer in _chain(context):
        each = _DECODE(_content(context, pointer))
        if each.scope == scope and each.name.lower() == name.lower():
            following = arena.words[(pointer & OFFSET_MASK) >> 3]
            if before:
                arena.words[(before & OFFSET_MASK) >> 3] = following
            else:
                arena.machine.registry = following
            return pointer
        before = pointer
    return 0
