"""Live machines whose frames are captured: the file holds what went in and what came out, in order and in time."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from emulator.rules.errors import HostError
from tests.patience import eventually
from tests.scenarios.traffic import HELLO, MINIPORT, RESPONDER, echo, frame, free_buffers, settled, swapped
from vnic.wires.captures import IN, OUT, Record, open_capture, read_capture

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.testing import Lab


def captured(path: Path) -> list[Record]:
    with open_capture(str(path)) as file:
        return list(read_capture(file, str(path)))


def test_what_is_captured_is_what_was_sent_and_received(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    before = time.time_ns()
    nic = lab.start(MINIPORT, protocol=HELLO, capture=path)
    free = free_buffers(nic)
    frames = [frame(nic, number, 60 + number) for number in range(500)]
    assert echo(nic, iter(frames)) == 500
    settled(nic, free)
    assert (nic.counters["captured"], nic.counters["not_captured"]) == (1000, 0)
    mac = bytes.fromhex(nic.mac.replace(":", ""))
    nic.machine.end()
    found = captured(path)
    assert [record.frame for record in found if record.direction == IN] == frames
    assert [record.frame for record in found if record.direction == OUT] == [swapped(data) for data in frames]
    times = [record.time for record in found]
    assert before <= times[0] <= times[-1] <= time.time_ns()
    assert times == sorted(times)
    assert mac in path.read_bytes()[:200]


def test_scapy_reads_it_frame_by_frame(lab: Lab, tmp_path: Path) -> None:
    scapy: Any = pytest.importorskip("scapy.all")
    path = tmp_path / "a.pcapng"
    nic = lab.start(MINIPORT, protocol=RESPONDER, capture=path)
    request = scapy.ARP(op="who-has", hwsrc="02:00:00:00:00:02", psrc=nic.address, pdst=nic.peer)
    sent = scapy.Ether(dst="ff:ff:ff:ff:ff:ff", src="02:00:00:00:00:02") / request
    received = nic.srp1(sent)
    nic.machine.end()
    packets = scapy.rdpcap(str(path))
    assert [bytes(packet) for packet in packets] == [bytes(sent), bytes(received)]
    assert packets[1][scapy.ARP].hwsrc == nic.mac


def test_the_file_can_be_read_while_the_machine_runs(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    nic = lab.start(MINIPORT, protocol=HELLO, capture=path)
    echo(nic, [frame(nic, 1)])
    assert eventually(lambda: len(captured(path)) == 2)


def test_pause_carrier_and_surprise_removal_with_a_capture(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    nic = lab.start(MINIPORT, protocol=HELLO, capture=path)
    echo(nic, [frame(nic, 1)])
    nic.pause()
    nic.restart()
    echo(nic, [frame(nic, 2)])
    nic.link(False)
    nic.wait_carrier(False)
    nic.link(True)
    nic.wait_carrier(True)
    echo(nic, [frame(nic, 3)])
    nic.remove()
    assert lab.log.wait_for("was taken away")
    nic.machine.end()
    assert [record.frame for record in captured(path) if record.direction == OUT] == [
        swapped(frame(nic, number)) for number in (1, 2, 3)
    ]


def test_a_stop_leaves_a_whole_file(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    nic = lab.start(MINIPORT, protocol=HELLO, capture=path)
    echo(nic, [frame(nic, 1)])
    os.kill(nic.machine.proxy.pids()[1], 9)
    nic.machine.proxy.wait_ended()
    nic.machine.expected = True
    assert [record.direction for record in captured(path)] == [IN, OUT]


def test_a_full_disk_costs_the_capture_alone(lab: Lab, tmp_path: Path) -> None:
    import resource

    path = tmp_path / "a.pcapng"
    nic = lab.start(MINIPORT, protocol=HELLO, capture=path)
    host = lab.console.host_pid
    before = resource.prlimit(host, resource.RLIMIT_FSIZE)
    resource.prlimit(host, resource.RLIMIT_FSIZE, (3000, before[1]))
    assert echo(nic, (frame(nic, number) for number in range(200))) == 200
    assert eventually(lambda: nic.counters["not_captured"])
    counted = nic.counters
    assert counted["captured"] + counted["not_captured"] == 400
    nic.machine.end()
    assert lab.log.wait_for("frames were not captured")
    said = [record.text for record in lab.log.records if str(path) in record.text]
    assert len(said) == 2
    assert f"wire cable: writing to {path} failed (File too large); frames go on" in said[0]
    assert f"wire cable: {counted['not_captured']} frames were not captured in {path}" in said[1]
    assert len(captured(path)) == counted["captured"]


def test_a_place_that_cannot_be_written_to_is_told_before_the_machine_is_born(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"writing the frames of wire cable to .*nowhere/a\.pcapng failed") as caught:
        lab.start(MINIPORT, protocol=HELLO, capture=tmp_path / "nowhere" / "a.pcapng")
    assert "\n" not in str(caught.value)


@pytest.mark.tap
def test_the_kernel_s_own_ping_is_captured(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    nic = lab.start(MINIPORT, protocol=RESPONDER, wire="tap", capture=path)
    result = nic.ping(count=20, sizes=(56, 1400))
    assert result.clean, str(result)
    nic.machine.end()
    found = captured(path)
    icmp = [(record.direction, record.frame[34]) for record in found if record.frame[12:14] == b"\x08\0"]
    assert sorted(icmp) == [(IN, 8)] * 20 + [(OUT, 0)] * 20


def test_no_capture_no_wrapper(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO)
    assert "captured" not in nic.counters
