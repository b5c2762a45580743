"""netvmini and hello together: frames come back with their addresses swapped, and nothing is left."""

from __future__ import annotations

from emulator.ndis.plug_and_play import pnp
from tests.drivers.rig import MAC, NOBODY, PEER, Rig, frame


def test_a_frame_comes_back_with_the_addresses_swapped() -> None:
    rig = Rig("netvmini", "hello")
    rig.start()
    assert rig.receive(frame(payload=b"hello")) == [frame(PEER, MAC, payload=b"hello")]
    assert rig.outstanding() == 0


def test_stopping_and_unloading_leaves_nothing() -> None:
    rig = Rig("netvmini", "hello")
    rig.start()
    rig.receive(*(frame(size=60 + number) for number in range(100)))
    rig.stop()
    assert rig.control(lambda context, _: pnp.unload(context)) == 0
    assert rig.outstanding() == 0


def test_frames_for_others_are_not_answered() -> None:
    rig = Rig("netvmini", "hello")
    rig.start()
    assert rig.receive(frame(NOBODY), frame(b"\xff" * 6), frame(bytes.fromhex("333300000001"))) == []
