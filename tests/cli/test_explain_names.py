"""`ndisemu explain` of structures, statuses and the virtual adapter: what a driver's author looks up most."""

from __future__ import annotations

import pytest

from emulator.cli.explain import page_of
from emulator.cli.explain_names import names, of_name
from emulator.ndis.gates.ddi import declarations
from emulator.ndis.headers.callback_role import ROLES


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ndis_timer_characteristics", "  Header.Type      0x97  NDIS_OBJECT_TYPE_TIMER_CHARACTERISTICS\n"),
        ("ndis_timer_characteristics", "  AllocationTag: int\n  TimerFunction  @NDIS_TIMER_FUNCTION\n"),
        ("net_buffer_list_pool_parameters", "  fAllocateNetBuffer: bool\n  ContextSize: int\n"),
        ("cm_partial_resource_descriptor", "  Type: CM_RESOURCE_TYPE\n  Start: int\n"),
        ("net_buffer_list", "  Next: NET_BUFFER_LIST | None\n"),
        ("0xc023002a", "NDIS_STATUS_PAUSED 0xC023002A, an error\n"),
        ("ndis_status_pending", "NDIS_STATUS_PENDING 0x00000103, success\n"),
        (
            "vnicreceive",
            "VnicReceive(nic: Vnic, queue: int, maximum: int, /) -> tuple[list[int], list[int]]\n\n  Take ",
        ),
        ("vnic_register_link_state", "VNIC_REGISTER_LINK_STATE: 1 when the wire is connected\n\n  read only\n"),
        ("vnic_receive_slot", "VNIC_RECEIVE_SLOT = 0x800\n"),
    ],
)
def test_a_name_is_told(name: str, told: str) -> None:
    assert told in "\n".join([*of_name(name), ""])


@pytest.mark.parametrize("name", ["0xzz", "0x", "0x12345678", "nonpaged", "u32", "ndis_handle"])
def test_what_is_none_of_them(name: str) -> None:
    assert of_name(name) == []


def test_each_of_them_is_told_and_no_member_is_of_the_emulators_own() -> None:
    for name in names():
        lines = of_name(name)
        assert lines
        assert not any(line.strip().startswith(("_", "ndis_")) for line in lines)


def test_every_declared_page_has_an_address() -> None:
    pages = {name: page_of(function.page) for name, function in declarations.items()}
    pages |= {name: page_of(role.page) for name, role in ROLES.items()}
    assert [name for name, page in pages.items() if not page.startswith("https://")] == ["NdisQueryMdl"]
