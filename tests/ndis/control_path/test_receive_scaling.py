"""Receive side scaling: what a miniport must refuse, what NDIS remembers of a set, and how it tells."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.layout.handles import HandleKind
from emulator.ndis.control_path import host_requests
from emulator.ndis.control_path.receive_scaling import (
    Scaling,
    after,
    capabilities_fault,
    hash_parameters_fault,
    parameters_fault,
    read,
    revision_of,
    translated,
    types_of,
    write,
)
from emulator.ndis.control_path.remembered import forget_all, remember
from emulator.ndis.headers import receive_scale_structures as rss
from emulator.ndis.headers.object_header import NDIS_OBJECT_TYPE_DEFAULT, NDIS_OBJECT_TYPE_RSS_CAPABILITIES
from emulator.ndis.headers.oids import (
    OID_GEN_RECEIVE_HASH,
    OID_GEN_RECEIVE_SCALE_CAPABILITIES,
    OID_GEN_RECEIVE_SCALE_PARAMETERS,
)
from emulator.ndis.headers.processor_numbers import GROUP_AFFINITY, PROCESSOR_NUMBER
from emulator.ndis.headers.receive_scale_structures import (
    NDIS_RECEIVE_HASH_PARAMETERS,
    NDIS_RECEIVE_SCALE_CAPABILITIES,
    NDIS_RECEIVE_SCALE_PARAMETERS,
)
from emulator.ndis.headers.status import NDIS_STATUS_INVALID_DATA, NDIS_STATUS_NOT_SUPPORTED, NDIS_STATUS_SUCCESS
from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER
from emulator.ndis.plug_and_play import pnp
from emulator.ndis.plug_and_play.pnp_structures import bind_parameters
from emulator.rules.errors import BugCheck
from tests.bad_drivers.computer import Computer, Operation
from tests.ndis.control_path.test_oid_answers import QUERY, SET, AskingStack
from tests.ndis.small_stack import MINI, PROTO

TYPES = rss.NDIS_HASH_IPV4 | rss.NDIS_HASH_TCP_IPV4
INFORMATION = rss.NDIS_HASH_TCP_IPV4 | rss.NdisHashFunctionToeplitz
KEY = bytes(range(40))
BOTH = tuple(PROCESSOR_NUMBER(0, place & 1) for place in range(4))
GOOD = Scaling(INFORMATION, BOTH, KEY, (GROUP_AFFINITY(0b11),), PROCESSOR_NUMBER(0, 1))
UNCHANGED = (
    rss.NDIS_RSS_PARAM_FLAG_HASH_INFO_UNCHANGED
    | rss.NDIS_RSS_PARAM_FLAG_ITABLE_UNCHANGED
    | rss.NDIS_RSS_PARAM_FLAG_HASH_KEY_UNCHANGED
    | rss.NDIS_RSS_PARAM_FLAG_DEFAULT_PROCESSOR_UNCHANGED
)


def changed(member: str, value: int, data: bytes = b"") -> bytes:
    """A good set with another value of one member."""
    data = data or write(GOOD)
    given = NDIS_RECEIVE_SCALE_PARAMETERS.from_bytes(data)
    setattr(given, member, value)
    size = given.Header.Size
    return given.to_bytes() + data[size:]


def capabilities(**members: int) -> bytes:
    flags = rss.NdisHashFunctionToeplitz | rss.NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV4
    given: dict[str, Any] = {"CapabilitiesFlags": flags, "NumberOfIndirectionTableEntries": 128, **members}
    header = NDIS_OBJECT_HEADER(NDIS_OBJECT_TYPE_RSS_CAPABILITIES, 2, 18)
    return NDIS_RECEIVE_SCALE_CAPABILITIES(Header=header, **given).to_bytes()


@pytest.mark.parametrize("revision", [1, 2, 3])
def test_what_is_written_is_read(revision: int) -> None:
    data = write(GOOD, revision)
    assert parameters_fault(data, TYPES, 2) is None
    found = read(data)
    assert found[:3] == GOOD[:3]
    assert found.masks == (GOOD.masks if revision > 1 else ())
    assert found.default == PROCESSOR_NUMBER(0, 1 if revision > 2 else 0)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x89\3", "2 bytes are no"),
        (write(GOOD)[:43], "less than"),
        (b"\x88" + write(GOOD)[1:], "Header.Type"),
        (changed("HashInformation", INFORMATION | 2), "hash function 0x3"),
        (changed("HashInformation", rss.NdisHashFunctionToeplitz), "names no type"),
        (changed("HashInformation", INFORMATION | rss.NDIS_HASH_IPV6), "types 0x400"),
        (changed("IndirectionTableSize", 12), "power of 2"),
        (changed("IndirectionTableSize", 0), "power of 2"),
        (changed("IndirectionTableSize", 6), "power of 2"),
        (write(GOOD._replace(table=BOTH * 64)), "power of 2"),
        (changed("IndirectionTableOffset", 43), "not in the buffer"),
        (changed("IndirectionTableOffset", 200), "not in the buffer"),
        (changed("HashSecretKeySize", 41), "up to 40 bytes"),
        (changed("HashSecretKeySize", 0), "up to 40 bytes"),
        (changed("HashSecretKeyOffset", 77), "not in the buffer"),
        (write(GOOD._replace(table=(PROCESSOR_NUMBER(0, 2),))), "processor 2 of group 0"),
        (write(GOOD._replace(table=(PROCESSOR_NUMBER(1, 0),))), "processor 0 of group 1"),
        (write(GOOD._replace(table=(PROCESSOR_NUMBER(0, 2),)), 1), "processor 2 of group 0"),
    ],
)
def test_a_set_that_no_miniport_may_accept(data: bytes, words: str) -> None:
    fault = parameters_fault(data, TYPES, 2)
    assert fault is not None
    assert words in fault
    assert after(None, data, 2) is None or "types 0x" in words


@pytest.mark.parametrize(
    ("member", "value"),
    [("NumberOfProcessorMasks", 2), ("ProcessorMasksEntrySize", 8), ("ProcessorMasksOffset", 1 << 31)],
)
def test_masks_that_are_not_there_are_none(member: str, value: int) -> None:
    data = changed(member, value)
    assert parameters_fault(data, TYPES, 2) is None
    assert read(data) == GOOD._replace(masks=())


def test_the_largest_table_and_what_is_unchanged_have_no_fault() -> None:
    assert parameters_fault(write(GOOD._replace(table=BOTH * 32)), TYPES, 2) is None
    assert parameters_fault(write(Scaling(), 3, UNCHANGED), 0, 1) is None
    assert parameters_fault(write(Scaling(0, BOTH[:3])), 0, 1) is None
    assert parameters_fault(write(Scaling(1, BOTH[:3]), 3, rss.NDIS_RSS_PARAM_FLAG_DISABLE_RSS), 0, 1) is None
    without_table = write(Scaling(), 3, rss.NDIS_RSS_PARAM_FLAG_HASH_INFO_UNCHANGED)
    assert parameters_fault(without_table, TYPES, 1, scaled=False) is None
    assert parameters_fault(without_table, TYPES, 1) is not None


@pytest.mark.parametrize(
    ("given", "flags", "found"),
    [
        (Scaling(), UNCHANGED, GOOD),
        (Scaling(), UNCHANGED | rss.NDIS_RSS_PARAM_FLAG_DISABLE_RSS, GOOD._replace(information=0)),
        (Scaling(rss.NDIS_HASH_IPV4), 0, GOOD._replace(information=0)),
        (Scaling(0x101), UNCHANGED & ~rss.NDIS_RSS_PARAM_FLAG_HASH_INFO_UNCHANGED, GOOD._replace(information=0x101)),
        (
            Scaling(0x101, BOTH[:2]),
            UNCHANGED & ~rss.NDIS_RSS_PARAM_FLAG_ITABLE_UNCHANGED,
            GOOD._replace(table=BOTH[:2], masks=()),
        ),
        (Scaling(key=bytes(40)), UNCHANGED & ~rss.NDIS_RSS_PARAM_FLAG_HASH_KEY_UNCHANGED, GOOD._replace(key=bytes(40))),
        (
            Scaling(default=PROCESSOR_NUMBER(0, 0)),
            UNCHANGED & ~rss.NDIS_RSS_PARAM_FLAG_DEFAULT_PROCESSOR_UNCHANGED,
            GOOD._replace(default=PROCESSOR_NUMBER(0, 0)),
        ),
    ],
)
def test_a_set_changes_what_it_does_not_call_unchanged(given: Scaling, flags: int, found: Scaling) -> None:
    now = after(write(GOOD), write(given, 3, flags), 2)
    assert now is not None
    assert read(now) == found
    assert NDIS_RECEIVE_SCALE_PARAMETERS.from_bytes(now).Flags == 0


def test_a_revision_without_a_default_processor_leaves_it() -> None:
    now = after(write(GOOD), write(GOOD._replace(table=BOTH[:1]), 2), 2)
    assert now is not None
    assert read(now) == GOOD._replace(table=BOTH[:1])


@pytest.mark.parametrize(("version", "revision"), [(0, 1), (1, 1), (20, 2), (51, 2), (60, 3), (87, 3)])
def test_the_revision_of_a_driver(version: int, revision: int) -> None:
    assert revision_of(version) == revision


def test_a_table_is_translated_between_bytes_and_processor_numbers() -> None:
    old = write(GOOD, 1, rss.NDIS_RSS_PARAM_FLAG_BASE_CPU_UNCHANGED)
    new = translated(old, 2)
    assert new is not None
    structure = NDIS_RECEIVE_SCALE_PARAMETERS.from_bytes(new)
    assert (structure.Header.Revision, structure.IndirectionTableSize, structure.Flags) == (2, 16, 1)
    assert read(new).table == BOTH
    assert translated(write(GOOD), 1) == write(GOOD, 1)
    for data, revision in ((old, 1), (write(GOOD), 2), (changed("IndirectionTableSize", 3, old), 2), (b"", 2)):
        assert translated(data, revision) is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (capabilities(), None),
        (capabilities(CapabilitiesFlags=rss.NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV4), "Toeplitz"),
        (capabilities(NumberOfIndirectionTableEntries=96), "96"),
        (capabilities(NumberOfIndirectionTableEntries=0), "0"),
        (capabilities()[:17], "less than"),
        (b"\x89" + capabilities()[1:], "Header.Type"),
    ],
)
def test_capabilities(data: bytes, words: str | None) -> None:
    fault = capabilities_fault(data)
    assert fault is None if words is None else fault is not None and words in fault


def test_hash_types_go_with_capabilities() -> None:
    assert types_of(None) == 0
    assert types_of(capabilities()) == TYPES
    flags = rss.NDIS_RSS_CAPS_HASH_TYPE_UDP_IPV6_EX | rss.NDIS_RSS_CAPS_HASH_TYPE_TCP_IPV6
    found = rss.NDIS_HASH_UDP_IPV6_EX | rss.NDIS_HASH_IPV6_EX | rss.NDIS_HASH_TCP_IPV6 | rss.NDIS_HASH_IPV6
    assert types_of(capabilities(CapabilitiesFlags=flags)) == found


def hashing(flags: int = rss.NDIS_RECEIVE_HASH_FLAG_ENABLE_HASH, **members: int) -> bytes:
    given: dict[str, Any] = {
        "Flags": flags,
        "HashInformation": INFORMATION,
        "HashSecretKeySize": 40,
        "HashSecretKeyOffset": 20,
        **members,
    }
    header = NDIS_OBJECT_HEADER(NDIS_OBJECT_TYPE_DEFAULT, 1, 20)
    return NDIS_RECEIVE_HASH_PARAMETERS(Header=header, **given).to_bytes() + KEY


def test_parameters_of_hashes_alone() -> None:
    assert hash_parameters_fault(hashing(), TYPES) is None
    assert hash_parameters_fault(hashing(0, HashSecretKeySize=90), TYPES) is None
    for wrong in ({"HashInformation": 0x204}, {"HashSecretKeySize": 41}, {"HashSecretKeyOffset": 19}):
        assert hash_parameters_fault(hashing(**wrong), TYPES) is not None


class ScalingStack(AskingStack):
    """Two bindings of a protocol of a version of NDIS 6 over a miniport of another, whose adapter can scale."""

    def __init__(self, protocol: int = 87, miniport: int = 87) -> None:
        super().__init__()
        for table in set(self.fake.machine.objects.values()):
            for _, record in table.live():
                if table.name == "drivers":
                    record.minor_version = {MINI: miniport, PROTO: protocol}[record.head.driver]
        with self.fake.running(self.context):
            told = OID_GEN_RECEIVE_SCALE_CAPABILITIES, capabilities()
            assert remember(self.context, self.adapter_record, *told)

    def set(self, data: bytes, oid: int = OID_GEN_RECEIVE_SCALE_PARAMETERS) -> int:
        """Set this by the first binding; the status."""
        return self.ask(SET, oid, data)[0]

    def stopped(self) -> str:
        """What the stop screen says."""
        report = self.fake.stop_report()
        assert report is not None
        return str(report.text)


ONE = GOOD._replace(table=(PROCESSOR_NUMBER(0, 0),), masks=(), default=PROCESSOR_NUMBER(0, 0))


def test_ndis_answers_with_what_is_in_force() -> None:
    stack = ScalingStack()
    assert stack.ask(QUERY, OID_GEN_RECEIVE_SCALE_PARAMETERS, bytes(600), 1)[0] == NDIS_STATUS_NOT_SUPPORTED
    assert stack.set(write(ONE)) == NDIS_STATUS_SUCCESS
    assert stack.answer(OID_GEN_RECEIVE_SCALE_PARAMETERS, 600) == write(ONE)
    stack.mini.status = NDIS_STATUS_INVALID_DATA
    assert stack.set(write(ONE._replace(key=bytes(40)))) == NDIS_STATUS_INVALID_DATA
    assert stack.answer(OID_GEN_RECEIVE_SCALE_PARAMETERS, 600) == write(ONE)
    stack.mini.status = NDIS_STATUS_SUCCESS
    assert stack.set(write(Scaling(), 3, rss.NDIS_RSS_PARAM_FLAG_DISABLE_RSS)) == NDIS_STATUS_SUCCESS
    assert read(stack.answer(OID_GEN_RECEIVE_SCALE_PARAMETERS, 600)) == ONE._replace(information=0)


@pytest.mark.parametrize(("protocol", "miniport"), [(1, 87), (87, 1), (20, 60), (1, 0)])
def test_each_driver_sees_the_revision_that_it_knows(protocol: int, miniport: int) -> None:
    stack = ScalingStack(protocol, miniport)
    known = revision_of(protocol)
    assert stack.set(write(ONE, known)) == NDIS_STATUS_SUCCESS
    below = NDIS_RECEIVE_SCALE_PARAMETERS.from_bytes(stack.last())
    assert (below.Header.Revision == 1) == (revision_of(miniport) == 1)
    assert read(stack.last()).table == ONE.table
    assert stack.answer(OID_GEN_RECEIVE_SCALE_PARAMETERS, 600) == write(ONE, known)


def test_hashes_and_scaling_exclude_each_other() -> None:
    stack = ScalingStack()
    assert stack.set(hashing(), OID_GEN_RECEIVE_HASH) == NDIS_STATUS_SUCCESS
    assert stack.set(write(Scaling())) == NDIS_STATUS_SUCCESS
    stack.mini.status = NDIS_STATUS_NOT_SUPPORTED
    assert stack.set(write(ONE)) == NDIS_STATUS_NOT_SUPPORTED
    stack.mini.status = NDIS_STATUS_SUCCESS
    assert stack.set(hashing(0), OID_GEN_RECEIVE_HASH) == NDIS_STATUS_SUCCESS
    assert stack.set(write(ONE)) == NDIS_STATUS_SUCCESS
    with pytest.raises(BugCheck):
        stack.set(hashing(), OID_GEN_RECEIVE_HASH)
    assert "scaling is on" in stack.stopped()


def test_an_adapter_that_cannot_scale_may_hash() -> None:
    stack = ScalingStack()
    with stack.fake.running(stack.context):
        forget_all(stack.context, stack.adapter_record)
    assert stack.set(hashing(HashInformation=0x1_0001), OID_GEN_RECEIVE_HASH) == NDIS_STATUS_SUCCESS
    with pytest.raises(BugCheck):
        stack.set(hashing(HashSecretKeySize=41), OID_GEN_RECEIVE_HASH)
    assert "up to 40 bytes" in stack.stopped()


def test_scaling_is_not_accepted_while_hashes_are_on() -> None:
    stack = ScalingStack()
    assert stack.set(hashing(), OID_GEN_RECEIVE_HASH) == NDIS_STATUS_SUCCESS
    with pytest.raises(BugCheck):
        stack.set(write(ONE))
    assert "OID_GEN_RECEIVE_HASH is on" in stack.stopped()


def test_the_stop_names_the_miniport_and_who_asked() -> None:
    stack = ScalingStack()
    with pytest.raises(BugCheck):
        stack.set(write(ONE._replace(information=INFORMATION | rss.NDIS_HASH_UDP_IPV4)))
    report = stack.fake.stop_report()
    assert report is not None
    assert (report.code, report.driver) == (0xC4, "mini")
    assert report.parameters[:3] == (0xE5, stack.adapter, OID_GEN_RECEIVE_SCALE_PARAMETERS)
    assert [site.what for site in report.sites] == ["issued"]


def test_a_protocol_is_told_what_an_adapter_can_and_sets_it() -> None:
    machine = Computer("offers_scaling", "asks_for_scaling")
    machine.load()
    assert machine.control(pnp.start_adapter, 0) == 0
    adapter = machine.fake.machine.objects[HandleKind.ADAPTER].records[0]
    with machine.fake.running(machine.fake.processor()) as context:
        told = bind_parameters(context, adapter, adapter).RcvScaleCapabilities
    assert (told.NumberOfReceiveQueues, told.NumberOfIndirectionTableEntries) == (2, 128)
    machine.control(pnp.pause, 0)

    def answer(oid: int) -> bytes:
        asked: Any = Operation(oid | 600 << 32)
        assert machine.control(lambda context: host_requests.query(context, asked)) == NDIS_STATUS_SUCCESS
        return bytes(asked.content)

    assert answer(OID_GEN_RECEIVE_SCALE_CAPABILITIES) == told.to_bytes()
    assert read(answer(OID_GEN_RECEIVE_SCALE_PARAMETERS)) == Scaling(
        INFORMATION, (PROCESSOR_NUMBER(0, 0),) * 4, bytes(40)
    )
