"""`ndisemu` with a demo whose protocol answers no ping: what the demo says when frames are lost."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from emulator.cli import demo
from emulator.cli.main import main
from emulator.host.specification import DriverSpecification

if TYPE_CHECKING:
    from emulator.host.specification import MachineSpecification

real = demo.specification_of


def deaf(wire: str) -> MachineSpecification:
    """The demo's machine with another protocol."""
    specification = real(wire)
    hello = DriverSpecification(kind="protocol", module="sample_drivers.hello")
    return msgspec.structs.replace(specification, drivers=[specification.drivers[0], hello])


if __name__ == "__main__":
    demo.specification_of = deaf
    sys.exit(main())
