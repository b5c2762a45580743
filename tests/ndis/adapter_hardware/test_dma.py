"""Scatter/gather lists name the bytes of a buffer where the adapter finds them; channels are counted out and in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.kernel.platform import current
from emulator.ndis.adapter_hardware import dma
from emulator.ndis.built_in_types import BUILT_IN_TYPES
from emulator.ndis.headers.constants import NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER
from emulator.ndis.headers.dma_structures import NDIS_SCATTER_GATHER_LIST_PARAMETERS, NDIS_SG_DMA_DESCRIPTION
from emulator.ndis.headers.object_header import (
    NDIS_SIZEOF_SCATTER_GATHER_LIST_PARAMETERS_REVISION_1,
    NDIS_SIZEOF_SG_DMA_DESCRIPTION_REVISION_1,
)
from emulator.ndis.headers.status import (
    NDIS_STATUS_BAD_VERSION,
    NDIS_STATUS_BUFFER_TOO_SHORT,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER
from emulator.rules.errors import BugCheck
from emulator.rules.states import AdapterState
from tests.ndis.buffers.test_data_access import buffer_over, lengths, used
from tests.ndis.small_stack import MINI, MINIPORT, PROTO, PROTOCOL, SmallStack

PROCESS = """
    lists = []

    @callback
    def Process(device, reserved, sgl, value):
        lists.append((sgl, value, KeGetCurrentIrql()))
"""


class Master:
    """A small stack whose miniport is registered for scatter/gather DMA."""

    def __init__(self, maximum: int = 4096, **options: Any) -> None:
        self.stack = SmallStack(
            miniport=MINIPORT + PROCESS, protocol=PROTOCOL + PROCESS, builtin_types=BUILT_IN_TYPES, **options
        )
        self.mini = self.stack.mini
        record = self.stack.adapter_record
        record.attribute_flags = NDIS_MINIPORT_ATTRIBUTES_BUS_MASTER
        record.state = AdapterState.INITIALIZING
        self.description = self.describe(maximum)
        status, handle = self.register(self.description)
        assert status == NDIS_STATUS_SUCCESS
        assert handle is not None
        self.handle = handle
        record.state = AdapterState.RUNNING

    def describe(self, maximum: int, size: int = NDIS_SIZEOF_SG_DMA_DESCRIPTION_REVISION_1) -> NDIS_SG_DMA_DESCRIPTION:
        return NDIS_SG_DMA_DESCRIPTION(
            Header=NDIS_OBJECT_HEADER(0x83, 1, size),
            MaximumPhysicalMapping=maximum,
            ProcessSGListHandler=self.mini.Process,
        )

    def register(self, description: NDIS_SG_DMA_DESCRIPTION) -> dma.RegisteredDma:
        made: dma.RegisteredDma = self.stack.call(
            MINI, self.mini.NdisMRegisterScatterGatherDma, self.stack.adapter, description
        )
        return made

    def gather(self, sgl: Any) -> bytes:
        """The bytes that the adapter would read."""
        view = current.context.machine.arena.view
        return b"".join(bytes(view[each.Address : each.Address + each.Length]) for each in sgl.Elements)


def test_registering_says_how_long_a_list_may_become_and_what_is_wrong() -> None:
    master = Master(maximum=8192)
    assert master.description.ScatterGatherListSize == 16 + 4 * 24
    assert master.register(master.describe(8192))[0] == NDIS_STATUS_FAILURE  # not inside MiniportInitializeEx
    assert master.register(master.describe(8192, size=8))[0] == NDIS_STATUS_BAD_VERSION
    master.stack.adapter_record.attribute_flags = 0
    assert master.register(master.describe(8192))[0] == NDIS_STATUS_NOT_SUPPORTED
    assert master.mini.NdisMGetDmaAlignment(master.stack.adapter) == 1


@settings(max_examples=25, deadline=None)
@given(lengths, st.data())
def test_a_list_is_the_data_from_the_beginning_of_the_current_mdl(sizes: list[int], data: st.DataObject) -> None:
    master = Master()
    stack, mini = master.stack, master.mini
    offset = data.draw(st.integers(0, sum(sizes) - 1))
    buffer = buffer_over(stack, sizes, offset, data.draw(st.integers(0, sum(sizes) - offset)))
    blocks = stack.fake.machine.pool.state.blocks
    with stack.fake.dispatch(driver=MINI):
        status = mini.NdisMAllocateNetBufferSGList(master.handle, buffer, 0x55, 1, None, 0)
        assert status == NDIS_STATUS_SUCCESS
        ((sgl, value, irql),) = mini.lists
        assert (value, irql, sgl.NumberOfElements) == (0x55, 2, len(sgl.Elements))
        assert master.gather(sgl)[buffer.CurrentMdlOffset :] == used(buffer)
        mini.NdisMFreeNetBufferSGList(master.handle, sgl, buffer)
    assert stack.fake.machine.pool.state.blocks == blocks


def test_more_than_the_adapter_can_map_is_no_list() -> None:
    master = Master(maximum=100)
    buffer = buffer_over(master.stack, [101], 0, 101)
    with master.stack.fake.dispatch(driver=MINI):
        status = master.mini.NdisMAllocateNetBufferSGList(master.handle, buffer, None, 1, None, 0)
    assert (status, master.mini.lists) == (NDIS_STATUS_RESOURCES, [])


def test_pieces_that_touch_are_one_element() -> None:
    master = Master()
    memory = master.stack.memory(64)
    parts = [master.mini.NdisAllocateMdl(None, memory + at, length) for at, length in ((0, 20), (20, 4), (40, 24))]
    parts[0].Next, parts[1].Next = parts[1], parts[2]
    nbl = master.mini.NdisAllocateNetBufferAndNetBufferList(master.stack.pool(), 0, 0, parts[0], 0, 48)
    with master.stack.fake.dispatch(driver=MINI):
        master.mini.NdisMAllocateNetBufferSGList(master.handle, nbl.FirstNetBuffer, None, 1, None, 0)
    (sgl, *_) = master.mini.lists[0]
    assert [(each.Address - memory.offset, each.Length) for each in sgl.Elements] == [(0, 24), (40, 24)]


def test_a_list_is_found_in_another_context_and_freed_there() -> None:
    master = Master(processors=2, cooperative=True)
    buffer = buffer_over(master.stack, [60], 0, 60)
    with master.stack.fake.dispatch(driver=MINI):
        master.mini.NdisMAllocateNetBufferSGList(master.handle, buffer, None, 1, None, 0)
        pointer = master.mini.lists[0][0]._pointer
    with master.stack.fake.running(master.stack.fake.passive_worker()) as worker:
        from emulator.kernel.pointers import decode

        there = decode(worker, pointer)
        assert [each.Length for each in there.Elements] == [60]
        worker.driver, worker.irql = MINI, 2
        master.mini.NdisMFreeNetBufferSGList(master.handle, there, buffer)
        worker.irql = 0
        master.mini.NdisMDeregisterScatterGatherDma(master.handle)


def parameters(master: Master, mdl: Any, buffer: Any, size: int, **more: Any) -> NDIS_SCATTER_GATHER_LIST_PARAMETERS:
    size_of = NDIS_SIZEOF_SCATTER_GATHER_LIST_PARAMETERS_REVISION_1
    return NDIS_SCATTER_GATHER_LIST_PARAMETERS(
        Header=NDIS_OBJECT_HEADER(0x80, 1, size_of),
        Mdl=mdl,
        CurrentVa=mdl.StartVa + mdl.ByteOffset + 10,
        Length=50,
        ProcessSGListHandler=master.stack.proto.Process,
        ScatterGatherListBuffer=buffer,
        ScatterGatherListBufferSize=size,
        **more,
    )


def test_a_protocol_builds_a_list_in_its_own_memory() -> None:
    master = Master()
    stack, proto = master.stack, master.stack.proto
    mdls = [stack.mdl(30, PROTO), stack.mdl(40, PROTO)]
    mdls[0].Next = mdls[1]
    memory = stack.memory(200, PROTO)
    with stack.fake.dispatch(driver=PROTO):
        short = parameters(master, mdls[0], memory, 16 + 24)
        assert proto.NdisBuildScatterGatherList(stack.binding, short) == NDIS_STATUS_BUFFER_TOO_SHORT
        assert short.ScatterGatherListBufferSizeNeeded == 16 + 2 * 24
        good = parameters(master, mdls[0], memory, 200, Context=7)
        assert proto.NdisBuildScatterGatherList(stack.binding, good) == NDIS_STATUS_SUCCESS
        ((sgl, value, irql),) = proto.lists
        assert (value, irql) == (7, 2)
        assert master.gather(sgl) == bytes(mdls[0].MappedSystemVa[10:]) + bytes(mdls[1].MappedSystemVa[:30])
        proto.NdisFreeScatterGatherList(stack.binding, memory, True)
        with pytest.raises(BugCheck):
            proto.NdisFreeScatterGatherList(stack.binding, memory, True)
    assert "still to be freed" in stack.fake.stop_report().text


def test_a_list_needs_a_miniport_that_masters_the_bus() -> None:
    master = Master()
    stack = master.stack
    master.mini.NdisMDeregisterScatterGatherDma(master.handle)
    with stack.fake.dispatch(driver=PROTO):
        given = parameters(master, stack.mdl(80, PROTO), stack.memory(200, PROTO), 200)
        assert stack.proto.NdisBuildScatterGatherList(stack.binding, given) == NDIS_STATUS_NOT_SUPPORTED
