"""Files of a driver's folder, and the log of an adapter as a ring."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

import emulator.ndis as surface
from emulator.layout.handles import HandleKind
from emulator.ndis.headers.status import (
    NDIS_STATUS_ADAPTER_NOT_FOUND,
    NDIS_STATUS_ALREADY_MAPPED,
    NDIS_STATUS_BUFFER_OVERFLOW,
    NDIS_STATUS_ERROR_READING_FILE,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_FILE_NOT_FOUND,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play import pnp
from emulator.ndis.services import miniport_logs
from tests.bad_drivers.computer import Computer

OWN = Path(__file__).with_name("base_miniport.py").read_bytes()


def started() -> Any:
    machine: Any = Computer("base_miniport", "base_protocol")
    machine.load()
    assert machine.control(pnp.start_adapter, 0) == NDIS_STATUS_SUCCESS
    machine.settle()
    machine.adapter = machine.fake.machine.objects[HandleKind.ADAPTER].live()[0][0]
    machine.context = machine.fake.pnp()
    machine.context.driver = machine.fake.machine.objects[HandleKind.ADAPTER].live()[0][1].head.driver
    return machine


def test_a_file_is_read_once_and_mapped_by_one() -> None:
    file: Any
    mapped: Any
    machine = started()
    with machine.fake.running(machine.context):
        status, file, length = surface.NdisOpenFile("base_miniport.py", -1)
        assert (status, length) == (NDIS_STATUS_SUCCESS, len(OWN))
        for _ in range(2):
            status, mapped = surface.NdisMapFile(file)
            assert status == NDIS_STATUS_SUCCESS
            assert bytes(mapped[0:length]) == OWN
            assert surface.NdisMapFile(file) == (NDIS_STATUS_ALREADY_MAPPED, None)
            # It is a copy: what is written to it does not come back.
            mapped[0:4] = b"gone"
            surface.NdisUnmapFile(file)
            surface.NdisUnmapFile(file)
        surface.NdisMapFile(file)
        surface.NdisCloseFile(file)
    assert machine.fake.machine.objects[HandleKind.FILE].live() == []
    machine.control(pnp.stop_adapter, 0)
    machine.control(pnp.unload)
    assert machine.left() == []


@pytest.mark.parametrize(
    "name", ["", ".", "..", "no such file", "../bad_drivers/base_miniport.py", "/etc/hostname", "a\0b"]
)
def test_a_file_is_one_of_the_driver_s_folder(name: str) -> None:
    machine = started()
    with machine.fake.running(machine.context):
        assert surface.NdisOpenFile(name, -1) == (NDIS_STATUS_FILE_NOT_FOUND, None, 0)


def test_a_file_may_fail() -> None:
    file: Any
    machine = started()
    platform, pool = machine.fake.platform, machine.fake.machine.pool
    with machine.fake.running(machine.context):

        def unreadable(path: str) -> bytes:
            raise PermissionError(path)

        platform.read_file = unreadable
        assert surface.NdisOpenFile("any", -1) == (NDIS_STATUS_ERROR_READING_FILE, None, 0)
        platform.read_file = lambda path: b"content"
        status, file, _ = surface.NdisOpenFile("any", -1)
        assert status == NDIS_STATUS_SUCCESS
        pool.allocate, allocate = lambda *_, **__: None, pool.allocate
        assert surface.NdisOpenFile("any", -1) == (NDIS_STATUS_RESOURCES, None, 0)
        assert surface.NdisMapFile(file) == (NDIS_STATUS_RESOURCES, None)
        pool.allocate = allocate
        opened: list[Any] = [file]
        while (found := surface.NdisOpenFile("any", -1)).Status == NDIS_STATUS_SUCCESS:
            opened.append(found.FileHandle)
        assert found == (NDIS_STATUS_RESOURCES, None, 0)
        for each in opened:
            surface.NdisCloseFile(each)


class Operation(NamedTuple):
    """A control operation as far as the log is concerned."""

    held: list[bytes]
    target: int = 0

    def hold(self, data: bytes) -> None:
        """Keep the answer."""
        self.held.append(data)


def take(machine: Any, target: int = 0) -> tuple[int, bytes]:
    operation = Operation([], target)
    status = machine.control(lambda context: miniport_logs.take(context, operation))  # type: ignore[arg-type]
    return status, operation.held[-1]


def test_a_log_is_a_ring() -> None:
    log: Any
    machine = started()
    assert take(machine, 5) == (NDIS_STATUS_ADAPTER_NOT_FOUND, b"")
    assert take(machine) == (NDIS_STATUS_NOT_SUPPORTED, b"")
    with machine.fake.running(machine.context):
        assert surface.NdisMCreateLog(machine.adapter, 1 << 40) == (NDIS_STATUS_RESOURCES, None)
        assert surface.NdisMCreateLog(machine.adapter, 0) == (NDIS_STATUS_RESOURCES, None)
        status, log = surface.NdisMCreateLog(machine.adapter, 10)
        assert status == NDIS_STATUS_SUCCESS
        assert surface.NdisMCreateLog(machine.adapter, 10) == (NDIS_STATUS_FAILURE, None)
        assert surface.NdisMWriteLogData(log, b"01234567890", 11) == NDIS_STATUS_BUFFER_OVERFLOW
        assert surface.NdisMWriteLogData(log, b"0123456", 6) == NDIS_STATUS_SUCCESS
    assert take(machine) == (NDIS_STATUS_SUCCESS, b"012345")
    assert take(machine) == (NDIS_STATUS_SUCCESS, b"")
    with machine.fake.running(machine.context):
        for text in (b"abcdef", b"ghi", b"jkl"):
            surface.NdisMWriteLogData(log, text, len(text))
    assert take(machine) == (NDIS_STATUS_SUCCESS, b"cdefghijkl")
    with machine.fake.running(machine.context):
        surface.NdisMWriteLogData(log, b"0123456789", 10)
        surface.NdisMFlushLog(log)
        surface.NdisMWriteLogData(log, b"new", 3)
    assert take(machine) == (NDIS_STATUS_SUCCESS, b"new")
    with machine.fake.running(machine.context):
        surface.NdisMCloseLog(log)
    assert take(machine) == (NDIS_STATUS_NOT_SUPPORTED, b"")
