"""Live machines that hear a capture file: the answers are in the file of what the adapter sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.rules.errors import ConfigurationError
from tests.scenarios.traffic import HELLO, MINIPORT, RESPONDER, echo, frame, swapped
from vnic.wires.captures import OUT, Record, open_capture, read_capture

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.testing import Lab

MAC = "02:00:00:00:00:77"


def records(path: Path) -> list[Record]:
    with open_capture(str(path)) as file:
        return list(read_capture(file, str(path)))


@pytest.mark.parametrize("kind", ["pcap", "pcapng"])
def test_the_answers_to_scapy_s_file_are_in_the_out_file(lab: Lab, tmp_path: Path, kind: str) -> None:
    scapy: Any = pytest.importorskip("scapy.all")
    source, out = tmp_path / f"in.{kind}", tmp_path / "out.pcapng"
    ether = scapy.Ether(dst=MAC, src="02:00:00:00:00:02")
    packets = [
        scapy.Ether(dst="ff:ff:ff:ff:ff:ff", src=ether.src)
        / scapy.ARP(op=1, hwsrc=ether.src, psrc="10.77.0.1", pdst="10.77.0.2")
    ]
    packets += [
        ether / scapy.IP(src="10.77.0.1", dst="10.77.0.2") / scapy.ICMP(id=7, seq=n) / (b"x" * n) for n in range(50)
    ]
    for number, packet in enumerate(packets):
        packet.time = 1_700_000_000 + number * 0.001
    (scapy.wrpcap if kind == "pcap" else scapy.wrpcapng)(str(source), packets)
    nic = lab.start(MINIPORT, protocol=RESPONDER, wire=f"pcap:{source},out={out}", mac=MAC, address="10.77.0.1/24")
    nic.machine.wait(lambda now: now.adapters[0]["written"] == 51, "51 answers")
    assert nic.carrier, "the link stays up at the end of the file"
    assert nic.counters["replayed"] == 51
    nic.wait_replayed()
    nic.machine.end()
    answers = scapy.rdpcap(str(out))
    assert answers[0][scapy.ARP].hwsrc == MAC
    assert [
        (a[scapy.ICMP].type, a[scapy.ICMP].seq, bytes(a[scapy.ICMP].payload)[:n]) for n, a in enumerate(answers[1:])
    ] == [(0, n, b"x" * n) for n in range(50)]


def test_as_fast_as_the_driver_takes_them_none_is_lost(lab: Lab, tmp_path: Path) -> None:
    first = tmp_path / "first.pcapng"
    nic = lab.start(MINIPORT, protocol=HELLO, capture=first, mac=MAC)
    frames = [frame(nic, number) for number in range(300)]
    echo(nic, frames)
    nic.machine.end()
    out, again = tmp_path / "out.pcapng", tmp_path / "again.pcapng"
    wire = f"pcap:{first},out={out},speed=asap,loop=10"
    replay = lab.start(MINIPORT, protocol=HELLO, wire=wire, mac=MAC, capture=again, name="replay")
    replay.machine.wait(lambda now: now.adapters[0]["written"] == 3000, "3000 answers")
    assert replay.counters["replay_left_out"] == 3000, "what the first machine had sent is not sent to the second"
    assert (replay.counters["received"], replay.counters["receive_errors"]) == (3000, 0)
    replay.machine.end()
    assert [record.frame for record in records(out)] == [swapped(data) for data in frames] * 10
    assert len(records(again)) == 6000
    assert [record.frame for record in records(again) if record.direction == OUT] == [r.frame for r in records(out)]


def test_pause_and_link_with_a_file(lab: Lab, tmp_path: Path) -> None:
    first = tmp_path / "first.pcapng"
    nic = lab.start(MINIPORT, protocol=HELLO, capture=first, mac=MAC)
    echo(nic, [frame(nic, number) for number in range(10)])
    nic.machine.end()
    wire = f"pcap:{first},out={tmp_path}/out.pcapng,speed=asap,loop=forever"
    replay = lab.start(MINIPORT, protocol=HELLO, wire=wire, mac=MAC, faults="loss=0.1,delay=1ms,seed=4", name="replay")
    replay.pause()
    replay.restart()
    replay.link(False)
    before = replay.counters["replayed"]
    assert replay.counters["replayed"] == before
    assert not replay.carrier
    replay.link(True)
    replay.machine.wait(lambda now: now.adapters[0]["replayed"] > before + 100, "it goes on")
    assert replay.counters["in_lost"] > 0
    with pytest.raises(AssertionError, match=r"pcap:first\.pcapng goes on"):
        replay.wait_replayed(0.01)
    with pytest.raises(TypeError, match="takes no frames"):
        replay.send(frame(replay, 1))
    replay.machine.end()


def test_a_replay_waits_for_answers_that_are_late(lab: Lab, tmp_path: Path) -> None:
    first, out = tmp_path / "first.pcapng", tmp_path / "out.pcapng"
    nic = lab.start(MINIPORT, protocol=HELLO, capture=first, mac=MAC)
    echo(nic, [frame(nic, number) for number in range(3)])
    nic.machine.end()
    wire = f"pcap:{first},out={out},speed=asap"
    replay = lab.start(MINIPORT, protocol=HELLO, wire=wire, mac=MAC, faults="delay=600ms", name="replay")
    replay.wait_replayed()
    assert replay.counters["written"] == 3
    replay.machine.end()


def test_a_damaged_file_is_told_before_anything_is_started(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "bad.pcap"
    path.write_bytes(b"no capture")
    with pytest.raises(ConfigurationError, match=rf"{path}: offset 0: neither pcap nor pcapng begins with 6e 6f 20 63"):
        lab.start(MINIPORT, protocol=HELLO, wire=f"pcap:{path}")


def test_a_file_is_not_written_to_twice_or_over_what_is_replayed(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    with pytest.raises(ConfigurationError, match="would be replayed and written to"):
        lab.start(MINIPORT, protocol=HELLO, wire=f"pcap:{path},out={path}")
    with pytest.raises(ConfigurationError, match="two captures would be written to"):
        lab.start(MINIPORT, protocol=HELLO, wire=f"pcap:x,out={path}", capture=path)
