"""netvmini with several queues: what it can, what it is asked for, and where frames go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.ndis.buffers import macros
from emulator.ndis.headers import oids, status
from emulator.ndis.headers import receive_scale_structures as rss
from emulator.ndis.headers.object_header import NDIS_OBJECT_TYPE_RSS_PARAMETERS
from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER
from emulator.ndis.plug_and_play import pnp
from tests.drivers.rig import MAC, PEER, Rig, frame
from tests.scenarios import scaling
from tests.scenarios.scaling import KEY, parameters
from vnic.device.toeplitz import FrameHash

if TYPE_CHECKING:
    pass

QUERY, SET = 0, 1
IPV4, TOEPLITZ = rss.NDIS_HASH_IPV4 | rss.NDIS_HASH_UDP_IPV4, rss.NdisHashFunctionToeplitz


def ask(rig: Rig, data: bytes) -> int:
    """The status of a set."""
    return rig.oid(SET, oids.OID_GEN_RECEIVE_SCALE_PARAMETERS, data)[0]


def datagram(flow: int, number: int) -> bytes:
    """A frame of a flow to the adapter."""
    return scaling.datagram(MAC, PEER, flow, number)


def scaled(processors: int = 2, queues: int = 2, messages: int | None = None, **options: Any) -> Rig:
    """A started adapter of several queues."""
    count = queues if messages is None else messages
    made = Rig("netvmini", "hello", processors=processors, queues=queues, messages=count, **options)
    made.start()
    return made


def in_order(sent: list[bytes], flows: int, numbers: int) -> bool:
    """Is every flow complete, and in order?"""
    return scaling.in_order(map(scaling.answer, sent), flows, numbers)


def flow_of(sent: bytes) -> tuple[int, int]:
    """The flow and the number of an answer."""
    return scaling.answer(sent)[:2]


def test_flows_are_spread_and_come_back_by_the_queue_of_their_processor() -> None:
    rig = scaled(4, 4)
    assert ask(rig, parameters((0, 1, 2, 3))) == 0
    answers = rig.receive(*(datagram(flow, number) for number in range(20) for flow in range(16)))
    assert in_order(answers, 16, 20)
    by_queue = dict(zip(map(flow_of, answers), rig.nic.carried, strict=True))
    for flow in range(16):
        assert {by_queue[flow, number] for number in range(20)} == {rig.nic.queue_for(datagram(flow, 0))}
    assert set(by_queue.values()) == {0, 1, 2, 3}
    assert rig.outstanding() == 0
    rig.stop()


def test_until_scaling_is_turned_on_and_when_it_is_off_all_comes_and_goes_by_the_first_queue() -> None:
    rig = scaled()
    frames = [datagram(flow, 0) for flow in range(16)]
    assert len(rig.receive(*frames)) == 16
    assert set(rig.nic.carried) == {0}
    assert ask(rig, parameters()) == 0
    rig.receive(*frames)
    assert set(rig.nic.carried) == {0, 1}
    for off in (parameters(flags=rss.NDIS_RSS_PARAM_FLAG_DISABLE_RSS), parameters(information=0)):
        assert ask(rig, parameters()) == 0
        assert ask(rig, off) == 0
        rig.nic.carried.clear()
        assert len(rig.receive(*frames)) == 16
        assert set(rig.nic.carried) == {0}


def test_a_received_list_has_its_hash_and_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = scaled()
    told: dict[bytes, tuple[int, int, int]] = {}
    included = rig.fake.machine.images.images[0].module.NICServe.__globals__
    indicate = included["NdisMIndicateReceiveNetBufferLists"]

    def look(handle: Any, nbl: Any, *rest: Any) -> None:
        chain = nbl
        while chain is not None:
            mdl, at = chain.FirstNetBuffer.CurrentMdl, chain.FirstNetBuffer.CurrentMdlOffset
            told[bytes(mdl.MappedSystemVa[at + 12 : at + 36])] = (
                macros.NET_BUFFER_LIST_GET_HASH_VALUE(chain),
                macros.NET_BUFFER_LIST_GET_HASH_TYPE(chain),
                macros.NET_BUFFER_LIST_GET_HASH_FUNCTION(chain),
            )
            chain = chain.Next
        indicate(handle, nbl, *rest)

    monkeypatch.setitem(included, "NdisMIndicateReceiveNetBufferLists", look)
    assert ask(rig, parameters()) == 0
    hashes = FrameHash(IPV4 | TOEPLITZ, KEY)
    frames = [datagram(flow, 0) for flow in range(4)]
    rig.receive(*frames, frame())
    for each in frames:
        assert told[each[12:36]] == (hashes(memoryview(each), 60)[0], rss.NDIS_HASH_UDP_IPV4, TOEPLITZ)
    assert told[frame()[12:36]] == (0, 0, 0)
    # The same lists without hashes: nothing of the last ones is left.
    assert ask(rig, parameters(flags=rss.NDIS_RSS_PARAM_FLAG_DISABLE_RSS)) == 0
    told.clear()
    for _ in range(300):
        rig.receive(*frames)
    assert set(told.values()) == {(0, 0, 0)}


@pytest.mark.parametrize(
    "wrong",
    [
        parameters((0, 1, 0)),
        parameters((0, 2)),
        parameters(()),
        parameters((0, 1) * 128),
        parameters(information=TOEPLITZ),
        parameters(information=IPV4 | 2),
        parameters(information=0x100000 | TOEPLITZ),
        parameters(key=b""),
        parameters(key=bytes(41)),
        parameters()[:-1],
        parameters(flags=rss.NDIS_RSS_PARAM_FLAG_HASH_KEY_UNCHANGED),
        parameters(flags=rss.NDIS_RSS_PARAM_FLAG_ITABLE_UNCHANGED),
        parameters(information=0x0100_0000 | IPV4 | TOEPLITZ),
        b"\x88" + parameters()[1:],
        parameters()[:1] + b"\4" + parameters()[2:],
        parameters()[:2] + b"\x27" + parameters()[3:],
        parameters()[:16] + b"\x20" + parameters()[17:],
    ],
)
def test_parameters_that_make_no_sense_are_refused(wrong: bytes) -> None:
    rig = scaled()
    assert ask(rig, wrong) == status.NDIS_STATUS_INVALID_PARAMETER
    assert len(rig.receive(datagram(1, 0), datagram(2, 0))) == 2
    assert rig.nic.vnic.scaling.information == 0


def test_parameters_that_end_too_early_are_refused() -> None:
    assert ask(scaled(), parameters()[:39]) == status.NDIS_STATUS_INVALID_LENGTH


def test_what_is_unchanged_is_kept() -> None:
    rig = scaled(4, 4)
    assert ask(rig, parameters((0, 1, 2, 3))) == 0
    rig.settle()
    first = rig.nic.vnic.scaling
    unchanged = rss.NDIS_RSS_PARAM_FLAG_HASH_INFO_UNCHANGED | rss.NDIS_RSS_PARAM_FLAG_HASH_KEY_UNCHANGED
    assert ask(rig, parameters((3, 3), flags=unchanged, information=0, key=b"")) == 0
    rig.settle()
    second = rig.nic.vnic.scaling
    assert (second.information, second.key, second.table) == (first.information, first.key, bytes((3, 3)))
    assert ask(rig, parameters((), flags=rss.NDIS_RSS_PARAM_FLAG_ITABLE_UNCHANGED, key=KEY[::-1])) == 0
    rig.settle()
    assert rig.nic.vnic.scaling[1:] == (first.information, KEY[::-1], bytes((3, 3)))


def test_a_table_of_the_first_revision_has_a_byte_for_each_processor() -> None:
    rig = scaled()
    given = rss.NDIS_RECEIVE_SCALE_PARAMETERS(
        Header=NDIS_OBJECT_HEADER(NDIS_OBJECT_TYPE_RSS_PARAMETERS, 1, 28),
        HashInformation=IPV4 | TOEPLITZ,
        IndirectionTableSize=4,
        IndirectionTableOffset=28,
        HashSecretKeySize=40,
        HashSecretKeyOffset=32,
    )
    assert ask(rig, given.to_bytes() + bytes((1, 1, 0, 1)) + KEY) == 0
    rig.settle()
    assert rig.nic.vnic.scaling.table == bytes((1, 1, 0, 1))


@pytest.mark.parametrize(
    ("registry", "processors", "messages", "count"),
    [
        ({}, 4, 4, 4),
        ({"*RSS": 0}, 4, 4, 1),
        ({"*NumRssQueues": 2}, 4, 4, 2),
        ({"*NumRssQueues": 0}, 4, 4, 1),
        ({}, 2, 4, 2),
        ({}, 4, 3, 3),
        ({}, 4, 1, 1),
        ({}, 4, 0, 1),
    ],
)
def test_there_are_as_many_queues_as_everybody_can(
    registry: dict[str, int], processors: int, messages: int, count: int
) -> None:
    rig = scaled(processors, 4, messages, registry=registry)
    assert rig.context_of().QueueCount == count
    assert any(f"{count} of 4 queues: {messages} messages" in text for text in rig.logs()) == (count < 4)
    known = rig.oid(QUERY, oids.OID_GEN_RECEIVE_SCALE_CAPABILITIES, bytes(18))
    if count == 1:
        assert known[0] == status.NDIS_STATUS_NOT_SUPPORTED
        assert ask(rig, parameters()) == status.NDIS_STATUS_NOT_SUPPORTED
    else:
        able = rss.NDIS_RECEIVE_SCALE_CAPABILITIES.from_bytes(known[1])
        assert (known[0], able.NumberOfReceiveQueues, able.NumberOfInterruptMessages) == (0, count, messages)
        assert able.NumberOfIndirectionTableEntries == 128
        assert ask(rig, parameters()) == 0
    frames = [datagram(flow, number) for number in range(10) for flow in range(8)]
    assert in_order(rig.receive(*frames), 8, 10)
    rig.stop()


def test_a_pause_a_restart_and_a_new_start_with_several_queues() -> None:
    rig = scaled()
    assert ask(rig, parameters()) == 0
    frames = [datagram(flow, 0) for flow in range(16)]
    rig.nic.blocked = True
    rig.receive(*frames)
    assert rig.outstanding() == 32

    def unblock() -> None:
        rig.nic.blocked = False

    rig.before_sleep = unblock
    assert rig.control(pnp.pause) == 0
    assert rig.receive(*frames) == []
    assert rig.control(pnp.restart) == 0
    rig.nic.carried.clear()
    assert len(rig.receive(*frames)) == 16
    assert set(rig.nic.carried) == {0, 1}
    rig.stop()
    rig.start()
    rig.nic.carried.clear()
    assert len(rig.receive(*frames)) == 16
    assert set(rig.nic.carried) == {0}


def test_a_full_ring_of_one_queue_does_not_stop_another_and_removal_completes_both() -> None:
    rig = scaled()
    assert ask(rig, parameters()) == 0
    rig.settle()
    flows = {rig.nic.queue_for(datagram(flow, 0)): flow for flow in range(16)}
    rig.nic.blocked = True
    rig.receive(*(datagram(flows[0], number) for number in range(500)), datagram(flows[1], 0))
    assert rig.outstanding() > 512
    assert rig.queue_of(0, 1).TransmitPut == 1
    rig.nic.vnic.remove()
    assert rig.control(pnp.surprise_remove) == 0
    assert pnp.find_adapter(rig.pnp, 0) is None


def test_lists_of_two_queues_come_back_in_one_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    # A second processor that only the driver sees, so in the free build: the checked one knows how many there are.
    rig = Rig("netvmini", "hello", queues=2, messages=2, checked=False)
    module = rig.fake.machine.images.images[0].module
    scaling = module.NICCountQueues.__globals__
    monkeypatch.setitem(scaling, "NdisGroupActiveProcessorCount", lambda group: 2)
    rig.start()
    with rig.fake.running(rig.pnp, driver=1):
        # NDIS would not take the driver's word for a second processor.
        assert module.NICSetScaling(rig.context_of(), parameters()) == 0
    kept: list[Any] = []

    def keep(handle: Any, nbl: Any, *rest: Any) -> None:
        while nbl is not None:
            kept.append(nbl)
            nbl.Next, nbl = None, nbl.Next

    with monkeypatch.context() as patch:
        patch.setitem(module.NICServe.__globals__, "NdisMIndicateReceiveNetBufferLists", keep)
        rig.receive(*(datagram(flow, 0) for flow in range(16)))
    before = [rig.queue_of(0, number).BuffersPosted for number in (0, 1)]
    adapter = rig.context_of()
    with rig.fake.running(rig.processors[0], 2, driver=1):
        for nbl, following in zip(kept, [*kept[1:], None], strict=True):
            nbl.Next = following
        module.MPReturnNetBufferLists(adapter, kept[0], 1)
    back = [rig.queue_of(0, number).BuffersPosted - before[number] for number in (0, 1)]
    assert len(kept) == sum(back) == 16
    assert all(back)
    assert in_order(rig.receive(*(datagram(flow, number) for number in range(100) for flow in range(16))), 16, 100)


def test_tables_change_in_the_middle_of_traffic() -> None:
    rig = scaled(4, 4)
    tables = [(0, 1, 2, 3), (3, 2, 1, 0), (1, 1), (2,), (0, 3) * 64]
    answers: list[bytes] = []
    for turn in range(10):
        rig.nic.waiting.extend(datagram(flow, turn * 30 + number) for number in range(30) for flow in range(16))
        rig.nic.pump()
        for processor in range(turn % 4):
            rig.fake._step(rig.processors[processor])
        assert ask(rig, parameters(tables[turn % 5])) == 0
        rig.settle()
    answers = rig.nic.sent
    assert len(answers) == 10 * 30 * 16
    assert in_order(answers, 16, 300)
    assert rig.outstanding() == 0


def test_a_table_waits_for_answers_that_wait_for_room() -> None:
    rig = scaled()
    assert ask(rig, parameters((0, 0))) == 0
    rig.settle()
    rig.nic.blocked = True
    rig.receive(*(datagram(1, number) for number in range(700)))
    assert rig.queue_of().SendsWait
    assert ask(rig, parameters((1, 1))) == 0
    rig.receive(*(datagram(1, number) for number in range(700, 1000)))
    assert rig.nic.vnic.scaling.table == bytes((0, 0))
    rig.nic.blocked = False
    rig.settle()
    assert rig.nic.vnic.scaling.table == bytes((1, 1))
    assert [flow_of(sent)[1] for sent in rig.nic.sent] == list(range(1000))
    assert set(rig.nic.carried[700:]) == {1}
    assert set(rig.nic.carried[:700]) == {0}
    rig.stop()


@pytest.mark.parametrize("checked", [True, False])
def test_of_a_chain_a_part_may_wait_while_others_are_sent_behind_it(checked: bool) -> None:
    rig = scaled(checked=checked)
    assert ask(rig, parameters((0, 0))) == 0
    rig.settle()
    rig.context_of().Budget = 100  # which 512 descriptors are no multiple of
    rig.nic.blocked = True
    for first in range(0, 1000, 100):
        rig.receive(*(datagram(1, number) for number in range(first, first + 100)))
    assert rig.queue_of().SendsWait
    rig.nic.blocked = False
    rig.settle()
    assert not rig.queue_of().SendsWait
    assert [flow_of(sent)[1] for sent in rig.nic.sent] == list(range(len(rig.nic.sent)))
    assert len(rig.nic.sent) == 1000
    rig.stop()


@pytest.mark.parametrize("checked", [True, False])
def test_both_builds_do_the_same(checked: bool) -> None:
    rig = scaled(checked=checked)
    assert ask(rig, parameters()) == 0
    assert len(rig.receive(*(datagram(flow, 0) for flow in range(300)))) == 300
    rig.stop()


def test_responder_turns_scaling_on_over_all_processors() -> None:
    registry = {"Address": "10.77.0.1/24"}
    rig = Rig("netvmini", "responder", processors=4, queues=2, messages=2, registry=registry)
    rig.start()
    found = rig.nic.vnic.scaling
    assert found.information == IPV4 | TOEPLITZ | 0x400 | 0x200 | 0x1000 | 0x8000
    assert (len(found.table), set(found.table)) == (128, {0, 1})
    assert [found.table[place : place + 4] for place in (0, 4)] == [bytes((0, 1, 0, 1))] * 2
    rig.stop()
    alone = Rig("netvmini", "responder", processors=4, registry=registry)
    alone.start()
    assert alone.nic.vnic.scaling.information == 0
