"""What drivers are told of the computer that they run on."""

from __future__ import annotations

import pytest

from emulator.layout.handles import HandleKind
from emulator.ndis import NDIS_HYPERVISOR_INFO, NDIS_OBJECT_HEADER, NDIS_SYSTEM_PROCESSOR_INFO
from emulator.ndis.headers.status import NDIS_STATUS_BUFFER_TOO_SHORT, NDIS_STATUS_SUCCESS
from tests.fake_platform import FakeMachine
from tests.ndis.ungated import ddi


@pytest.fixture(autouse=True)
def fake() -> FakeMachine:
    made = FakeMachine(processors=3, pool_bytes=1 << 14)
    made.processor()
    return made


def live(fake: FakeMachine, kind: HandleKind) -> int:
    """A handle of this kind that stands for something."""
    made = fake.machine.objects[kind].allocate(kind, driver=1, parent=0, site=0)
    assert made is not None
    return made[0]


@pytest.mark.parametrize(
    ("name", "size"), [("NdisGetProcessorInformationEx", 100), ("NdisGetRssProcessorInformation", 64)]
)
def test_the_size_is_asked_for_first(fake: FakeMachine, name: str, size: int) -> None:
    handle = live(fake, HandleKind.ADAPTER)
    assert ddi(name)(handle, 0) == (NDIS_STATUS_BUFFER_TOO_SHORT, None, size)
    assert ddi(name)(handle, size - 1) == (NDIS_STATUS_BUFFER_TOO_SHORT, None, size)
    assert ddi(name)(handle, size)[0] == NDIS_STATUS_SUCCESS


@pytest.mark.parametrize(
    ("kind", "distance"), [(HandleKind.ADAPTER, 0), (HandleKind.MINIPORT_DRIVER, 0), (HandleKind.BINDING, 0xFFFF)]
)
def test_one_socket_with_a_core_for_each_processor(fake: FakeMachine, kind: HandleKind, distance: int) -> None:
    _, found, _ = ddi("NdisGetProcessorInformationEx")(live(fake, kind), 1000)
    assert (found.NumSockets, found.NumCores, found.NumCoresPerSocket, found.NumberOfProcessors) == (1, 3, 3, 3)
    assert [each.ProcNum for each in found.ProcessorInfo] == [(0, 0, 0), (0, 1, 0), (0, 2, 0)]
    assert [(each.CoreId, each.NodeDistance) for each in found.ProcessorInfo] == [(n, distance) for n in range(3)]


def test_drivers_of_before_ndis_6_20_are_told_the_same() -> None:
    asked = NDIS_SYSTEM_PROCESSOR_INFO(
        Header=NDIS_OBJECT_HEADER(0x80, 1, 1071), RssProcessors=memoryview(bytearray(64))
    )
    assert ddi("NdisGetProcessorInformation")(asked) == NDIS_STATUS_BUFFER_TOO_SHORT
    asked.Header.Size = 1072
    assert ddi("NdisGetProcessorInformation")(asked) == NDIS_STATUS_SUCCESS
    assert (asked.NumPhysicalPackages, asked.NumCores, asked.NumCoresPerPhysicalPackage) == (1, 3, 3)
    assert (asked.MaxHyperThreadingCpusPerCore, asked.RssBaseCpu, asked.RssCpuCount) == (1, 0, 3)
    assert asked.CpuInfo == [(0, 0, 0, 0), (1, 0, 1, 0), (2, 0, 2, 0)]
    assert bytes(asked.RssProcessors[:3]) == b"\0\1\2"
    asked.RssProcessors = None
    assert ddi("NdisGetProcessorInformation")(asked) == NDIS_STATUS_SUCCESS


def test_scaling_may_use_all_processors(fake: FakeMachine) -> None:
    _, found, _ = ddi("NdisGetRssProcessorInformation")(live(fake, HandleKind.ADAPTER), 64)
    assert (found.MaxNumRssProcessors, found.RssProcessorCount, found.RssMaxProcessor) == (3, 3, (0, 2, 0))
    assert [each.ProcNum.Number for each in found.RssProcessors] == [0, 1, 2]


def test_no_hypervisor_is_seen() -> None:
    asked = NDIS_HYPERVISOR_INFO(Header=NDIS_OBJECT_HEADER(0x80, 1, 12), Flags=9, PartitionType=9)
    assert ddi("NdisGetHypervisorInfo")(asked) == NDIS_STATUS_SUCCESS
    assert (asked.Flags, asked.PartitionType) == (0, 0)
    assert ddi("NdisGetHypervisorInfo")(NDIS_HYPERVISOR_INFO()) == NDIS_STATUS_BUFFER_TOO_SHORT
