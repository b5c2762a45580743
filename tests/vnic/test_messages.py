"""Message-signalled interrupts at the hardware: which cause sends which message, as either end sees it."""

from __future__ import annotations

import pytest

from tests.vnic.test_device_registers import MAC, SLOT, Adapter
from vnic.device import (
    VNIC_INTERRUPT_ALL,
    VNIC_MAXIMUM_MESSAGES,
    VNIC_MESSAGE_ENTRY_LINK,
    VNIC_MESSAGE_ENTRY_RECEIVE,
    VNIC_MESSAGE_ENTRY_TRANSMIT,
    VNIC_REGISTER_INTERRUPT_MASK,
    VNIC_REGISTER_LINK_ACKNOWLEDGE,
    VNIC_REGISTER_LINK_SEQUENCE,
    VnicPostReceive,
    VnicReadRegister,
    VnicTransmitFrames,
    VnicWriteRegister,
    messages,
)


def adapter_with(count: int) -> Adapter:
    adapter = Adapter()
    adapter.host.power_on(MAC, True, 1000, count)
    messages.enable(adapter.nic.words, True)
    VnicWriteRegister(adapter.nic, VNIC_REGISTER_LINK_ACKNOWLEDGE, 1)
    VnicWriteRegister(adapter.nic, VNIC_REGISTER_INTERRUPT_MASK, VNIC_INTERRUPT_ALL)
    return adapter


def sent(adapter: Adapter, count: int) -> list[int]:
    """The messages that are sent now; both ends agree."""
    by_host = [message for message in range(count) if adapter.host.sends(message)]
    assert by_host == [message for message in range(count) if adapter.nic.sends(message)]
    return by_host


def receive(adapter: Adapter) -> None:
    VnicPostReceive(adapter.nic, 0, [SLOT[0]])
    adapter.deliver(1)


def transmit(adapter: Adapter) -> None:
    VnicTransmitFrames(adapter.nic, 0, [SLOT[1]], [60])
    queue = adapter.host.queues[0]
    assert queue.posted() == 1
    queue.finish(1)


def change_link(adapter: Adapter) -> None:
    adapter.host.set_link(False)


@pytest.mark.parametrize(("count", "expected"), [(1, (0, 0, 0)), (2, (0, 1, 1)), (3, (0, 1, 2)), (5, (0, 1, 2))])
def test_each_cause_sends_its_message_or_the_last_one(count: int, expected: tuple[int, int, int]) -> None:
    for cause, message in zip((receive, transmit, change_link), expected, strict=True):
        adapter = adapter_with(count)
        assert sent(adapter, count) == []
        cause(adapter)
        assert sent(adapter, count) == [message]


def test_an_entry_is_masked_and_mapped_alone() -> None:
    adapter = adapter_with(4)
    receive(adapter)
    change_link(adapter)
    assert sent(adapter, 4) == [0, 2]
    messages.mask_entry(adapter.nic.words, VNIC_MESSAGE_ENTRY_RECEIVE, True)
    assert sent(adapter, 4) == [2]
    messages.set_entry(adapter.nic.words, VNIC_MESSAGE_ENTRY_RECEIVE, 3)
    assert sent(adapter, 4) == [2]
    messages.mask_entry(adapter.nic.words, VNIC_MESSAGE_ENTRY_RECEIVE, False)
    assert sent(adapter, 4) == [2, 3]
    messages.set_entry(adapter.nic.words, VNIC_MESSAGE_ENTRY_LINK, 3)
    assert sent(adapter, 4) == [3]
    sequence = VnicReadRegister(adapter.nic, VNIC_REGISTER_LINK_SEQUENCE)
    VnicWriteRegister(adapter.nic, VNIC_REGISTER_LINK_ACKNOWLEDGE, sequence)
    assert sent(adapter, 4) == [3]
    messages.set_entry(adapter.nic.words, VNIC_MESSAGE_ENTRY_RECEIVE, 0)
    assert sent(adapter, 4) == [0]


def test_the_mask_register_lets_nothing_through() -> None:
    adapter = adapter_with(2)
    receive(adapter)
    VnicWriteRegister(adapter.nic, VNIC_REGISTER_INTERRUPT_MASK, 0)
    assert sent(adapter, 2) == []


def test_a_removed_adapter_sends_the_message_of_its_link() -> None:
    adapter = adapter_with(3)
    adapter.host.remove()
    assert sent(adapter, 3) == [2]


def test_without_messages_the_line_stands_for_the_first() -> None:
    adapter = adapter_with(3)
    messages.enable(adapter.nic.words, False)
    change_link(adapter)
    assert [adapter.host.sends(message) for message in range(3)] == [True, False, False]


def test_a_number_that_is_no_message_raises_nothing() -> None:
    adapter = adapter_with(2)
    messages.set_entry(adapter.nic.words, VNIC_MESSAGE_ENTRY_TRANSMIT, 1 << 60)
    transmit(adapter)
    assert sent(adapter, VNIC_MAXIMUM_MESSAGES) == []


@pytest.mark.parametrize("count", [-1, VNIC_MAXIMUM_MESSAGES + 1])
def test_no_adapter_has_so_many_messages(count: int) -> None:
    with pytest.raises(ValueError, match="interrupt messages"):
        Adapter().host.power_on(MAC, messages=count)
