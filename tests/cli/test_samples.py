"""What a sample says of the frames that were lost, and where."""

from __future__ import annotations

import pytest

from emulator.cli.samples import Sample, loss_words_of, wire_lines_of
from emulator.host.specification import AdapterSpecification, MachineSpecification
from emulator.layout.arena import Geometry
from vnic.wires.wire import WireSpecification


@pytest.mark.parametrize(
    ("counted", "words"),
    [
        ({"received": 5, "receive_discards": 0, "receive_no_buffer": 0}, []),
        ({"receive_discards": 1}, ["lost 1 frame that came while the driver did not receive"]),
        (
            {"receive_errors": 2, "send_errors": 3000},
            ["lost 2 frames too long for their buffers, 3,000 frames that the wire refused"],
        ),
        ({"receive_no_buffer": 1}, ["without a free receive buffer 1 time, frames waited in the wire"]),
    ],
)
def test_what_was_lost_is_told_with_the_place(counted: dict[str, int], words: list[str]) -> None:
    assert loss_words_of(counted) == words


def test_an_adapter_that_lost_nothing_has_no_line() -> None:
    adapters = [AdapterSpecification(wire=WireSpecification("cable")) for _ in range(2)]
    specification = MachineSpecification(name="m", geometry=Geometry(adapters=2), drivers=[], adapters=adapters)
    sample = Sample(1.0, {}, [{"received": 7}, {"received": 7, "send_errors": 1}], {})
    assert sample.lost() == 1
    assert wire_lines_of(sample, specification) == ["adapter 1 on cable: lost 1 frame that the wire refused"]
