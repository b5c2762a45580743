"""Frames that lie in several MDLs: netvmini with its receive buffers cut, under hello and responder."""

from __future__ import annotations

import linecache
import types
from typing import TYPE_CHECKING

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from tests.drivers.rig import MAC, PEER, ROOT, Rig, frame
from tests.ndis.buffers.test_split_choice import being_cut

if TYPE_CHECKING:
    from collections.abc import Callable

WHOLE = "        mdl = NdisAllocateMdl(handle, Adapter.ReceiveMemory + start, (1 << Shift) - header)\n"
CUT = """        at = Adapter.ReceiveMemory + start
        mdl = NdisAllocateMdl(handle, at, VNIC_RECEIVE_HEADROOM + FIRST)
        mdl.Next = NdisAllocateMdl(handle, at + (VNIC_RECEIVE_HEADROOM + FIRST), 3)
        rest = VNIC_RECEIVE_HEADROOM + FIRST + 3
        mdl.Next.Next = NdisAllocateMdl(handle, at + rest, VNIC_RECEIVE_SLOT - rest)
"""
FREED = "        NdisFreeNetBufferList(nbl)\n        NdisFreeMdl(mdl)\n"
FREED_ALL = """        NdisFreeNetBufferList(nbl)
        while mdl is not None:
            following = mdl.Next
            NdisFreeMdl(mdl)
            mdl = following
"""


def cut_netvmini(first: int) -> Callable[[], types.ModuleType]:
    """netvmini whose buffers have an MDL with the first bytes of a frame, one with three, and one with the rest."""

    def netvmini() -> types.ModuleType:
        text = (ROOT / "sample_drivers" / "netvmini.py").read_text()
        for before, after in ((WHOLE, CUT), (FREED, FREED_ALL)):
            assert before in text
            text = text.replace(before, after, 1)
        path = f"<netvmini cut after {first}>"
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
        module = types.ModuleType("netvmini")
        module.__file__ = path
        vars(module)["FIRST"] = first
        exec(compile(text, path, "exec"), vars(module))
        return module

    return netvmini


@pytest.mark.parametrize("first", [14, 33, 59, 60])
def test_hello_sends_what_lies_in_several_pieces(first: int) -> None:
    rig = Rig(cut_netvmini(first), "hello")
    rig.start()
    payload = bytes(number & 0xFF for number in range(1400))
    sent = rig.receive(frame(payload=payload), frame(payload=payload[:40]), frame(payload=payload[:3], size=17))
    assert sent == [
        frame(PEER, MAC, payload=payload),
        frame(PEER, MAC, payload=payload[:40]),
        frame(PEER, MAC, payload=payload[:3]),
    ]
    rig.stop()


@pytest.mark.parametrize("first", [14, 15, 20, 33, 34, 41, 50])
def test_responder_reads_headers_across_pieces(first: int) -> None:
    rig = Rig(cut_netvmini(first), "responder", registry={"Address": "10.77.0.1/24"})
    rig.start()
    link = Ether(dst=MAC.hex(":"), src=PEER.hex(":"))
    ping = link / IP(src="10.77.0.1", dst="10.77.0.2") / ICMP(id=1, seq=2) / Raw(bytes(range(200)))
    ask = link / ARP(op=1, hwsrc=PEER.hex(":"), psrc="10.77.0.1", pdst="10.77.0.2")
    echo, reply = (Ether(sent) for sent in rig.receive(bytes(ping), bytes(ask)))
    assert bytes(echo[Raw].load) == bytes(range(200))
    assert reply[ARP].op == 2
    rig.stop()


@pytest.mark.parametrize("filters", [(), ("ndislwf",)], ids=["plain", "filtered"])
@pytest.mark.parametrize("mode", ["sample", "allowed", "anywhere"])
def test_hello_sends_what_ndis_cuts(mode: str, filters: tuple[str, ...]) -> None:
    for seed in range(3):
        rig = Rig("netvmini", *filters, "hello", split_frames=mode, split_seed=seed)
        rig.start()
        payloads = [bytes(each + number & 0xFF for number in range(46 + each)) for each in range(0, 250, 3)]
        for at in range(0, len(payloads), 32):
            some = payloads[at : at + 32]
            sent = rig.receive(*(frame(payload=payload) for payload in some))
            answers = [frame(PEER, MAC, payload=payload) for payload in some]
            # Beyond the contract hello leaves frames unanswered whose addresses are in two pieces.
            assert sent == answers if mode != "anywhere" else all(each in answers for each in sent)
        assert rig.outstanding() == 0
        assert being_cut(rig.fake) == (0, 0)
        rig.stop()


@pytest.mark.parametrize("mode", ["sample", "allowed", "anywhere"])
def test_responder_reads_what_ndis_cuts(mode: str) -> None:
    for seed in range(3):
        rig = Rig("netvmini", "responder", registry={"Address": "10.77.0.1/24"}, split_frames=mode, split_seed=seed)
        rig.start()
        link = Ether(dst=MAC.hex(":"), src=PEER.hex(":"))
        ping = link / IP(src="10.77.0.1", dst="10.77.0.2") / ICMP(id=1, seq=2) / Raw(bytes(range(200)))
        ask = link / ARP(op=1, hwsrc=PEER.hex(":"), psrc="10.77.0.1", pdst="10.77.0.2")
        for _ in range(12):
            echo, reply = (Ether(sent) for sent in rig.receive(bytes(ping), bytes(ask)))
            assert bytes(echo[Raw].load) == bytes(range(200))
            assert reply[ARP].op == 2
        assert rig.outstanding() == 0
        assert being_cut(rig.fake) == (0, 0)
        rig.stop()
