"""A machine of nine adapters as anybody would describe it: nothing has to be raised for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.scenarios.traffic import echo, frame

if TYPE_CHECKING:
    from emulator.testing import Lab

ADAPTERS: Final = 9


def test_nine_adapters_of_one_machine_answer(lab: Lab) -> None:
    first = lab.start("netvmini", protocol="hello", adapters=ADAPTERS)
    nics = first.machine.nics
    assert len(nics) == ADAPTERS
    for nic in nics:
        assert echo(nic, [frame(nic, number) for number in range(4)]) == 4
