"""Message-signalled interrupts on a running machine: each message finds its processor, asleep or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from emulator.ndis.headers.status import NDIS_STATUS_NOT_SUPPORTED
from emulator.rules.control import ControlOperation
from tests.scenarios.traffic import ETHERTYPE, HELLO, MINIPORT, STATION, echo, frame

if TYPE_CHECKING:
    from emulator.testing import Lab, Nic

DRIVER: Final = "tests.scenarios.drivers.interrupt_messages"
PROTOCOL: Final = "tests.bad_drivers.base_protocol"
RECEIVE, TRANSMIT, LINE = 0, 1, 15
PROCESSORS: Final = 2
QUIET: Final = 0.1


def answer(nic: Nic, command: int = 0, argument: int = 0) -> tuple[int, int]:
    """Send a frame to the driver: the message and the processor of the DPC that sent it back."""
    mac = bytes.fromhex(nic.mac.replace(":", ""))
    nic.send((mac + STATION + ETHERTYPE + bytes((command, argument))).ljust(60, b"\0"))
    received = nic.receive_bytes()
    return received[16], received[17]


@pytest.mark.parametrize(("messages", "number"), [(3, RECEIVE), (1, RECEIVE), (0, LINE)])
def test_frames_by_messages_and_dpcs_on_the_other_processor(lab: Lab, messages: int, number: int) -> None:
    nic = lab.start(DRIVER, protocol=PROTOCOL, processors=2, messages=messages)
    for processor in (1, 0, 1):
        assert answer(nic, 1, processor) == (number, processor)
    nic.machine.end()


def test_an_adapter_that_is_started_again_has_its_messages(lab: Lab) -> None:
    nic = lab.start(DRIVER, protocol=PROTOCOL, processors=2, messages=3)
    nic.halt()
    nic.start()
    assert answer(nic, 1, 1) == (RECEIVE, 1)


def test_a_message_that_is_masked_waits(lab: Lab) -> None:
    nic = lab.start(DRIVER, protocol=PROTOCOL, processors=PROCESSORS, messages=3)
    answer(nic)
    nic.interrupts(False)
    mac = bytes.fromhex(nic.mac.replace(":", ""))
    # What was on its way when they were switched off, one interrupt for each processor, may still serve a frame.
    for _ in range(PROCESSORS + 1):
        nic.send((mac + STATION + ETHERTYPE).ljust(60, b"\0"))
        if nic.poll(QUIET) is None:
            break
    else:
        pytest.fail("frames are served though every message is masked")
    nic.interrupts(True)
    assert nic.receive_bytes()[16] in (RECEIVE, TRANSMIT)  # either DPC of the driver serves every cause


def test_a_driver_that_knows_no_messages_uses_its_line(lab: Lab) -> None:
    nic = lab.start(MINIPORT, protocol=HELLO, processors=2, messages=4)
    assert echo(nic, [frame(nic, number) for number in range(4)]) == 4
    assert nic.control(ControlOperation.SWITCH_INTERRUPTS, 0) == NDIS_STATUS_NOT_SUPPORTED
