"""`ndisemu` over the toy floor instead of NDIS: what the command does with a machine that misbehaves as it is told to.

The driver's file name says what it does; the control operations that make toys misbehave are not the command's.
"""

from __future__ import annotations

import functools
import sys

from emulator.cli import plan
from emulator.cli.main import main
from emulator.host.specification import MachineSpecification

if __name__ == "__main__":
    vars(plan)["MachineSpecification"] = functools.partial(MachineSpecification, loader="tests.host.toy")
    sys.exit(main())
