"""A driver that writes anything anywhere: the host reports a DeviceFault, or goes on, and touches nothing else.

The hardware's end never raises another exception, and never names memory outside the regions it was given.
"""

from __future__ import annotations

import contextlib
import random
from itertools import pairwise
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from vnic.device import (
    VNIC_DESCRIPTOR_ADDRESS_MASK,
    Vnic,
    VnicDescriptor,
    VnicLayout,
    VnicPostReceive,
    VnicReceive,
    VnicTransmit,
)
from vnic.device import layout as layout_module
from vnic.device.hardware import DeviceFault, HostQueue, HostVnic
from vnic.device.layout import CONSUMER, PRODUCER

if TYPE_CHECKING:
    from collections.abc import Callable

ENTRIES = 16
OFFSET = 64
FRAMES = (16384, 32 * 2048)
POOL = (FRAMES[0] + FRAMES[1] + 4096, 8192)
SIZE = POOL[0] + POOL[1] + 4096
SLOT = [FRAMES[0] + index * 2048 + 128 for index in range(32)]
EDGES = [0, 1, 13, 14, 15, ENTRIES, ENTRIES + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]


class Adapter:
    def __init__(self) -> None:
        self.memory = memoryview(bytearray(SIZE))
        layout = VnicLayout(1, ENTRIES, ENTRIES)
        self.host = HostVnic(self.memory, OFFSET, layout, [FRAMES], [POOL])
        self.host.power_on(bytes(6))
        self.nic = Vnic(self.memory, OFFSET, layout, lambda: None)
        self.end = self.host.queues[0]
        self.layout = layout


@pytest.fixture
def adapter() -> Adapter:
    return Adapter()


def post(adapter: Adapter, words: list[int]) -> None:
    ring = adapter.end.receive_free
    head = ring.indices[PRODUCER]
    for place, word in enumerate(words):
        ring.words[head + place & ring.mask] = word
    ring.indices[PRODUCER] = head + len(words) & 0xFFFFFFFF


def start(view: memoryview, memory: memoryview) -> int:
    """Where in memory a view begins: mark its first byte and look."""
    was, view[0] = view[0], 0xA5
    length = len(view)
    view[1], view[length - 1] = 0x5A, 0xC3
    found = bytes(memory).index(b"\xa5\x5a")
    assert memory[found + length - 1] == 0xC3
    view[0] = was
    view[1] = view[length - 1] = 0
    return found


@pytest.mark.parametrize(
    "address",
    [FRAMES[0] - 1, FRAMES[0] + FRAMES[1] - 1919, 0, OFFSET, POOL[0], 0xFFFFFFFF, 0xFFFFFFFF - 1919],
)
def test_an_empty_buffer_outside_the_frame_memory(adapter: Adapter, address: int) -> None:
    post(adapter, [SLOT[0] | 1920 << 32, address | 1920 << 32])
    with pytest.raises(DeviceFault, match=r"queue 0, receive-free ring: buffer .* lies outside"):
        adapter.end.refill(8)
    assert adapter.end.empties == []


@pytest.mark.parametrize("length", [0, 1, 14, 1 << 16, 1920 | 1 << 16, 0xFFFFFFFF])
def test_empty_buffers_of_no_use_or_with_flags(adapter: Adapter, length: int) -> None:
    post(adapter, [SLOT[0] | length << 32])
    with pytest.raises(DeviceFault, match="an empty buffer of"):
        adapter.end.refill(8)


@pytest.mark.parametrize("other", [0, 1919, 2048, 1920 | 1 << 16])
@pytest.mark.parametrize("together", [False, True])
def test_buffers_of_two_capacities(adapter: Adapter, other: int, together: bool) -> None:
    post(adapter, [SLOT[0] | 1920 << 32])
    if not together:
        assert adapter.end.refill(8) == 1
    post(adapter, [SLOT[1] | other << 32])
    with pytest.raises(DeviceFault, match="more than one capacity"):
        adapter.end.refill(8)


def test_another_capacity_behind_the_end_of_the_ring(adapter: Adapter) -> None:
    for _ in range(2):
        assert VnicPostReceive(adapter.nic, 0, SLOT[:7]) == 7
        assert adapter.end.refill(8) == 7
        adapter.end.deliver([60] * 7)
        VnicReceive(adapter.nic, 0, 8)
    post(adapter, [SLOT[0] | 1920 << 32, SLOT[1] | 1920 << 32, SLOT[2] | 1000 << 32])
    with pytest.raises(DeviceFault, match="more than one capacity"):
        adapter.end.refill(8)


def test_a_reset_allows_another_capacity(adapter: Adapter) -> None:
    VnicPostReceive(adapter.nic, 0, SLOT[:2])
    assert adapter.end.refill(8) == 2
    adapter.end.reset()
    VnicPostReceive(adapter.nic, 0, SLOT[:2], 1000)
    assert adapter.end.refill(8) == 2
    assert {len(buffer) for buffer in adapter.end.empties} == {1000}


@pytest.mark.parametrize("known", [False, True], ids=["first time", "known buffers"])
@pytest.mark.parametrize("place", ["one batch", "at hand", "filled", "filled, then others taken"])
def test_a_buffer_posted_twice(adapter: Adapter, place: str, known: bool) -> None:
    end = adapter.end
    if known:
        VnicPostReceive(adapter.nic, 0, SLOT[:4])
        assert end.refill(4) == 4
        end.deliver([60] * 4)
        VnicReceive(adapter.nic, 0, 4)
    if place == "one batch":
        VnicPostReceive(adapter.nic, 0, [SLOT[1], SLOT[0], SLOT[2], SLOT[0]])
    else:
        VnicPostReceive(adapter.nic, 0, [SLOT[1], SLOT[0], SLOT[2]])
        assert end.refill(3) == 3
        if place.startswith("filled"):
            end.deliver([60, 60])
        if place.endswith("taken"):
            assert len(VnicReceive(adapter.nic, 0, 1)[0]) == 1
        VnicPostReceive(adapter.nic, 0, [SLOT[0]])
    with pytest.raises(DeviceFault, match="posted twice"):
        end.refill(8)


def test_a_buffer_posted_again_after_it_was_taken_is_no_fault(adapter: Adapter) -> None:
    for _ in range(50):
        assert VnicPostReceive(adapter.nic, 0, SLOT[:5]) == 5
        assert adapter.end.refill(8) == 5
        adapter.end.deliver([60] * len(adapter.end.empties))
        assert len(VnicReceive(adapter.nic, 0, 8)[0]) == 5


@pytest.mark.parametrize("back", [(0, 3), (3, 0), (2, 3, 4), (7, 6, 5, 4), (1, 0), (0, 1, 2), (5, 2, 7, 0, 1)])
def test_buffers_come_back_in_any_order(adapter: Adapter, back: tuple[int, ...]) -> None:
    end = adapter.end
    for _ in range(3):
        VnicPostReceive(adapter.nic, 0, SLOT[:8])
        assert end.refill(8) == 8
        end.deliver([60] * 8)
        VnicReceive(adapter.nic, 0, 8)
        VnicPostReceive(adapter.nic, 0, [SLOT[place] for place in back])
        assert end.refill(8) == len(back)
        for word, buffer in zip(end.words, end.buffers, strict=True):
            assert start(buffer, adapter.memory) == word & VNIC_DESCRIPTOR_ADDRESS_MASK
        others = end.words[len(back) :].tolist()
        assert sum(this > following for this, following in pairwise(others)) < 2, "the others keep their order"
        end.deliver([60] * len(back))
        VnicReceive(adapter.nic, 0, 8)


class Between:
    """A ring's indices; before the host's second look at any of them the driver does something."""

    def __init__(self, view: memoryview, looks: list[int], act: Callable[[], object]) -> None:
        self.view, self.looks, self.act = view, looks, act

    def __getitem__(self, place: int) -> int:
        self.looks.append(place)
        if len(self.looks) == 2:
            self.act()
        return self.view[place]

    def __setitem__(self, place: int, value: int) -> None:
        self.view[place] = value


def test_a_driver_may_take_a_frame_and_post_its_buffer_between_two_looks_of_the_host(adapter: Adapter) -> None:
    VnicPostReceive(adapter.nic, 0, SLOT[:4], 1920)
    end = adapter.end
    assert end.refill(4) == 4
    end.deliver([60] * 4)

    def act() -> None:
        addresses, _ = VnicReceive(adapter.nic, 0, 4)
        VnicPostReceive(adapter.nic, 0, addresses, 1920)

    looks: list[int] = []
    for ring in (end.receive, end.receive_free):
        ring.indices = Between(ring.indices, looks, act)  # type: ignore[assignment]
    assert end.refill(4) == 0
    assert end.refill(4) == 4
    assert end.addresses == SLOT[:4]


def test_memory_for_known_buffers_is_bounded(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vnic.device.host_queue._REMEMBERED", 32)
    end = adapter.end
    for offset in range(200):
        post(adapter, [FRAMES[0] + offset | 1000 << 32])
        assert end.refill(1) == 1
        end.deliver([60])
        VnicReceive(adapter.nic, 0, 1)
        end.frames[VnicDescriptor(FRAMES[0] + offset, 60)]
    assert len(end.words) == len(end.buffers) == len(end.known) <= 34
    assert len(end.frames) <= 32


@pytest.mark.parametrize("value", [1, 2, ENTRIES, 0x80000000, 0xFFFFFFFF])
def test_a_receive_tail_that_was_never_reached(adapter: Adapter, value: int) -> None:
    VnicPostReceive(adapter.nic, 0, SLOT[:4])
    assert adapter.end.refill(2) == 2
    adapter.end.deliver([60])
    adapter.end.receive.indices[CONSUMER] = 1 + value & 0xFFFFFFFF
    for act in (lambda: adapter.end.refill(ENTRIES), adapter.end.reset):
        if value == 0xFFFFFFFF:
            act()  # has taken nothing yet
        else:
            with pytest.raises(DeviceFault, match="receive ring's tail"):
                act()


@pytest.mark.parametrize("value", [ENTRIES + 1, 0x80000000, 0xFFFFFFFF])
def test_heads_beyond_the_ring(adapter: Adapter, value: int) -> None:
    end = adapter.end
    end.receive_free.indices[PRODUCER] = value
    with pytest.raises(DeviceFault, match="receive-free ring's head"):
        end.refill(1)
    with pytest.raises(DeviceFault, match="receive-free ring's head"):
        end.reset()
    end.transmit.indices[PRODUCER] = value
    with pytest.raises(DeviceFault, match="transmit ring's head"):
        end.posted()
    with pytest.raises(DeviceFault, match="transmit ring's head"):
        end.reset()


@pytest.mark.parametrize(
    ("address", "length"),
    [(0, 60), (OFFSET, 64), (FRAMES[0] - 1, 60), (POOL[0] - 1, 60), (POOL[0] + POOL[1] - 59, 60), (0xFFFFFFFF, 0xFFFF)],
)
def test_a_frame_outside_the_memory_of_the_driver(adapter: Adapter, address: int, length: int) -> None:
    with pytest.raises(DeviceFault, match="no memory of the driver's"):
        adapter.end.fragment(VnicDescriptor(address, length))


def test_a_frame_with_reserved_flags(adapter: Adapter) -> None:
    with pytest.raises(DeviceFault, match="reserved flags 0x4"):
        adapter.end.fragment(VnicDescriptor(SLOT[0], 60) | 4 << 48)


def test_the_host_does_not_read_its_own_words_back(adapter: Adapter) -> None:
    end = adapter.end
    VnicPostReceive(adapter.nic, 0, SLOT[:4])
    VnicTransmit(adapter.nic, 0, [VnicDescriptor(SLOT[9], 60)] * 3)
    end.receive.indices[PRODUCER] = end.receive_free.indices[CONSUMER] = end.transmit.indices[CONSUMER] = 0xDEADBEEF
    assert end.refill(4) == 4
    assert end.posted() == 3
    end.finish(1)
    end.deliver([60])
    assert (end.receive.indices[PRODUCER], end.transmit.indices[CONSUMER]) == (1, 1)


def work(end: HostQueue, host: HostVnic, memory: memoryview) -> None:
    """What a pump does in one round, with each view checked against the regions."""
    host.attend()
    usable = end.refill(8)
    for address, buffer in zip(end.addresses[:usable], end.empties[:usable], strict=True):
        assert FRAMES[0] <= address
        assert address + len(buffer) <= FRAMES[0] + FRAMES[1]
        buffer[0] = buffer[len(buffer) - 1] = 1
    if usable:
        end.deliver([14] * usable)
    words = end.descriptors(min(end.posted(), 8)) if end.posted() else []
    for word in words:
        fragment = end.fragment(word)
        address = word & 0xFFFFFFFF
        inside = [at <= address and address + len(fragment) <= at + size for at, size in (FRAMES, POOL)]
        assert any(inside)
    end.finish(len(words))
    host.asserted()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    writes=st.lists(
        st.tuples(
            st.sampled_from(["register", "receive", "receive_free", "transmit"]),
            st.integers(0, 63),
            st.sampled_from(EDGES) | st.integers(0, 2**32 - 1),
        ),
        max_size=12,
    ),
)
@example(seed=0, writes=[("transmit", 0, 16), ("register", 16, 0xFFFFFFFF)])
def test_any_word_anywhere(seed: int, writes: list[tuple[str, int, int]]) -> None:
    adapter = Adapter()
    generator = random.Random(seed)
    at = adapter.layout.queue_offsets[0]
    bases = {"register": 0, "receive": at.receive, "receive_free": at.receive_free, "transmit": at.transmit}
    words = adapter.memory[OFFSET : OFFSET + adapter.layout.size].cast("I")
    guard = bytearray(adapter.memory)
    with contextlib.suppress(DeviceFault):
        for part, word, value in writes:
            addresses = generator.sample(SLOT, 3)
            VnicPostReceive(adapter.nic, 0, addresses)
            words[bases[part] // 4 + word] = value
            work(adapter.end, adapter.host, adapter.memory)
            VnicReceive(adapter.nic, 0, 3)
    outside = [(0, OFFSET), (OFFSET + adapter.layout.size, FRAMES[0]), (FRAMES[0] + FRAMES[1], SIZE)]
    assert all(adapter.memory[first:last] == guard[first:last] for first, last in outside)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(noise=st.binary(min_size=64, max_size=64), seed=st.integers(0, 2**32))
def test_the_whole_block_overwritten(noise: bytes, seed: int) -> None:
    adapter = Adapter()
    VnicPostReceive(adapter.nic, 0, SLOT[:8])
    work(adapter.end, adapter.host, adapter.memory)
    block = adapter.memory[OFFSET : OFFSET + adapter.layout.size]
    block[:] = noise[:8] + random.Random(seed).randbytes(len(block) - 8)
    with contextlib.suppress(DeviceFault):
        for _ in range(3):
            work(adapter.end, adapter.host, adapter.memory)


@pytest.mark.parametrize("act", [HostVnic.attend, HostVnic.asserted, lambda host: host.set_link(True)])
def test_registers_full_of_ones(adapter: Adapter, act: Callable[[HostVnic], object]) -> None:
    adapter.memory[OFFSET : OFFSET + layout_module.REGISTER_BYTES] = b"\xff" * layout_module.REGISTER_BYTES
    act(adapter.host)


def test_regions_must_lie_in_the_arena() -> None:
    memory = memoryview(bytearray(16384))
    for region in ((-1, 10), (16000, 385), (0, -1)):
        with pytest.raises(ValueError, match="outside the arena"):
            HostVnic(memory, 64, VnicLayout(1, 16, 16), [region])


def test_views_name_the_bytes_that_were_asked_for(adapter: Adapter) -> None:
    VnicPostReceive(adapter.nic, 0, SLOT[3:4])
    adapter.end.refill(1)
    assert start(adapter.end.empties[0], adapter.memory) == SLOT[3]
    assert start(adapter.end.fragment(VnicDescriptor(POOL[0] + 5, 60)), adapter.memory) == POOL[0] + 5
