"""Shared memory: allocated in full, sealed, the same for all; what cannot be had is told when it is made."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.rules.errors import HostError
from emulator.sync import memory, processes
from emulator.sync.errors import SharedMemoryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sync.conftest import Fork, Isolated

SIZE = 1 << 20


@pytest.fixture
def descriptor() -> Iterator[int]:
    descriptor = memory.create("arena", SIZE)
    yield descriptor
    os.close(descriptor)


def test_every_byte_is_allocated_at_once(descriptor: int) -> None:
    status = os.fstat(descriptor)
    assert status.st_size == SIZE
    assert status.st_blocks * 512 >= SIZE


@pytest.mark.parametrize("size", [0, SIZE // 2, SIZE * 2])
def test_nobody_can_change_its_size(descriptor: int, size: int) -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(descriptor, size)


def test_two_mappings_are_the_same_memory(descriptor: int) -> None:
    one, two = memory.map(descriptor), memory.map(descriptor)
    one.view[100:104] = b"abcd"
    assert bytes(two.view[100:104]) == b"abcd"
    assert ctypes.c_char.from_address(two.address + 101).value == b"b"
    assert len(one.view) == one.size == SIZE
    one.close()
    two.close()


def test_a_child_sees_what_its_parent_writes_later(fork: Fork, descriptor: int) -> None:
    mapping = memory.map(descriptor)
    reading, writing = os.pipe()

    def main() -> int:
        os.read(reading, 1)
        return mapping.view[7]

    child = fork(main, keep={reading})
    mapping.view[7] = 42
    os.write(writing, b"x")
    assert processes.reap(child.pid).code == 42
    mapping.close()
    os.close(reading)
    os.close(writing)


def test_a_mapping_holds_no_descriptor(descriptor: int) -> None:
    before = processes.descriptors(os.getpid())
    mapping = memory.map(descriptor)
    assert processes.descriptors(os.getpid()) == before
    mapping.close()


def test_memory_that_is_still_pointed_into_is_not_unmapped(descriptor: int) -> None:
    mapping = memory.map(descriptor)
    word = ctypes.c_uint32.from_buffer(mapping.view, 16)
    part = mapping.view[16:17]
    mapping.close()
    word.value = 5
    assert part[0] == 5
    del word
    assert mapping.mapped
    part.release()
    assert not mapping.mapped
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    assert f"{mapping.address:x}-" not in maps


def test_what_could_shrink_is_not_mapped() -> None:
    unsealed = os.memfd_create("unsealed")
    os.ftruncate(unsealed, SIZE)
    with tempfile.TemporaryFile() as file:
        for wrong in (unsealed, file.fileno()):
            with pytest.raises(ValueError, match="not sealed"):
                memory.map(wrong)
    os.close(unsealed)


def test_memory_that_is_not_there_is_told_with_what_mends_it() -> None:
    before = processes.descriptors(os.getpid())
    with pytest.raises(SharedMemoryError) as caught:
        memory.create("arena", 1 << 50)
    assert isinstance(caught.value, HostError)
    assert caught.value.errno == errno.ENOMEM
    assert caught.value.step == "allocating 1024 TiB of shared memory"
    assert "free -m" in caught.value.mend
    assert processes.descriptors(os.getpid()) == before


def test_a_limit_on_file_sizes_is_told_with_what_mends_it(isolated: Isolated) -> None:
    def body() -> None:
        before = processes.descriptors(os.getpid())
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        with pytest.raises(SharedMemoryError, match="allocating 1 MiB of shared memory") as caught:
            memory.create("arena", SIZE)
        assert caught.value.mend == "ulimit -f unlimited"
        assert processes.descriptors(os.getpid()) == before

    isolated(body)


def test_a_limit_on_descriptors_is_told_with_what_mends_it(isolated: Isolated) -> None:
    def body() -> None:
        # One more than are open: enough to ask how much memory there is, not for the memory itself beside a full table.
        resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))
        null = os.open(os.devnull, os.O_RDONLY)
        with pytest.raises(SharedMemoryError) as caught:
            memory.create("arena", SIZE)
        assert caught.value.mend == "ulimit -n 4096"
        os.close(null)

    isolated(body)


def test_a_limit_on_address_space_is_told_by_the_mapping(isolated: Isolated) -> None:
    def body() -> None:
        descriptor = memory.create("arena", SIZE)
        resource.setrlimit(resource.RLIMIT_AS, (SIZE, SIZE))
        with pytest.raises(SharedMemoryError, match="mapping 1 MiB of shared memory"):
            memory.map(descriptor)

    isolated(body)


def test_memory_of_no_size_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="0 bytes"):
        memory.create("arena", 0)
