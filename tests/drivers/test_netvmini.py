"""netvmini: OIDs, filters, statistics, pausing, link changes, removal, full rings, and work that leaves the DPC."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import emulator.ndis as surface
from emulator.layout.handles import HandleKind
from emulator.layout.machine import ContextKind
from emulator.ndis.adapter_hardware.interrupt_service import compile_lines
from emulator.ndis.headers import oids, status
from emulator.ndis.headers.structures_common import NDIS_STATISTICS_INFO
from emulator.ndis.plug_and_play import filter_pnp, pnp, pnp_reset
from emulator.rules.errors import BugCheck
from emulator.rules.states import AdapterState
from sample_drivers.netvmini_frames import NICAllFor, NICDescribe
from sample_drivers.netvmini_nic import NIC_BUDGET, NIC_NOBODY
from tests.drivers.rig import MAC, NOBODY, PEER, Rig, frame
from vnic.device import VNIC_RECEIVE_HEADROOM, VNIC_RECEIVE_SLOT

if TYPE_CHECKING:
    from emulator.kernel.context import Context

QUERY, SET = 0, 1
GROUP, OTHER_GROUP = bytes.fromhex("01005e000001"), bytes.fromhex("01005e000002")
BROADCAST = b"\xff" * 6
DIRECTED, MULTICAST, ALL_MULTICAST, BROADCASTS, PROMISCUOUS = 1, 2, 4, 8, 0x20


@pytest.fixture
def rig() -> Rig:
    made = Rig("netvmini", "hello")
    made.start()
    return made


def test_every_mandatory_oid_is_answered(rig: Rig) -> None:
    for name, length in (
        ("OID_GEN_MAXIMUM_TOTAL_SIZE", 4),
        ("OID_GEN_RCV_OK", 8),
        ("OID_GEN_XMIT_OK", 8),
        ("OID_GEN_RECEIVE_BLOCK_SIZE", 4),
        ("OID_GEN_RECEIVE_BUFFER_SPACE", 4),
        ("OID_GEN_TRANSMIT_BLOCK_SIZE", 4),
        ("OID_GEN_TRANSMIT_BUFFER_SPACE", 4),
        ("OID_GEN_STATISTICS", 152),
        ("OID_GEN_VENDOR_DESCRIPTION", 24),
        ("OID_GEN_VENDOR_DRIVER_VERSION", 4),
        ("OID_GEN_VENDOR_ID", 4),
        ("OID_GEN_INTERRUPT_MODERATION", 12),
        ("OID_802_3_PERMANENT_ADDRESS", 6),
        ("OID_802_3_CURRENT_ADDRESS", 6),
        ("OID_802_3_MAXIMUM_LIST_SIZE", 4),
    ):
        oid = getattr(oids, name)
        assert rig.oid(QUERY, oid, bytes(length))[0] == 0, name
        short = rig.oid(QUERY, oid, bytes(3))
        assert (short[0], short[2], short[3]) == (status.NDIS_STATUS_BUFFER_TOO_SHORT, 0, length), name
    assert rig.oid(QUERY, oids.OID_802_3_CURRENT_ADDRESS, bytes(6))[1] == MAC


def test_counters_fit_four_bytes_too(rig: Rig) -> None:
    rig.receive(frame())
    assert rig.oid(QUERY, oids.OID_GEN_RCV_OK, bytes(4)) == (0, b"\x01\0\0\0", 4, 8)


def test_sets_are_checked(rig: Rig) -> None:
    filters = oids.OID_GEN_CURRENT_PACKET_FILTER
    assert rig.oid(SET, filters, (0x40).to_bytes(4, "little"))[0] == status.NDIS_STATUS_NOT_SUPPORTED
    assert rig.oid(SET, oids.OID_802_3_MULTICAST_LIST, bytes(7))[0] == status.NDIS_STATUS_INVALID_LENGTH
    assert rig.oid(SET, oids.OID_GEN_INTERRUPT_MODERATION, bytes(12))[0] == status.NDIS_STATUS_INVALID_DATA
    assert rig.oid(SET, 0x12345678, bytes(4))[0] == status.NDIS_STATUS_NOT_SUPPORTED


@pytest.mark.parametrize(
    ("packet_filter", "taken"),
    [
        (DIRECTED, {MAC}),
        (BROADCASTS, {BROADCAST}),
        (MULTICAST, {GROUP}),
        (ALL_MULTICAST, {GROUP, OTHER_GROUP}),
        (PROMISCUOUS, {MAC, NOBODY, GROUP, OTHER_GROUP, BROADCAST}),
        (DIRECTED | BROADCASTS, {MAC, BROADCAST}),
        (0, set()),
    ],
)
def test_the_packet_filter_decides(rig: Rig, packet_filter: int, taken: set[bytes]) -> None:
    assert rig.oid(SET, oids.OID_802_3_MULTICAST_LIST, GROUP)[0] == 0
    assert rig.oid(SET, oids.OID_GEN_CURRENT_PACKET_FILTER, packet_filter.to_bytes(4, "little"))[0] == 0
    sent = rig.receive(*(frame(to) for to in (MAC, NOBODY, GROUP, OTHER_GROUP, BROADCAST)))
    assert {answer[6:12] for answer in sent} == taken
    assert rig.outstanding() == 0


def test_statistics_say_what_went_where(rig: Rig) -> None:
    everything = DIRECTED | BROADCASTS | ALL_MULTICAST
    rig.oid(SET, oids.OID_GEN_CURRENT_PACKET_FILTER, everything.to_bytes(4, "little"))
    rig.receive(frame(size=100), frame(GROUP, size=200), frame(BROADCAST, size=300), frame(NOBODY, size=400))
    rig.receive(frame(source=BROADCAST, size=500), frame(source=GROUP, size=600))
    found = NDIS_STATISTICS_INFO.from_bytes(rig.oid(QUERY, oids.OID_GEN_STATISTICS, bytes(152))[1])
    assert (found.ifHCInUcastPkts, found.ifHCInMulticastPkts, found.ifHCInBroadcastPkts) == (3, 1, 1)
    assert (found.ifHCInUcastOctets, found.ifHCInMulticastOctets, found.ifHCInBroadcastOctets) == (1200, 200, 300)
    assert (found.ifHCOutUcastPkts, found.ifHCOutMulticastPkts, found.ifHCOutBroadcastPkts) == (3, 1, 1)
    assert (found.ifHCOutOctets, found.ifHCOutMulticastOctets, found.ifHCOutBroadcastOctets) == (1700, 600, 500)


def test_short_frames_are_padded_with_zeros(rig: Rig) -> None:
    (sent,) = rig.receive(frame(size=20, payload=b"\x99" * 6))
    assert sent == frame(PEER, MAC, payload=b"\x99" * 6)
    assert len(sent) == 60


@pytest.mark.parametrize("short", [{0}, {3}, {7}, {*range(8)}])
def test_a_short_frame_is_padded_wherever_it_is_in_a_chain(rig: Rig, short: set[int]) -> None:
    sizes = [20 if place in short else 100 for place in range(8)]
    assert [len(sent) for sent in rig.receive(*(frame(size=size) for size in sizes))] == [max(60, n) for n in sizes]


@pytest.mark.parametrize(
    ("lengths", "plain"),
    [
        ((60, 60, 60), True),
        ((1514, 1514, 1514), True),
        ((60, 900, 1514), True),
        ((59, 59, 59), False),
        ((1515, 1515, 1515), False),
        ((60, 59, 60), False),
        ((59, 60, 60), False),
        ((60, 60, 1515), False),
        ((1515, 60, 60), False),
    ],
)
def test_only_chains_of_frames_as_the_hardware_takes_them_are_described_at_once(
    lengths: tuple[int, ...], plain: bool
) -> None:
    chain = None
    for length in reversed(lengths):
        mdl = SimpleNamespace(ByteCount=2048, StartVa=0x4000, ByteOffset=128, MappedSystemVa=bytes(2048))
        buffer = SimpleNamespace(Next=None, CurrentMdl=mdl, CurrentMdlOffset=2, DataLength=length)
        chain = SimpleNamespace(FirstNetBuffer=buffer, Next=chain)
    lists, addresses, found = NICDescribe(chain)
    assert (len(lists), addresses, found) == ((3, [0x4082] * 3, [*lengths]) if plain else (0, [], []))


def test_pause_and_restart(rig: Rig) -> None:
    assert rig.control(pnp.pause) == 0
    assert rig.adapter().state == AdapterState.PAUSED
    assert rig.receive(frame()) == []
    assert rig.control(pnp.restart) == 0
    assert len(rig.receive(frame())) == 1


def test_a_pause_waits_for_what_is_on_its_way(rig: Rig) -> None:
    rig.nic.blocked = True
    assert rig.receive(*(frame() for _ in range(10))) == []
    assert rig.outstanding() == 20

    def unblock() -> bool:
        rig.nic.blocked = False
        return True

    rig.before_sleep = unblock
    assert rig.control(pnp.pause) == 0
    assert rig.outstanding() == 0
    assert len(rig.nic.sent) == 10


def test_what_does_not_fit_the_ring_waits_in_order(rig: Rig) -> None:
    rig.nic.blocked = True
    frames = [frame(payload=number.to_bytes(4, "big")) for number in range(700)]
    rig.receive(*frames)
    assert rig.queue_of()._stored_SendHead
    rig.nic.blocked = False
    rig.settle()
    assert [answer[14:18] for answer in rig.nic.sent] == [one[14:18] for one in frames[: len(rig.nic.sent)]]
    assert len(rig.nic.sent) == 700
    assert rig.outstanding() == 0


def test_short_of_buffers_frames_are_lent(rig: Rig) -> None:
    rig.nic.blocked = True
    rig.receive(*(frame(payload=number.to_bytes(4, "big")) for number in range(520)))
    held = rig.queue_of()
    assert (held.BuffersPosted - held.BuffersTaken) & 0xFFFF_FFFF == 120
    with rig.fake.running(rig.processors[0]):
        # In the ring each stands for itself: what is loaded brings its chain home, and another may be taking the rest.
        assert [nbl.Next for nbl in held.ReceiveNbls[:] if nbl is not None] == [None] * 512
    rig.nic.blocked = False
    rig.settle()
    assert sorted(answer[14:18] for answer in rig.nic.sent) == [number.to_bytes(4, "big") for number in range(520)]
    rig.stop()


@pytest.mark.parametrize(("frames_per_dpc", "frames"), [(64 * 128, 9000), (130, 1000), (1, 20)])
def test_a_dpc_without_end_goes_on_in_a_work_item(frames_per_dpc: int, frames: int) -> None:
    rig = Rig("netvmini", "hello", registry={"FramesPerDpc": frames_per_dpc})
    rig.start()
    sent = rig.receive(*(frame(payload=number.to_bytes(4, "big")) for number in range(frames)))
    assert [answer[14:18] for answer in sent] == [number.to_bytes(4, "big") for number in range(frames)]
    put, taken = rig.fake.machine.queues[0].counts
    assert put == taken > 0
    rig.stop()


def test_a_dpc_that_took_too_long_goes_on_in_a_work_item(rig: Rig) -> None:
    rig.nic.waiting.extend(frame() for _ in range(NIC_BUDGET))
    rig.nic.pump()
    rig.nic.pump()
    rig.fake.platform.tick = 80_000_000
    rig.fake.round()
    rig.fake.platform.tick = 0
    assert rig.fake.machine.queues[0].counts == (1, 0)
    rig.settle()
    assert rig.fake.machine.queues[0].counts == (1, 1)
    assert len(rig.nic.sent) == NIC_BUDGET


@pytest.mark.parametrize("turn", [0, 1, 13, 19])
def test_one_look_at_many_destinations_finds_any_other(turn: int) -> None:
    """Whether the buffers are the ring's last ones and then its first ones, or not."""
    count, base = 20, 1 << 20
    memory = memoryview(bytearray(count * VNIC_RECEIVE_SLOT))
    own = int.from_bytes(MAC, "little")
    places = [(place + turn) % count * VNIC_RECEIVE_SLOT + VNIC_RECEIVE_HEADROOM for place in range(count)]
    for at in places:
        memory[at : at + 12] = MAC + PEER
    addresses = [base + place for place in places]
    assert NICAllFor(own, memory, base, addresses)
    assert not NICAllFor(own ^ 1 << 47, memory, base, addresses)
    assert not NICAllFor(NIC_NOBODY, memory, base, addresses)
    for at in places:
        for byte in range(6):
            memory[at + byte] ^= 1
            assert not NICAllFor(own, memory, base, addresses)
            memory[at + byte] ^= 1
    addresses[3], addresses[4] = addresses[4], addresses[3]
    assert not NICAllFor(own, memory, base, addresses)
    assert not NICAllFor(own, memory, base, addresses[::-1])


@pytest.mark.parametrize("other", [0, 7, 39])
def test_one_frame_for_somebody_else_is_filtered_out_of_many(rig: Rig, other: int) -> None:
    for turn in range(20):  # the ring begins anew in the middle of a batch
        numbers = range(40 * turn, 40 * turn + 40)
        sent = rig.receive(
            *(frame(PEER if number % 40 == other else MAC, payload=number.to_bytes(4, "big")) for number in numbers)
        )
        wanted = [number.to_bytes(4, "big") for number in numbers if number % 40 != other]
        assert [answer[14:18] for answer in sent] == wanted
    rig.stop()


def test_link_changes_are_indicated(rig: Rig) -> None:
    rig.nic.vnic.set_link(False)
    rig.settle()
    assert rig.adapter().media_connect_state == 2
    rig.nic.vnic.set_link(True, 2500)
    rig.settle()
    assert (rig.adapter().media_connect_state, rig.adapter().transmit_speed) == (1, 2_500_000_000)
    assert sum("40010017" in text for text in rig.logs()) == 2


def test_surprise_removal_with_sends_on_their_way(rig: Rig) -> None:
    rig.nic.blocked = True
    rig.receive(*(frame() for _ in range(600)))
    rig.nic.vnic.remove()
    assert rig.control(pnp.surprise_remove) == 0
    assert pnp.find_adapter(rig.pnp, 0) is None
    assert rig.control(lambda context, _: pnp.unload(context)) == 0


def test_a_removed_adapter_does_not_keep_its_processor_busy(rig: Rig) -> None:
    rig.nic.vnic.remove()
    rig.settle(limit=20)
    assert rig.control(pnp.surprise_remove) == 0


def test_without_memory_initialization_fails_and_leaves_nothing() -> None:
    made = Rig("netvmini", "hello", frame_slots=100)
    before = made.fake.machine.pool.state.blocks
    assert made.control(pnp.start_adapter) == status.NDIS_STATUS_RESOURCES
    assert pnp.find_adapter(made.pnp, 0) is None
    assert made.fake.machine.pool.state.blocks == before
    (told,) = [text for text in made.logs("ndis") if "shared memory" in text]
    assert told.endswith("of 100 frame_slots are free; a larger frame_slots in [machine] makes room")


def test_the_registry_gives_another_address() -> None:
    made = Rig("netvmini", "hello", registry={"NetworkAddress": "02-00-00-00-00-77"})
    made.start()
    own = bytes.fromhex("020000000077")
    assert made.receive(frame(own), frame()) == [frame(PEER, own)]
    assert made.oid(QUERY, oids.OID_802_3_PERMANENT_ADDRESS, bytes(6))[1] == MAC


def test_two_adapters_on_two_processors() -> None:
    made = Rig("netvmini", "hello", adapters=2, processors=2, passive_workers=2)
    made.start(0)
    made.start(1)
    for number in (0, 1):
        own = MAC[:-1] + bytes((number + 1,))
        frames = [frame(own, payload=place.to_bytes(4, "big")) for place in range(200)]
        assert len(made.receive(*frames, number=number)) == 200
    made.stop(0)
    assert len(made.receive(frame(MAC[:-1] + b"\x02"), number=1)) == 1
    made.stop(1)


def test_the_free_build_does_the_same() -> None:
    made = Rig("netvmini", "hello", checked=False)
    made.start()
    assert len(made.receive(*(frame() for _ in range(300)))) == 300
    made.stop()


def test_waiting_sends_are_cancelled_by_their_id(rig: Rig) -> None:
    from emulator.kernel.pointers import decode
    from emulator.layout.handles import HandleKind
    from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER, NET_BUFFER_LIST_POOL_PARAMETERS

    rig.nic.blocked = True
    rig.receive(*(frame() for _ in range(448)))
    binding = rig.fake.machine.objects[HandleKind.BINDING].find(rig.binding(), HandleKind.BINDING)
    context = rig.processors[0]
    with rig.fake.running(context, 2, driver=binding.head.driver):
        parameters = NET_BUFFER_LIST_POOL_PARAMETERS(
            Header=NDIS_OBJECT_HEADER(0x80, 1, 16), fAllocateNetBuffer=True, PoolTag=0x74736554, DataSize=100
        )
        pool = surface.NdisAllocateNetBufferListPool(None, parameters)
        assert pool is not None
        decode(context, binding.context).References += 200
        for number in range(200):
            nbl = surface.NdisAllocateNetBufferList(pool, 0, 0)
            assert nbl is not None
            assert nbl.FirstNetBuffer is not None
            nbl.SourceHandle = rig.binding()
            nbl.FirstNetBuffer.DataLength = 60
            data = surface.NdisGetDataBuffer(nbl.FirstNetBuffer, 60, None, 1, 0)
            assert data is not None
            data[:] = frame(NOBODY, payload=number.to_bytes(4, "big"))
            surface.NDIS_SET_NET_BUFFER_LIST_CANCEL_ID(nbl, 5 + number % 2)
            surface.NdisSendNetBufferLists(surface.BindingHandle(rig.binding()), nbl, 0, 1)
        before = rig.outstanding()
        surface.NdisCancelSendNetBufferLists(surface.BindingHandle(rig.binding()), 5)
        # 64 of the 200 found room in the ring; of the 136 that wait every second one has the id.
        assert before - rig.outstanding() == 68
    rig.nic.blocked = False
    rig.settle()
    mine = [int.from_bytes(sent[14:18], "big") for sent in rig.nic.sent if sent[:6] == NOBODY]
    assert mine == [number for number in range(200) if number < 64 or number % 2]
    assert rig.outstanding() == 0
    with rig.fake.running(rig.pnp, driver=binding.head.driver):
        surface.NdisFreeNetBufferListPool(pool)


def test_sends_are_cancelled_where_none_waits(rig: Rig) -> None:
    with rig.fake.running(rig.processors[0], 2):
        surface.NdisCancelSendNetBufferLists(surface.BindingHandle(rig.binding()), 5)
    assert len(rig.receive(frame())) == 1


def test_a_send_of_nothing_but_a_frame_that_is_too_short_is_refused(rig: Rig) -> None:
    from emulator.kernel.pointers import decode
    from emulator.layout.handles import HandleKind
    from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER, NET_BUFFER_LIST_POOL_PARAMETERS

    binding = rig.fake.machine.objects[HandleKind.BINDING].find(rig.binding(), HandleKind.BINDING)
    with rig.fake.running(rig.processors[0], 2, driver=binding.head.driver):
        parameters = NET_BUFFER_LIST_POOL_PARAMETERS(
            Header=NDIS_OBJECT_HEADER(0x80, 1, 16), fAllocateNetBuffer=True, PoolTag=0x74736554, DataSize=100
        )
        pool = surface.NdisAllocateNetBufferListPool(None, parameters)
        assert pool is not None
        nbl = surface.NdisAllocateNetBufferList(pool, 0, 0)
        assert nbl is not None
        assert nbl.FirstNetBuffer is not None
        decode(rig.processors[0], binding.context).References += 1
        nbl.SourceHandle = rig.binding()
        nbl.FirstNetBuffer.DataLength = 5
        surface.NdisSendNetBufferLists(surface.BindingHandle(rig.binding()), nbl, 0, 1)
    assert rig.outstanding() == 0
    assert rig.queue_of().Out.Discards == 1
    with rig.fake.running(rig.pnp, driver=binding.head.driver):
        surface.NdisFreeNetBufferListPool(pool)


def test_a_dpc_is_queued_once_to_each_processor_whoever_asks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig("netvmini", "hello", processors=2)
    rig.start()
    interrupt = rig.fake.machine.objects[HandleKind.INTERRUPT].records[rig.context_of().Interrupt & 0xFFFF]
    exchange = rig.fake.platform.exchange

    def other_processor_first(cell: Any, value: int) -> int:
        interrupt.dpc_queued[0].value = 0  # processor 0 begins its DPC between the look and the store
        return exchange(cell, value)

    monkeypatch.setattr(rig.fake.platform, "exchange", other_processor_first)
    with rig.fake.running(rig.processors[1]), rig.fake.dispatch(driver=1):
        interrupt.dpc_queued[0].value = 1
        assert surface.NdisMQueueDpc(rig.context_of().Interrupt, 0, 2, None) == 2
        assert surface.NdisMQueueDpc(rig.context_of().Interrupt, 0, 2, None) == 0
    assert [cell.value for cell in interrupt.dpc_queued[:3]] == [0, 1, 0]


def test_an_isr_that_returns_nothing_is_the_drivers_fault(rig: Rig) -> None:
    routines = rig.processors[0].routines
    number = next(place for place, each in enumerate(routines) if each is not None and each.__name__ == "MPIsr")
    routines[number] = lambda adapter: None
    compile_lines(rig.processors[0])  # they were compiled with the other one
    with pytest.raises(BugCheck, match="VNIC_NO_STATUS"):
        rig.receive(frame())
    report = rig.fake.stop_report()
    assert "MPIsr returned None; it must return an IsrResult" in report.text


def test_a_frame_comes_while_the_adapter_is_still_being_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lists that MPInitializeEx stored, and looked at again, were the PnP thread's until the start had ended."""
    rig = Rig("netvmini", "hello")
    restart_filters = filter_pnp.restart_filters

    def while_frames_come(context: Context, handle: int, adapter: Any) -> int:
        rig.nic.waiting.append(frame())
        assert rig.nic.pump()
        rig.fake._step(rig.processors[0])
        return restart_filters(context, handle, adapter)

    monkeypatch.setattr(filter_pnp, "restart_filters", while_frames_come)
    rig.start()
    assert rig.nic.waiting == []
    assert rig.receive(frame()) != []
    assert rig.outstanding() == 0


def test_hardware_that_takes_nothing_is_reset_and_the_reset_ends_when_it_does(rig: Rig) -> None:
    platform, requests = rig.fake.platform, rig.fake.context(ContextKind.REQUESTS)

    def look() -> bool:
        platform.advance(9_000_000_000)
        with rig.fake.running(requests) as context:
            pnp_reset.check_for_hang(context, rig.adapter(), platform.now())
            return pnp_reset.serve(context)

    rig.nic.blocked = True
    rig.receive(*(frame() for _ in range(448)))
    assert [look() for _ in range(3)] == [False, False, True]  # the first look sets the clock
    assert rig.adapter().reset_state == pnp_reset.PENDING
    assert rig.receive(frame()) == []
    assert not look()
    rig.nic.blocked = False
    for _ in range(3):
        platform.advance(2_000_000)
        rig.settle()
    with rig.fake.running(requests) as context:
        assert pnp_reset.serve(context)
    assert rig.adapter().reset_state == pnp_reset.NONE
    assert rig.outstanding() == 0
    assert len(rig.receive(frame())) == 1


def test_no_more_is_indicated_at_once_than_ndis_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    chains: list[int] = []
    indicate = surface.NdisMIndicateReceiveNetBufferLists

    def counted(handle: Any, nbl: Any, port: int, count: int, flags: int) -> None:
        chains.append(count)
        indicate(handle, nbl, port, count, flags)

    rig = Rig("netvmini", "hello", receive_throttle=4)
    rig.start()
    included = rig.fake.machine.images.images[0].module.NICServe.__globals__
    monkeypatch.setitem(included, "NdisMIndicateReceiveNetBufferLists", counted)
    assert len(rig.receive(*[frame()] * 10)) == 10
    assert chains == [4, 4, 2]
