"""A machine with several adapters and drivers: who is bound to which adapter, as the configuration says."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.cli import configuration
from emulator.ndis.plug_and_play import filter_modules, pnp
from tests.drivers.rig import Rig


def bound_to(rig: Rig, number: int) -> list[str]:
    found = pnp.find_adapter(rig.pnp, number)
    assert found is not None
    images = rig.fake.machine.images
    return [images.driver_name(binding.head.driver) for _, binding in pnp.bindings_of(rig.pnp, found[0])]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [([], (["hello"], ["hello"])), (["adapter1"], ([], ["hello"])), (["adapter?", "x"], (["hello"], ["hello"]))],
)
def test_a_protocol_is_bound_to_the_adapters_that_are_named_for_it(
    wanted: list[str], expected: tuple[list[str], list[str]]
) -> None:
    rig = Rig("netvmini", "hello", adapters=2, bound={"hello": wanted})
    rig.start(0)
    rig.start(1)
    assert (bound_to(rig, 0), bound_to(rig, 1)) == expected
    rig.stop(0)
    rig.stop(1)


def test_a_filter_is_attached_to_the_adapters_that_are_named_for_it() -> None:
    rig = Rig("netvmini", "ndislwf", "hello", adapters=2, bound={"ndislwf": ["*0"]})
    rig.start(0)
    rig.start(1)
    found = [pnp.find_adapter(rig.pnp, number) for number in range(2)]
    assert [len(filter_modules.modules_of(rig.pnp, one[0])) for one in found if one is not None] == [1, 0]


def test_a_file_says_which_adapters(tmp_path: Path) -> None:
    file = tmp_path / "machine.toml"
    file.write_text('[[driver]]\nkind = "protocol"\nmodule = "hello"\nadapters = ["adapter0", "lan*"]\n')
    assert configuration.read(str(file)).driver[0].adapters == ["adapter0", "lan*"]
