"""Files of a driver: NdisOpenFile, NdisMapFile, NdisUnmapFile, NdisCloseFile.

Law: a file lies in the folder of the driver's module and is named without a folder; it is read once, when it is opened.
What is mapped is a copy: it goes when it is unmapped, and nothing is ever written back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.pointers import Memory, decode, load_block
from emulator.kernel.pool import OFFSET_MASK
from emulator.layout.handles import HandleKind
from emulator.layout.machine import SystemLock
from emulator.ndis.gates.ddi import ddi
from emulator.ndis.headers.handles import FileHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_ALREADY_MAPPED,
    NDIS_STATUS_ERROR_READING_FILE,
    NDIS_STATUS_FILE_NOT_FOUND,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play.adapters import object_of
from emulator.ndis.services.memory import free_block, keep
from emulator.rules.irql import AT_MOST_DISPATCH, AT_PASSIVE

if TYPE_CHECKING:
    from emulator.kernel.context import Context

TAG: Final = int.from_bytes(b"NDfi", "little")
_RULES: Final = ("Irql_Miscellaneous_Function",)


class OpenedFile(NamedTuple):
    """What NdisOpenFile gives."""

    Status: NDIS_STATUS
    FileHandle: FileHandle | None
    FileLength: int


class MappedFile(NamedTuple):
    """What NdisMapFile gives."""

    Status: NDIS_STATUS
    MappedBuffer: Memory | None


@ddi(irql=AT_PASSIVE, rules=_RULES, acquires="file")
def NdisOpenFile(FileName: str, HighestAcceptableAddress: int, /) -> OpenedFile:
    """Open a file of the driver's folder, and read it; a name with a folder is not found.

    FILE_NOT_FOUND, ERROR_READING_FILE, RESOURCES.  An address is as good as another one.
    """
    del HighestAcceptableAddress
    context, name = current.context, str(FileName)
    folder = context.machine.images.images[context.driver - 1].path.rpartition("/")[0]
    if not name.strip(".") or any(each in name for each in "/\\\0"):
        return OpenedFile(NDIS_STATUS_FILE_NOT_FOUND, None, 0)
    try:
        content = context.platform.read_file(f"{folder}/{name}")
    except FileNotFoundError:
        return OpenedFile(NDIS_STATUS_FILE_NOT_FOUND, None, 0)
    except OSError:
        return OpenedFile(NDIS_STATUS_ERROR_READING_FILE, None, 0)
    pointer = keep(context, content, TAG)
    made = None
    if pointer is not None:
        files = context.machine.objects[HandleKind.FILE]
        made = files.allocate(HandleKind.FILE, driver=context.driver, parent=0, site=context.site)
    if pointer is None or made is None:
        if pointer:
            context.machine.pool.free(pointer, site=0)
        return OpenedFile(NDIS_STATUS_RESOURCES, None, 0)
    handle, file = made
    file.content, file.mapped, file.length = pointer, 0, len(content)
    return OpenedFile(NDIS_STATUS_SUCCESS, FileHandle(handle), len(content))


@ddi(irql=AT_MOST_DISPATCH, rules=_RULES)
def NdisMapFile(FileHandle: FileHandle, /) -> MappedFile:
    """The content of an open file, until it is unmapped or closed.

    ALREADY_MAPPED for a second mapping, RESOURCES without memory for it.
    """
    context = current.context
    file = _file_of(context, FileHandle, "NdisMapFile")
    if file.mapped:
        return MappedFile(NDIS_STATUS_ALREADY_MAPPED, None)
    pointer = keep(context, _content(context, file), TAG)
    if pointer is None:
        return MappedFile(NDIS_STATUS_RESOURCES, None)
    platform = context.platform
    platform.acquire(SystemLock.REQUESTS)
    first = not file.mapped
    if first:
        file.mapped = pointer
    platform.release(SystemLock.REQUESTS)
    if not first:
        context.machine.pool.free(pointer, site=0)
        return MappedFile(NDIS_STATUS_ALREADY_MAPPED, None)
    return MappedFile(NDIS_STATUS_SUCCESS, load_block(context, pointer))


@ddi(irql=AT_PASSIVE, rules=_RULES)
def NdisUnmapFile(FileHandle: FileHandle, /) -> None:
    """Take the mapped content of a file back; nothing when it is not mapped."""
    context = current.context
    _unmap(context, _file_of(context, FileHandle, "NdisUnmapFile"))


@ddi(irql=AT_PASSIVE, rules=_RULES, releases="file")
def NdisCloseFile(FileHandle: FileHandle, /) -> None:
    """Close a file; what is mapped of it is gone."""
    context = current.context
    file = _file_of(context, FileHandle, "NdisCloseFile")
    _unmap(context, file)
    context.machine.pool.free(file.content, site=0)
    context.machine.objects[HandleKind.FILE].free(FileHandle, site=context.site)


def _file_of(context: Context, handle: int | None, ddi_name: str) -> Any:
    return object_of(context, handle, HandleKind.FILE, ddi_name)


def _content(context: Context, file: Any) -> bytes:
    start = file.content & OFFSET_MASK
    return bytes(context.machine.arena.view[start : start + file.length])


def _unmap(context: Context, file: Any) -> None:
    if file.mapped:
        pointer, file.mapped = file.mapped, 0
        free_block(context, decode(context, pointer))


__all__ = ["NdisCloseFile", "NdisMapFile", "NdisOpenFile", "NdisUnmapFile"]
