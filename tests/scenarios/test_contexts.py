"""What NDIS keeps is the machine's: a driver finds it in whichever process it asks."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from sample_drivers.netvmini_nic import NIC_OIDS
from tests.scenarios.traffic import MINIPORT

if TYPE_CHECKING:
    from emulator.testing import Lab

DRIVERS: Final = "tests.scenarios.drivers"


def test_the_list_of_oids_that_initialize_gave_is_found_by_a_processor(lab: Lab) -> None:
    lab.start(MINIPORT, protocol=f"{DRIVERS}.asks_elsewhere")
    said = lab.log.wait_for("status")
    assert said.context == "processor 0"
    assert said.text == f"status 0x0, list {struct.pack(f'<{len(NIC_OIDS)}I', *NIC_OIDS).hex()}"
