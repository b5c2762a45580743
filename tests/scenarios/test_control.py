"""What is asked of an adapter from outside, on live machines: who is in the way of it is said by name."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import pytest

from tests.patience import eventually
from tests.scenarios.traffic import HELLO, MINIPORT, drain, echo, frame, free_buffers, settled

if TYPE_CHECKING:
    from emulator.host.messages import AdapterStatus
    from emulator.testing import Lab, Nic

FILTER, SECOND = "sample_drivers.ndislwf", "tests.drivers.second_lwf"
BAD = "tests.bad_drivers"
LIBRARY = ["tests.bad_drivers.base_miniport", "tests.bad_drivers.base_protocol"]
BLOCKERS = {
    "pause_with_receives_kept": ("protocol", "pause", "pause_with_receives_kept has not returned", "PAUSE"),
    "pause_with_sends_kept": ("miniport", "halt", "pause_with_sends_kept has not completed", "STOP_ADAPTER"),
    "reset_never_completed": ("miniport", "reset", "reset_never_completed has left MiniportResetEx pending", "RESET"),
    "filter_pause_never_completed": ("filter", "pause", "never_completed has left FilterPause pending", "PAUSE"),
}


def blocked(lab: Lab, name: str) -> Nic:
    """A machine with one driver that keeps a pause from its end; where it is by a list, it has that in hand."""
    bad, kind = f"{BAD}.{name}", BLOCKERS[name][0]
    miniport = bad if kind == "miniport" else LIBRARY[0]
    protocol = bad if kind == "protocol" else LIBRARY[1]
    nic = lab.start(miniport, protocol=protocol, filters=[bad] if kind == "filter" else [])
    assert "_kept" not in name or eventually(lambda: nic.status().lists)
    return nic


def kept_from_its_end(nic: Nic, told: str, name: str, *words: str) -> AdapterStatus:
    """Begin a command that does not end, and wait until it is said who is in its way; how the adapter is then."""
    from emulator.testing.machine import ControlFailed

    with pytest.raises(ControlFailed, match=f"{name} of adapter0 has not ended within 0 s and goes on"):
        nic.perform(name, *words, timeout=0)
    seen: list[AdapterStatus] = []

    def said() -> bool:
        seen.append(nic.status())
        return any(re.search(f"{told}.* for \\d+\\.\\d s", line) for line in seen[-1].blocked_by)

    assert eventually(said), seen[-1]
    return seen[-1]


@pytest.mark.parametrize("name", BLOCKERS)
def test_who_blocks_a_pause_is_said_by_name(lab: Lab, name: str) -> None:
    _, command, told, operation = BLOCKERS[name]
    nic = blocked(lab, name)
    status = kept_from_its_end(nic, told, command)
    assert status.operation == operation
    assert status.seconds > 0
    nic.machine.kill()


def test_who_has_what_a_pause_waits_for_is_said_beside_who_waits(lab: Lab) -> None:
    waits = "tests.scenarios.drivers.waits_for_sends"
    nic = lab.start(f"{BAD}.send_never_completed", protocol=waits)
    assert eventually(lambda: nic.status().lists)
    status = kept_from_its_end(nic, "waits_for_sends!ProtocolNetPnPEvent has been running", "pause")
    assert any("send_never_completed has not completed 1 of the lists" in line for line in status.blocked_by)
    nic.machine.kill()


def test_an_oid_request_that_is_not_completed_is_said_by_name(lab: Lab) -> None:
    nic = lab.start(f"{BAD}.oid_never_completed", protocol=LIBRARY[1])
    told = "oid_never_completed has set OID_PM_REMOVE_WOL_PATTERN in hand"
    kept_from_its_end(nic, told, "oid set", "OID_PM_REMOVE_WOL_PATTERN", "1")
    nic.machine.kill()


def test_oids_are_asked_for_while_frames_move(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, filters=[FILTER])
    before = free_buffers(nic)
    echo(nic, (frame(nic, number) for number in range(100)))
    assert nic.oid_query("OID_GEN_MAXIMUM_FRAME_SIZE") == (1500).to_bytes(4, "little")
    assert nic.oid_query("OID_802_3_PERMANENT_ADDRESS").hex(":") == nic.mac
    counted = nic.oid_query("OID_GEN_STATISTICS")
    assert len(counted) == 152
    nic.oid_set("OID_GEN_CURRENT_LOOKAHEAD", 256)
    settled(nic, before)


def test_what_fails_says_why_and_what_mends_it(lab: Lab) -> None:
    from emulator.testing.machine import ControlFailed

    nic = lab.start(MINIPORT, protocol=HELLO)
    for act, told in (
        (nic.restart, "adapter0 is running already"),
        (nic.start, "adapter0 is running already"),
        (lambda: nic.oid_query("OID_GEN_SUPPORTED_LIST", 4), r"BUFFER_TOO_SHORT \(\d+ bytes are needed\)"),
        (lambda: nic.oid_set(0x99, 1), "failed with NDIS_STATUS_NOT_SUPPORTED"),
    ):
        with pytest.raises(ControlFailed, match=told):
            act()
    nic.halt()
    nic.wait_carrier(False)
    with pytest.raises(ControlFailed, match="adapter0 is halted; first: ndisemu ctl start"):
        nic.pause()
    with pytest.raises(ControlFailed, match="failed with NDIS_STATUS_ADAPTER_NOT_FOUND"):
        nic.oid_query("OID_GEN_STATISTICS")


def test_an_adapter_goes_through_all_of_it_and_leaves_nothing(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, filters=[FILTER])
    before = free_buffers(nic)
    for turn in range(2):
        for number in range(100):
            nic.send(frame(nic, number))
        nic.pause()
        status = nic.status()
        assert [status.state, status.protocols[0].state, status.filters[0].state] == ["paused"] * 3
        assert (status.lists, status.operation, status.blocked_by) == (0, "", [])
        nic.restart()
        drain(nic)
        nic.link(False)
        nic.wait_carrier(False)
        assert not nic.status().link
        nic.halt()
        nic.link(True)
        nic.start()
        assert echo(nic, (frame(nic, 1000 * turn + n) for n in range(50))) == 50
    settled(nic, before)
    nic.surprise_remove()
    assert nic.status().state == "removed"
    assert eventually(nic.end.gone)


def test_what_a_miniport_logs_is_read_once(lab: Lab) -> None:
    from emulator.testing.machine import ControlFailed

    nic = lab.start("tests.scenarios.drivers.reads_and_logs", protocol=LIBRARY[1])
    assert nic.log() == b'"""A miniport that reads its own file when it '
    assert nic.log() == b""
    nic.halt()
    with pytest.raises(ControlFailed, match="failed with NDIS_STATUS_ADAPTER_NOT_FOUND"):
        nic.log()


def layers(nic: Nic) -> list[tuple[str, str]]:
    return [(layer.driver, layer.state) for layer in nic.status().filters]


def test_filters_come_and_go_under_traffic_in_their_order(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, filters=[FILTER, SECOND], processors=2)
    before = free_buffers(nic)
    both = [("ndislwf", "running"), ("second_lwf", "running")]
    for turn, (act, name, left) in enumerate(
        [
            (nic.detach, "ndislwf", both[1:]),
            (nic.detach, "second_lwf", []),
            (nic.attach, "ndislwf", both[:1]),
            (nic.attach, "second_lwf", both),
            (nic.detach, "second_lwf", both[:1]),
        ]
    ):
        for number in range(200):
            nic.send(frame(nic, turn * 1000 + number))
        act(name)
        assert layers(nic) == left
        drain(nic)
        assert echo(nic, (frame(nic, 10_000 + turn * 100 + n) for n in range(50))) == 50
    nic.halt()
    nic.start()
    assert layers(nic) == both[:1]
    nic.attach("second_lwf")
    assert echo(nic, (frame(nic, n) for n in range(50))) == 50
    settled(nic, before)


def test_nothing_is_lost_but_what_comes_while_the_stack_is_paused(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, filters=[FILTER])
    before = free_buffers(nic)
    for act in (nic.detach, nic.attach) * 3:
        first = nic.counters
        assert echo(nic, (frame(nic, n) for n in range(100))) == 100
        act("ndislwf")
        assert echo(nic, (frame(nic, n) for n in range(100))) == 100
        now = nic.counters
        assert now["received"] - first["received"] == now["sent"] - first["sent"] == 200
    settled(nic, before)


def test_a_paused_stack_stays_paused_and_mistakes_are_told(lab: Lab) -> None:
    from emulator.testing.machine import ControlFailed

    nic = lab.start(MINIPORT, protocol=HELLO, filters=[FILTER])
    nic.pause()
    nic.detach("ndislwf")
    assert (nic.status().state, layers(nic)) == ("paused", [])
    nic.attach("ndislwf")
    assert layers(nic) == [("ndislwf", "paused")]
    for act, name, told in (
        (nic.attach, "ndislwf", "ndislwf is attached already"),
        (nic.attach, "hello", "no filter driver hello is loaded; there are ndislwf"),
        (nic.detach, "nobody", "no filter driver nobody is loaded; there are ndislwf"),
    ):
        with pytest.raises(ControlFailed, match=f"of adapter0 failed: {told}"):
            act(name)
    nic.restart()
    nic.detach("ndislwf")
    with pytest.raises(ControlFailed, match="ndislwf is not attached"):
        nic.detach("ndislwf")
    assert echo(nic, [frame(nic, 1)]) == 1


def test_an_adapter_sleeps_and_wakes_is_reset_and_the_computer_is_switched_off(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, filters=[FILTER])
    nic.power("d3")
    assert (nic.status().power, nic.status().state) == ("d3", "paused")
    nic.power("d0")
    nic.power_source("battery")
    nic.reset()
    assert (nic.status().power, nic.status().state) == ("d0", "running")
    assert echo(nic, (frame(nic, n) for n in range(50))) == 50
    nic.machine.switch_off()


def test_an_adapter_that_has_failed_is_gone_and_the_other_one_lives(lab: Lab) -> None:
    from emulator.testing.machine import ControlFailed

    broken, other = lab.start("tests.scenarios.drivers.fails_for_good", protocol=HELLO, adapters=2).machine.nics
    broken.wait_carrier(True)
    broken.oid_set("OID_802_3_MULTICAST_LIST", bytes.fromhex("01005e000001"))
    broken.wait_carrier(False)
    lab.log.wait_for("was taken away: its adapter has failed")
    assert eventually(lambda: broken.status().state == "removed")
    with pytest.raises(ControlFailed, match="comes back with a new `ndisemu run` only"):
        broken.start()
    assert (other.status().state, other.carrier) == ("running", True)


def test_an_idle_adapter_is_suspended_and_wakes_up_when_it_is_asked(lab: Lab) -> None:
    from emulator.testing.machine import ControlFailed

    nic = lab.start("tests.bad_drivers.base_idle", protocol=LIBRARY[1])

    def suspended() -> bool:
        """It sleeps; the frame that the protocol sends when it is restarted, again when too early, wakes it up."""
        with contextlib.suppress(ControlFailed):
            nic.idle()
        return nic.status().power == "d2"

    nic.machine.wait(lambda found: found.counters["lists_sent"] and not found.counters["lists_outstanding"])
    with pytest.raises(ControlFailed, match="NDIS_STATUS_INVALID_STATE"):
        nic.wake()
    for words in (["wake"], ["oid set", "OID_802_3_MULTICAST_LIST", "hex:"], ["pause"]):
        assert eventually(suspended)
        nic.perform(*words)
        assert nic.status().power == "d0"
    nic.restart()
    assert eventually(suspended)
    nic.halt()
