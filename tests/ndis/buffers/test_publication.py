"""A list that leaves its context is published, arrives whole, and stops whoever touches it in between."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.kernel.platform import current
from emulator.kernel.pointers import decode, encode
from emulator.ndis.adapter_hardware.hardware import hardware_of
from emulator.ndis.buffers import publication
from emulator.ndis.data_path import ledger
from emulator.ndis.headers.status import NDIS_STATUS
from emulator.rules.errors import BugCheck
from emulator.rules.limits import VnicLimit
from tests.ndis.small_stack import MINI, PROTO, SmallStack, chain
from vnic.device import VnicPostReceive
from vnic.device.layout import PRODUCER

STASH = """
    class STASH(NONPAGED):
        Head: Pointer
        Lock: NDIS_SPIN_LOCK

    ran = []
    on_work = None

    @callback
    def Work(context, handle):
        ran.append((KeGetCurrentIrql(), context))
        if on_work is not None:
            on_work(context, handle)

    def keep(stash, nbl):
        NdisAcquireSpinLock(stash.Lock)
        stash.Head = nbl
        NdisReleaseSpinLock(stash.Lock)

    def take(stash):
        NdisAcquireSpinLock(stash.Lock)
        nbl = stash.Head
        stash.Head = None
        NdisReleaseSpinLock(stash.Lock)
        return nbl

    def peek(stash):
        return stash.Head
"""


class Stashed:
    """A small stack with an arena structure in which a driver stashes lists."""

    def __init__(self, **options: Any) -> None:
        self.stack = SmallStack(extra=STASH, cooperative=True, **options)
        self.fake = self.stack.fake
        self.driver = self.stack.extra
        self.stash = self.driver.STASH()
        self.driver.NdisAllocateSpinLock(self.stash.Lock)

    def keep(self, nbl: Any) -> None:
        self.driver.keep(self.here, nbl)

    def take(self) -> Any:
        return self.driver.take(self.here)

    @property
    def here(self) -> Any:
        """The structure as this context sees it."""
        return decode(current.context, self.stash._pointer)


@pytest.fixture(params=[True, False], ids=["checked", "free"])
def checked(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def fill(stack: SmallStack, count: int = 3) -> list[Any]:
    lists = chain(stack.frames(stack.pool(), count))
    for number, nbl in enumerate(lists):
        nbl.Status = NDIS_STATUS(0xC000009A)
        nbl.NblFlags, nbl.Flags, nbl.ChildRefCount = 0x200 + number, 0xF000, number
        nbl.ProtocolReserved[1] = number + 7
        nbl.MiniportReserved[0] = stack.memory(16)
        nbl.NetBufferListInfo[8] = 0xDEADBEEF
        nbl.FirstNetBuffer.DataOffset = nbl.FirstNetBuffer.CurrentMdlOffset = 14
        nbl.FirstNetBuffer.MiniportReserved[3] = 99
        nbl.FirstNetBuffer.DataPhysicalAddress = 1 << 40
        nbl.FirstNetBuffer.CurrentMdl.MappedSystemVa[:4] = bytes((number,)) * 4
    return lists


def look(nbl: Any) -> tuple[Any, ...]:
    """All that a driver can see of a list."""
    buffer = nbl.FirstNetBuffer
    mdl = buffer.CurrentMdl
    return (
        nbl._word,
        nbl.SourceHandle,
        nbl.Status,
        nbl.NblFlags,
        nbl.Flags,
        nbl.ChildRefCount,
        list(nbl.ProtocolReserved),
        [value if value is None else value._pointer for value in nbl.MiniportReserved],
        list(nbl.NetBufferListInfo),
        nbl._owner,
        (
            buffer.DataOffset,
            buffer.CurrentMdlOffset,
            buffer.DataLength,
            buffer.DataPhysicalAddress,
            buffer.ChecksumBias,
        ),
        (list(buffer.MiniportReserved), list(buffer.ProtocolReserved)),
        (mdl._word, mdl.StartVa, mdl.ByteOffset, mdl.ByteCount, mdl.MdlFlags, bytes(mdl.MappedSystemVa[:4])),
    )


def test_a_chain_arrives_in_another_context_as_it_left(checked: bool) -> None:
    stashed = Stashed(checked=checked)
    with stashed.fake.dispatch(driver=MINI):
        lists = fill(stashed.stack)
        seen = [look(nbl) for nbl in lists]
        stashed.keep(lists[0])
        publication.leave(current.context)
    with stashed.fake.running(stashed.fake.passive_worker()):
        arrived = chain(stashed.take())
        assert [look(nbl) for nbl in arrived] == seen
        assert all(there is not here for there, here in zip(arrived, lists, strict=True))


def test_the_same_objects_come_back_to_the_context_that_sent_them(checked: bool) -> None:
    stashed = Stashed(checked=checked)
    with stashed.fake.dispatch(driver=MINI) as processor:
        lists = fill(stashed.stack)
        stashed.keep(lists[0])
        publication.leave(processor)
        again = stashed.take()
        assert [a is b for a, b in zip(chain(again), lists, strict=True)] == [True] * 3
        stashed.keep(again)
        publication.leave(processor)
    with stashed.fake.running(stashed.fake.passive_worker()):
        theirs = stashed.take()
        theirs.NblFlags = 5
        theirs.Next = None
        stashed.keep(theirs)
    with stashed.fake.dispatch():
        mine = stashed.take()
        assert mine is lists[0]
        assert (mine.NblFlags, mine.Next) == (5, None)


def test_touching_a_list_that_is_away_is_a_stop_that_says_where_it_is() -> None:
    stashed = Stashed(processors=2)
    with stashed.fake.dispatch(driver=MINI):
        (nbl,) = fill(stashed.stack, 1)
        stashed.keep(nbl)
        with pytest.raises(BugCheck) as caught:
            _ = nbl.FirstNetBuffer
    assert caught.value.code == VnicLimit.VNIC_PUBLISHED_DATA_TOUCHED
    report = stashed.fake.stop_report()
    assert report.family == "emulator"
    assert "NET_BUFFER_LIST.FirstNetBuffer was read in processor 0" in report.text
    assert report.sites[-1].where == "published by processor 0, taken by nobody yet"


def test_writing_and_a_net_buffer_of_it_stop_too() -> None:
    for act in (lambda nbl, nb: setattr(nbl, "Next", None), lambda nbl, nb: nb.DataLength):
        stashed = Stashed(processors=2)
        with stashed.fake.dispatch(driver=MINI):
            (nbl,) = fill(stashed.stack, 1)
            buffer = nbl.FirstNetBuffer
            stashed.keep(nbl)
            with pytest.raises(BugCheck) as caught:
                act(nbl, buffer)
        assert caught.value.code == VnicLimit.VNIC_PUBLISHED_DATA_TOUCHED


def test_descriptors_that_are_posted_under_a_lock_publish_first_what_was_stored_under_it() -> None:
    stashed = Stashed(processors=2)
    with stashed.fake.dispatch(driver=MINI) as context:
        (nbl,) = fill(stashed.stack, 1)
        stashed.driver.NdisAcquireSpinLock(stashed.here.Lock)
        stashed.here.Head = nbl
        nic = hardware_of(context, 0)
        posted, publish = nic.receive_free[0].indices, nic.publish
        seen: list[int] = []

        def watched() -> None:
            seen.append(posted[PRODUCER])
            publish()

        nic.publish = watched
        assert nic.unpublished
        assert VnicPostReceive(nic, 0, [stashed.fake.arena.frames[0]]) == 1
        assert (seen, len(nic.unpublished), posted[PRODUCER]) == ([0], 0, 1)
        with pytest.raises(BugCheck):
            _ = nbl.NblFlags  # it is whoever's who is interrupted for the buffer


def test_with_one_processor_what_was_stored_stays_until_the_round_ends() -> None:
    stashed = Stashed()
    with stashed.fake.dispatch(driver=MINI) as context:
        (nbl,) = fill(stashed.stack, 1)
        stashed.keep(nbl)
        nbl.NblFlags = 3
        assert stashed.here.Head is nbl
        publication.leave(context)
        with pytest.raises(BugCheck):
            _ = nbl.NblFlags


def test_a_list_freed_in_the_round_is_not_published_at_its_end() -> None:
    stashed = Stashed()
    with stashed.fake.dispatch(driver=MINI) as context:
        (nbl,) = fill(stashed.stack, 1)
        nbl.ChildRefCount = 0
        pool, mdl = nbl.NdisPoolHandle, nbl.FirstNetBuffer.MdlChain
        stashed.keep(nbl)
        stashed.stack.mini.free(nbl)
        again = stashed.stack.mini.allocate(pool, mdl, 0, 60)
        publication.leave(context)
        assert again.FirstNetBuffer.DataLength == 60


def test_copying_a_reference_touches_nothing() -> None:
    stashed = Stashed(processors=2)
    with stashed.fake.dispatch(driver=MINI):
        (nbl,) = fill(stashed.stack, 1)
        stashed.keep(nbl)
        stashed.here.Head = nbl
        assert stashed.take() is nbl


def test_a_passive_context_calls_back_what_a_processor_has_at_home(checked: bool) -> None:
    stashed = Stashed(checked=checked)
    worker = stashed.fake.passive_worker()
    with stashed.fake.dispatch(driver=MINI):
        (nbl,) = fill(stashed.stack, 1)
        stashed.keep(nbl)
        publication.leave(current.context)
        assert stashed.here.Head is nbl
    with stashed.fake.running(worker):
        theirs = stashed.driver.peek(stashed.here)
        assert theirs.ProtocolReserved[1] == 7
        publication.leave(worker)
    with stashed.fake.dispatch():
        assert stashed.take() is nbl
        assert nbl.ProtocolReserved[1] == 7


def test_at_dispatch_level_it_cannot_be_called_back() -> None:
    stashed = Stashed(processors=2)
    with stashed.fake.dispatch(0, driver=MINI):
        (nbl,) = fill(stashed.stack, 1)
        stashed.keep(nbl)
        assert stashed.driver.peek(stashed.here) is nbl
    with stashed.fake.dispatch(1, driver=MINI), pytest.raises(BugCheck) as caught:
        stashed.driver.peek(stashed.here)
    assert caught.value.code == VnicLimit.VNIC_PUBLISHED_DATA_TOUCHED
    assert "processor 0 works on" in stashed.fake.stop_report().text


def test_a_private_object_in_a_reserved_word_cannot_leave() -> None:
    stashed = Stashed(processors=2)
    with stashed.fake.dispatch(driver=MINI):
        (nbl,) = fill(stashed.stack, 1)
        nbl.ProtocolReserved[0] = object()
        with pytest.raises(BugCheck) as caught:
            stashed.keep(nbl)
    assert caught.value.code == VnicLimit.VNIC_PRIVATE_DATA


def test_a_reference_to_a_freed_list_or_a_freed_pool_is_recognised(checked: bool) -> None:
    for with_pool in (False, True):
        stashed = Stashed(checked=checked)
        stack = stashed.stack
        worker = stashed.fake.passive_worker()
        with stashed.fake.running(worker, driver=MINI):
            pool = stack.pool()
            nbl = stack.mini.allocate(pool, stack.mdl(), 0, 60)
            stashed.keep(nbl)
            nbl = stashed.driver.peek(stashed.here)
            stack.mini.free(nbl)
            if with_pool:
                stack.mini.NdisFreeNetBufferListPool(pool)
        with stashed.fake.dispatch(), pytest.raises(BugCheck) as caught:
            stashed.take()
        assert caught.value.code == 0xD5


def test_a_protocol_completes_a_stashed_list_from_a_work_item(checked: bool) -> None:
    """A protocol keeps a received frame at DISPATCH_LEVEL and returns it from a passive worker."""
    stashed = Stashed(checked=checked)
    stack, fake = stashed.stack, stashed.fake
    worker, pool = fake.passive_worker(), stack.pool()
    stack.proto.on_receive = lambda context, nbl, port, count, flags: stashed.keep(nbl)
    receive_control = []

    def on_return(context: Any, nbl: Any, flags: int) -> None:
        receive_control.append(current.context.name)
        stashed.here.Head = nbl

    stack.mini.on_return = on_return
    item = stack.call(MINI, stack.mini.NdisAllocateIoWorkItem, stack.adapter)

    def on_work(context: Any, handle: Any) -> None:
        nbl = stashed.take()
        assert nbl.FirstNetBuffer.DataLength == 60
        stack.call(PROTO, stack.proto.give_back, stack.binding, nbl, 0)

    stashed.driver.on_work = on_work
    frame: list[Any] = []

    def interrupt(context: Any) -> bool:
        stack.call(MINI, stack.mini.indicate, stack.adapter, frame.pop(), 1)
        stack.call(MINI, stack.mini.NdisQueueIoWorkItem, item, stashed.driver.Work, None)
        fake.services.on_interrupts = None
        return True

    with fake.dispatch(driver=MINI):
        frame.append(stack.frames(pool, 1))
    for round_number in range(3):
        fake.services.on_interrupts = interrupt
        fake.run_until_idle()
        assert len(receive_control) == round_number + 1
        assert ledger.outstanding(fake.machine, 0).total == 0
        with fake.dispatch(driver=MINI):
            frame.append(stashed.take())
    assert set(receive_control) == {worker.name}


def test_a_list_is_the_context_of_a_work_item(checked: bool) -> None:
    stashed = Stashed(checked=checked)
    stack, fake = stashed.stack, stashed.fake
    fake.passive_worker()
    item = stack.call(MINI, stack.mini.NdisAllocateIoWorkItem, stack.adapter)
    with fake.dispatch(driver=MINI):
        (nbl,) = fill(stack, 1)
        word = nbl._word
        stack.call(MINI, stack.mini.NdisQueueIoWorkItem, item, stashed.driver.Work, nbl)
    fake.run_until_idle()
    ((irql, arrived),) = stashed.driver.ran
    assert irql == 0
    if checked:
        assert object.__getattribute__(arrived, "_word") == word
    assert encode(fake.passive_worker(), arrived) == word


def test_a_net_buffer_is_stored_for_its_list(checked: bool) -> None:
    stashed = Stashed(checked=checked)
    with stashed.fake.dispatch(driver=MINI):
        (nbl,) = fill(stashed.stack, 1)
        nbl.FirstNetBuffer.MiniportReserved[0] = nbl
        stashed.keep(nbl.FirstNetBuffer)
        publication.leave(current.context)
    with stashed.fake.running(stashed.fake.passive_worker()):
        buffer = stashed.take()
        assert buffer.DataLength == 60
        assert buffer.MiniportReserved[0].FirstNetBuffer is buffer


def test_a_pool_is_freed_when_another_context_keeps_a_stock_of_it() -> None:
    stashed = Stashed()
    stack, fake = stashed.stack, stashed.fake
    pnp = fake.pnp()
    with fake.running(pnp, driver=MINI):
        pool = stack.pool()
    with fake.dispatch(driver=MINI):
        nbl = stack.mini.allocate(pool, None, 0, 0)
    with fake.running(pnp, driver=MINI), pytest.raises(BugCheck) as caught:
        stack.mini.NdisFreeNetBufferListPool(pool)
    assert caught.value.parameters[0] == 0x27
    stashed = Stashed()
    stack, fake = stashed.stack, stashed.fake
    pnp = fake.pnp()
    before = fake.machine.pool.state.blocks
    with fake.running(pnp, driver=MINI):
        pool = stack.pool()
    with fake.dispatch(driver=MINI):
        nbl = stack.mini.allocate(pool, None, 0, 0)
        stack.mini.free(nbl)
    with fake.running(pnp, driver=MINI):
        stack.mini.NdisFreeNetBufferListPool(pool)
    assert fake.machine.pool.state.blocks == before


shape = st.lists(
    st.tuples(
        st.lists(st.integers(1, 3), max_size=3),
        st.integers(0, 2**32 - 1),
        st.lists(st.one_of(st.none(), st.integers(1, 2**40)), min_size=4, max_size=4),
        st.dictionaries(st.integers(0, 26), st.integers(1, 2**40), max_size=3),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=40, deadline=None)
@given(shape, st.lists(st.integers(0, 2), max_size=8), st.booleans(), st.sampled_from((1, 2)))
def test_any_chain_survives_any_number_of_journeys(
    shapes: Any, journeys: list[int], checked: bool, processors: int
) -> None:
    """Lists with several NET_BUFFERs of several MDLs each, carried between processors, which withhold, and a worker."""
    stashed = Stashed(checked=checked, processors=processors)
    stack, fake = stashed.stack, stashed.fake
    contexts = [fake.processor(), fake.passive_worker(), fake.processor(processors - 1)]

    def describe(first: Any) -> Any:
        found = []
        for nbl in chain(first):
            buffers = []
            for buffer in chain(nbl.FirstNetBuffer):
                mdls = [(mdl._word, mdl.ByteCount, mdl.StartVa) for mdl in chain(buffer.MdlChain)]
                now = [mdl._word for mdl in chain(buffer.MdlChain)].index(buffer.CurrentMdl._word)
                buffers.append((buffer._word, mdls, now, buffer.CurrentMdlOffset, buffer.DataLength))
            found.append((nbl._word, buffers, nbl.Flags, list(nbl.ProtocolReserved), list(nbl.NetBufferListInfo)))
        return found

    with fake.running(contexts[0], 2, driver=MINI):
        from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER, NET_BUFFER_POOL_PARAMETERS

        pool = stack.pool()
        buffers = stack.mini.NdisAllocateNetBufferPool(
            None, NET_BUFFER_POOL_PARAMETERS(Header=NDIS_OBJECT_HEADER(0x80, 1, 12), PoolTag=0x41414141)
        )
        first = None
        for mdl_counts, flags, reserved, info in shapes:
            nbl = stack.mini.allocate(pool, stack.mdl(64), 3, 10)
            nbl.Next, first = first, nbl
            nbl.Flags = flags
            nbl.ProtocolReserved[:] = reserved
            for slot, value in info.items():
                nbl.NetBufferListInfo[slot] = value
            last = nbl.FirstNetBuffer
            for count in mdl_counts:
                head = None
                for _ in range(count):
                    mdl = stack.mdl(20)
                    mdl.Next, head = head, mdl
                last.Next = stack.mini.NdisAllocateNetBuffer(buffers, head, 20 * count - 5, 5)
                last = last.Next
        seen = describe(first)
        stashed.keep(first)
        publication.leave(contexts[0])
    for where in [1, *journeys]:
        with fake.running(contexts[where], None if where == 1 else 2, driver=MINI):
            found = stashed.take()
            assert describe(found) == seen
            stashed.keep(found)
            if where == 1 or processors == 1:
                publication.leave(contexts[where])


def test_an_idle_buffer_may_refer_to_an_mdl_that_is_gone_as_long_as_nobody_reaches_for_the_data(checked: bool) -> None:
    stashed = Stashed(checked=checked)
    with stashed.fake.dispatch(driver=MINI):
        mdl = stashed.stack.mdl()
        nbl = stashed.stack.call(MINI, stashed.stack.mini.allocate, stashed.stack.pool(), mdl, 0, 60)
        stashed.stack.mini.NdisFreeMdl(mdl)
        stashed.keep(nbl)
        publication.leave(current.context)
    with stashed.fake.running(stashed.fake.passive_worker()):
        arrived = stashed.take()
        assert arrived.FirstNetBuffer.DataLength == 60
        stashed.keep(arrived)
        publication.leave(current.context)
    with stashed.fake.dispatch(driver=MINI):
        again = stashed.take()
        with pytest.raises(BugCheck) as caught:
            stashed.stack.mini.NdisGetDataBuffer(again.FirstNetBuffer, 14, None, 1, 0)
    assert caught.value.code == 0xD5
    assert "MDL.MappedSystemVa was read after the MDL had been freed" in stashed.fake.stop_report().text
