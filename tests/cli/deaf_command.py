"""`ndisemu` with a demo whose protocol answers no ping, and whose miniport leaves nothing to a work item."""

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
    """The demo's machine with another protocol, and no registry."""
    miniport = DriverSpecification(kind="miniport", module="sample_drivers.netvmini")
    hello = DriverSpecification(kind="protocol", module="sample_drivers.hello")
    return msgspec.structs.replace(real(wire), drivers=[miniport, hello])


if __name__ == "__main__":
    demo.specification_of = deaf
    sys.exit(main())
