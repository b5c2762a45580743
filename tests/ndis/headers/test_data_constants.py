"""Constants and enumerations: values that are easy to get wrong, and no two bits of one flags word alike."""

from __future__ import annotations

from enum import IntEnum

import pytest

from emulator.ndis.headers import constants, enumerations, status
from emulator.ndis.headers.constants import *
from emulator.ndis.headers.enumerations import *
from emulator.ndis.headers.structure_headers import MINOR_VERSIONS
from emulator.rules import irql
from emulator.rules.nbl import SEND_COMPLETE_STATUSES, handover


@pytest.mark.parametrize(
    ("prefix", "count", "everything"),
    [
        ("NDIS_SEND_FLAGS_", 5, 0x37),
        ("NDIS_SEND_COMPLETE_FLAGS_", 3, 0x07),
        ("NDIS_RECEIVE_FLAGS_", 10, 0xFF03),
        ("NDIS_RETURN_FLAGS_", 3, 0x07),
        ("NDIS_PAUSE_", 8, 0xFF),
        ("NDIS_PACKET_TYPE_", 13, 0x1F0FF),
        ("NDIS_MINIPORT_ATTRIBUTES_", 11, 0x7FF),
        ("NDIS_STATISTICS_FLAGS_VALID_", 18, 0x3F87FF),
        ("NDIS_NBL_FLAGS_", 11, 0x1FF03),
    ],
)
def test_flags_are_single_bits_and_all_there(prefix: str, count: int, everything: int) -> None:
    values = [value for name, value in vars(constants).items() if name.startswith(prefix)]
    assert len(values) == count
    assert all(value.bit_count() == 1 for value in values)
    assert sum(values) == everything


def test_the_masks_of_a_lists_flags_do_not_overlap() -> None:
    masks = [NBL_FLAGS_PROTOCOL_RESERVED, NBL_FLAGS_MINIPORT_RESERVED, NBL_FLAGS_SCRATCH, NBL_FLAGS_NDIS_RESERVED]
    assert sum(masks) == masks[0] | masks[1] | masks[2] | masks[3]


def test_the_same_statistics_have_other_bits_in_the_attributes() -> None:
    assert NDIS_STATISTICS_FLAGS_VALID_XMIT_DISCARDS == 0x8000
    assert NDIS_STATISTICS_XMIT_DISCARDS_SUPPORTED == 0x08000000


def test_the_levels_are_those_of_the_rules() -> None:
    assert (PASSIVE_LEVEL, APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL) == (
        irql.PASSIVE_LEVEL,
        irql.APC_LEVEL,
        irql.DISPATCH_LEVEL,
        irql.HIGH_LEVEL,
    )


def test_values_that_mean_something_of_their_own() -> None:
    assert NDIS_LINK_SPEED_UNKNOWN == 2**64 - 1
    assert NDIS_INDICATE_ALL_NBLS == 2**32 - 1
    assert NDIS_RUNTIME_VERSION_60 == 6 << 16
    assert MINOR_VERSIONS[-1] == NDIS_MINIPORT_MINOR_VERSION


ENUMERATIONS = [kind for kind in vars(enumerations).values() if isinstance(kind, type) and issubclass(kind, IntEnum)]


@pytest.mark.parametrize("kind", [kind for kind in ENUMERATIONS if kind is not IntEnum], ids=lambda kind: kind.__name__)
def test_every_enumerator_is_a_global_as_in_c(kind: type[IntEnum]) -> None:
    for member in kind:
        assert getattr(enumerations, member.name) is member
    assert len({int(member) for member in kind}) == len(kind.__members__)


def test_enumerators_that_are_easily_confused() -> None:
    assert (NdisMediaStateConnected, MediaConnectStateConnected) == (0, 1)
    assert (NdisDeviceStateD0, NdisDeviceStateD3) == (1, 4)
    assert (NdisMedium802_3, NdisPhysicalMedium802_3) == (0, 14)
    assert (NetEventPause, NetEventRestart, NetEventUploadGftFlowEntries) == (8, 9, 22)
    assert (NdisHaltDeviceSurpriseRemoved, NdisDevicePnPEventSurpriseRemoved) == (3, 2)
    assert (NdisRequestQueryInformation, NdisRequestSetInformation, NdisRequestMethod) == (0, 1, 12)
    assert (LowPoolPriority, NormalPoolPriority, HighPoolPriority) == (0, 16, 32)
    assert (CriticalWorkQueue, DelayedWorkQueue, HyperCriticalWorkQueue, CustomPriorityWorkQueue) == (0, 1, 2, 32)


@pytest.mark.parametrize(
    ("operation", "prefix"),
    [
        ("NdisSendNetBufferLists", "NDIS_SEND_FLAGS_"),
        ("NdisMSendNetBufferListsComplete", "NDIS_SEND_COMPLETE_FLAGS_"),
        ("NdisMIndicateReceiveNetBufferLists", "NDIS_RECEIVE_FLAGS_"),
        ("NdisReturnNetBufferLists", "NDIS_RETURN_FLAGS_"),
    ],
)
def test_the_rules_of_ownership_know_the_same_flags(operation: str, prefix: str) -> None:
    row = handover(operation)
    assert row is not None
    assert row.flags is not None
    assert row.flags.known == sum(value for name, value in vars(constants).items() if name.startswith(prefix))
    assert row.flags.dispatch_level == getattr(constants, f"{prefix}DISPATCH_LEVEL")


def test_statuses_of_a_completed_send_exist() -> None:
    assert all(hasattr(status, f"NDIS_STATUS_{name}") for name in SEND_COMPLETE_STATUSES)
    assert "PENDING" not in SEND_COMPLETE_STATUSES
