"""One machine's shared memory: where each region lies, computed from the machine's geometry alone.

Law: every process that knows the geometry computes the same offsets; nothing here maps, allocates or waits.
"""

from __future__ import annotations

import ctypes
import functools
import operator
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from emulator.layout import control, devices, polls
from emulator.layout import machine as records
from emulator.layout.delays import DELAY_BUCKETS
from emulator.layout.handles import HandleKind
from emulator.layout.machine import ContextKind
from emulator.layout.records import Record
from vnic.device import VnicLayout

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = 4096
MAXIMUM_PASSIVE_WORKERS = 16
WORK_QUEUES = 7
DPC_ENTRIES = 256
CONTROL_ENTRIES = 64
WORK_ENTRY_BYTES = 32
FRAME_SLOT_BYTES = 2048
FRAME_HEADROOM = 128
PNP_SLOT, REQUESTS_SLOT, FIRST_PROCESSOR_SLOT = 2, 3, 4
MAXIMUM_STAND_INS = 3
"""Of each control lane."""
MAXIMUM_IO_THREADS = 4
"""Contexts that carry out what user programs ask of devices."""
DEVICE_REQUESTS = 32
DEVICE_BYTES = 32 * 1024
"""The most that one device request can take along or bring back."""
DEVICE_FILES = 64
BUS_DATA_BYTES = 256
"""The PCI configuration space of an adapter."""


SplitFrames = Literal["off", "sample", "allowed", "anywhere"]


class Geometry(msgspec.Struct, frozen=True, kw_only=True):
    """How large a machine is; travels to every process that maps its arena."""

    processors: int = 1
    passive_workers: int = 2
    adapters: int = 1
    virtual_adapters: int = 0
    """How many adapters intermediate drivers may make beside those that have hardware."""
    hardware_queues: int = 1
    driver_locks: int = 256
    work_items: int = 4096
    timers: int = 256
    drivers: int = 32
    bindings: int = 64
    filters: int = 32
    interrupts: int = 32
    polls: int = 32
    dma_channels: int = 32
    ports: int = 64
    pools: int = 64
    configurations: int = 64
    interfaces: int = 64
    interface_providers: int = 16
    interface_order: int = 128
    luid_indices: int = 128
    devices: int = 16
    files: int = 16
    logs: int = 16
    frame_slots: int = 4096
    pool_bytes: int = 16 << 20
    receive_throttle: int = 0
    """MaxNblsToIndicate of each interrupt's DPC; 0: NDIS_INDICATE_ALL_NBLS."""
    checked: bool = True
    traced: bool = False
    """Keep the number of each DDI call in the arena, for comparison with another machine."""
    opens_pend: bool = False
    """NdisOpenAdapterEx returns NDIS_STATUS_PENDING, and ProtocolOpenAdapterCompleteEx is called."""
    split_frames: SplitFrames = "sample"
    """Cut MDL chains in the checked build: of some frames or of all where the documentation allows it, or of all beyond
    the contract as well.  The free build cuts nothing."""
    split_seed: int = 0
    """Another seed, other places."""

    @property
    def layers(self) -> int:
        """Layers with counters of their own: adapters, then bindings, then the two edges of each filter module."""
        return self.all_adapters + self.bindings + 2 * self.filters

    @property
    def all_adapters(self) -> int:
        """Adapters that there may be, with hardware and without."""
        return self.adapters + self.virtual_adapters

    @property
    def slots(self) -> int:
        """Context slots: host, zygote, PnP, requests, the processors, and every worker and stand-in there may be."""
        return self.first_io_slot + MAXIMUM_IO_THREADS

    @property
    def first_passive_slot(self) -> int:
        """The slot of passive worker 0."""
        return FIRST_PROCESSOR_SLOT + self.processors

    @property
    def first_stand_in_slot(self) -> int:
        """The slot of the first stand-in of the PnP thread; those of the request thread follow."""
        return self.first_passive_slot + MAXIMUM_PASSIVE_WORKERS

    @property
    def first_io_slot(self) -> int:
        """The slot of the first I/O thread."""
        return self.first_stand_in_slot + 2 * self.stand_ins

    @property
    def stand_ins(self) -> int:
        """Stand-ins that a control lane may get: one adapter cannot be in the way of itself."""
        return min(max(self.all_adapters - 1, 0), MAXIMUM_STAND_INS)

    def lane_slots(self, kind: ContextKind) -> tuple[int, ...]:
        """The slots of the contexts of a control lane, by index: its own, then its stand-ins; those of I/O threads."""
        if kind is ContextKind.IO:
            return tuple(range(self.first_io_slot, self.slots))
        pnp = kind is ContextKind.PNP
        first = self.first_stand_in_slot + (0 if pnp else self.stand_ins)
        return (PNP_SLOT if pnp else REQUESTS_SLOT, *range(first, first + self.stand_ins))

    def place_of(self, slot: int) -> tuple[ContextKind, int]:
        """Kind and index of the context that a slot is for."""
        for kind in (ContextKind.PNP, ContextKind.REQUESTS, ContextKind.IO):
            slots = self.lane_slots(kind)
            if slot in slots:
                return kind, slots.index(slot)
        if slot < FIRST_PROCESSOR_SLOT:
            return (ContextKind.HOST, ContextKind.ZYGOTE)[slot], 0
        if slot < self.first_passive_slot:
            return ContextKind.PROCESSOR, slot - FIRST_PROCESSOR_SLOT
        return ContextKind.PASSIVE_WORKER, slot - self.first_passive_slot

    @property
    def locks(self) -> int:
        """Entries of the lock table."""
        return records.SystemLock.FIRST_DRIVER + self.driver_locks


OBJECT_TABLES: dict[HandleKind, tuple[type[Record], str]] = {
    HandleKind.MINIPORT_DRIVER: (records.DRIVER, "drivers"),
    HandleKind.PROTOCOL_DRIVER: (records.DRIVER, "drivers"),
    HandleKind.FILTER_DRIVER: (records.DRIVER, "drivers"),
    HandleKind.ADAPTER: (records.ADAPTER, "all_adapters"),
    HandleKind.BINDING: (records.BINDING, "bindings"),
    HandleKind.FILTER_MODULE: (records.FILTER_MODULE, "filters"),
    HandleKind.WORK_ITEM: (records.WORK_ITEM, "work_items"),
    HandleKind.IO_WORK_ITEM: (records.WORK_ITEM, "work_items"),
    HandleKind.EX_WORK_ITEM: (records.WORK_ITEM, "work_items"),
    HandleKind.TIMER: (records.TIMER, "timers"),
    HandleKind.INTERRUPT: (records.INTERRUPT, "interrupts"),
    HandleKind.POLL: (polls.POLL, "polls"),
    HandleKind.PORT: (records.PORT, "ports"),
    HandleKind.DMA_CHANNEL: (records.DMA_CHANNEL, "dma_channels"),
    HandleKind.SHARED_MEMORY_ITEM: (records.WORK_ITEM, "work_items"),
    HandleKind.NET_BUFFER_LIST_POOL: (records.POOL_OBJECT, "pools"),
    HandleKind.NET_BUFFER_POOL: (records.POOL_OBJECT, "pools"),
    HandleKind.CONFIGURATION: (records.CONFIGURATION, "configurations"),
    HandleKind.INTERFACE: (records.INTERFACE, "interfaces"),
    HandleKind.INTERFACE_PROVIDER: (records.INTERFACE_PROVIDER, "interface_providers"),
    HandleKind.INTERFACE_ORDER: (records.INTERFACE_ORDER, "interface_order"),
    HandleKind.LUID_INDEX: (records.LUID_INDEX, "luid_indices"),
    HandleKind.FILE: (records.FILE, "files"),
    HandleKind.LOG: (records.LOG, "logs"),
    HandleKind.GENERIC_OBJECT: (records.CONFIGURATION, "configurations"),
    HandleKind.DEVICE: (devices.DEVICE, "devices"),
    HandleKind.SYMBOLIC_LINK: (devices.DEVICE, "devices"),
}
"""Which record stands behind a handle, and which number of the geometry says how many there are."""


class Arena:
    """Views of one machine's regions over a mapped buffer."""

    def __init__(self, memory: Any, geometry: Geometry) -> None:
        self.memory = memory
        self.view = memoryview(memory)
        self.geometry = geometry
        self.offsets = offsets_of(geometry)
        at = self.offsets
        self.machine = records.MACHINE.at(memory, at["machine"])
        self.slots = [records.SLOT.at(memory, at["slots"] + i * records.SLOT.size()) for i in range(geometry.slots)]
        self.stop = records.STOP_RECORD.at(memory, at["stop"])
        self.stop_text = self.view[at["stop_text"] : at["stop_text"] + records.STOP_TEXT_BYTES]
        self.sleeping = self.view[at["sleeping"] : at["sleeping"] + geometry.slots]
        self.raising = self.view[at["raising"] : at["raising"] + geometry.slots]
        self.withheld = self.view[at["withheld"] : at["withheld"] + geometry.slots]
        # Of each processor: something has been published that it is to look at (an epoch, a DPC, a call for lists, a
        # wish for its lock).  Set after that; cleared by the processor before it looks, and then there is a fence.
        self.summoned = self.view[at["summoned"] : at["summoned"] + geometry.slots]
        self.lock_used = self.view[at["lock_used"] : at["lock_used"] + geometry.driver_locks]
        self.lock_homes = self.view[at["lock_homes"] : at["lock_homes"] + 8 * geometry.driver_locks].cast("Q")
        # Where each lock of a driver has been acquired that is held; the call site's slot is the holder's.
        self.lock_holders = self.view[at["lock_holders"] : at["lock_holders"] + 4 * geometry.locks].cast("I")
        self.words = self.view.cast("B").cast("Q")
        self.queues = [
            records.WORK_QUEUE.at(memory, at["queues"] + i * records.WORK_QUEUE.size()) for i in range(WORK_QUEUES)
        ]
        # (put, take) of each processor's DPC queue; its entries as pairs: target and kind, argument (see DPC_ENTRY).
        self.dpc_ends = [
            self.view[at["dpc_rings"] + i * records.DPC_RING.size() :][:8].cast("I") for i in range(geometry.processors)
        ]
        dpc_bytes = DPC_ENTRIES * records.DPC_ENTRY.size()
        self.dpc_entries = [
            self.view[at["dpc_entries"] + i * dpc_bytes :][:dpc_bytes].cast("Q") for i in range(geometry.processors)
        ]
        self.control = control.CONTROL_RING.at(memory, at["control"])
        self.earliest = self.view[at["earliest"] : at["earliest"] + 8 * geometry.processors].cast("Q")
        stop_word = at["machine"] + records.MACHINE.stop_word.offset  # type: ignore[attr-defined]
        self.stop_word = self.view[stop_word : stop_word + 4].cast("I")
        shutting_down = at["machine"] + records.MACHINE.shutting_down.offset  # type: ignore[attr-defined]
        self.shutting_down = self.view[shutting_down : shutting_down + 4].cast("I")
        self.hardware_layout = VnicLayout(queues=geometry.hardware_queues)

    @functools.cached_property
    def base(self) -> int:
        """Where the memory begins in this process: what turns a view of a record back into its place."""
        return ctypes.addressof(ctypes.c_char.from_buffer(self.memory))

    def cells(self, slot: int) -> memoryview:
        """A slot as 64-bit words (see ROUTINE_CELL and its neighbours): the half of a field's price."""
        start = self.offsets["slots"] + slot * records.SLOT.size()
        return self.view[start : start + records.SLOT.size()].cast("Q")

    def recalls(self, slot: int) -> memoryview:
        """(times asked, times answered) of the calls to a slot, of both kinds in each word: unlike if one is open."""
        start = self.offsets["slots"] + slot * records.SLOT.size() + records.SLOT.recall.offset  # type: ignore[attr-defined]
        return self.view[start : start + 16].cast("Q")

    def recall_counts(self, slot: int) -> memoryview:
        """The same apart: asked for all that it has at home, and for what it withholds; answered, in the same order."""
        return self.recalls(slot).cast("B").cast("I")

    def sites(self, slot: int) -> memoryview:
        """The call sites a context has met: one u32 each (code object number << 16 | instruction offset / 2)."""
        start = self.offsets["sites"] + slot * records.SITES_PER_SLOT * 4
        return self.view[start : start + records.SITES_PER_SLOT * 4].cast("I")

    def journal(self, slot: int) -> memoryview:
        """The journal of hand-offs of a context: NBL reference << 32 | call site << 8 | operation; the index behind."""
        start = self.offsets["journal"] + slot * records.JOURNAL_WORDS * 8
        return self.view[start : start + records.JOURNAL_WORDS * 8].cast("Q")

    def calls(self, slot: int) -> memoryview:
        """The DDI calls of a context of a traced machine: their count, then one number each."""
        start = self.offsets["calls"] + slot * records.CALL_WORDS * 4
        return self.view[start : start + records.CALL_WORDS * 4].cast("I")

    def queue_entries(self, queue: int) -> tuple[int, int]:
        """Offset and capacity (a power of two) of a worker queue's ring of 32-byte entries."""
        capacity = _power_of_two(self.geometry.work_items)
        return self.offsets["queue_entries"] + queue * capacity * WORK_ENTRY_BYTES, capacity

    def control_entry(self, index: int) -> control.CONTROL:
        """One entry of the control ring; ``index`` runs freely."""
        place = index % CONTROL_ENTRIES * control.CONTROL.size()
        return control.CONTROL.at(self.memory, self.offsets["control_entries"] + place)

    def device_request(self, index: int) -> devices.DEVICE_REQUEST:
        """A device request by number."""
        place = index * devices.DEVICE_REQUEST.size()
        return devices.DEVICE_REQUEST.at(self.memory, self.offsets["device_requests"] + place)

    def device_data(self, index: int) -> memoryview:
        """The data of a device request."""
        start = self.offsets["device_data"] + index * DEVICE_BYTES
        return self.view[start : start + DEVICE_BYTES]

    def bus_data(self, adapter: int) -> memoryview:
        """The PCI configuration space of an adapter."""
        start = self.offsets["bus_data"] + adapter * BUS_DATA_BYTES
        return self.view[start : start + BUS_DATA_BYTES]

    @functools.cached_property
    def device_files(self) -> memoryview:
        """The file objects of user programs by number: pool pointers.  Lock: DEVICES."""
        start = self.offsets["device_files"]
        return self.view[start : start + 8 * DEVICE_FILES].cast("Q")

    def counters_words(self, slot: int, layer: int) -> int:
        """Index into ``words`` of a context's counters for a layer (see COUNTERS for the order)."""
        size = records.COUNTERS.size()
        return (self.offsets["counters"] + (slot * self.geometry.layers + layer) * size) // 8

    def counted(self, layers: Iterable[int]) -> list[int]:
        """The counters of layers, summed over all contexts, in the order of COUNTERS."""
        sums = [0] * (records.COUNTERS.size() // 8)
        for layer in layers:
            for slot in range(self.geometry.slots):
                start = self.counters_words(slot, layer)
                sums = list(map(operator.add, sums, self.words[start : start + len(sums)]))
        return sums

    def cut_frames(self, adapter: int, *, sent: bool) -> int:
        """Where it is counted how many received or sent frames of an adapter are cut just now; several writers."""
        return self.offsets["cut_frames"] + 16 * adapter + 8 * sent

    def look(self, layer: int) -> records.LOOK:
        """What NDIS found at its last look at a layer."""
        return records.LOOK.at(self.memory, self.offsets["looks"] + layer * records.LOOK.size())

    def delays(self, slot: int) -> memoryview:
        """A context's histogram of how long work items waited for it, by bucket (see layout.delays)."""
        start = self.offsets["delays"] + 8 * DELAY_BUCKETS * slot
        return self.view[start : start + 8 * DELAY_BUCKETS].cast("Q")

    def hardware_offset(self, adapter: int) -> int:
        """Where the registers and rings of an adapter begin."""
        return self.offsets["hardware"] + adapter * _pages(self.hardware_layout.size)

    @property
    def frames(self) -> tuple[int, int]:
        """Offset and length of the frame region: shared memory for DMA."""
        return self.offsets["frames"], self.geometry.frame_slots * FRAME_SLOT_BYTES

    @property
    def pool(self) -> tuple[int, int]:
        """Offset and length of the nonpaged pool."""
        return self.offsets["pool"], self.geometry.pool_bytes


def _pages(size: int) -> int:
    return (size + PAGE - 1) // PAGE * PAGE


def _power_of_two(value: int) -> int:
    return 1 << (value - 1).bit_length()


_LAYOUTS: dict[Geometry, dict[str, int]] = {}


def offsets_of(geometry: Geometry) -> dict[str, int]:
    """Every region's offset, and ``size``: the bytes of the whole arena."""
    known = _LAYOUTS.get(geometry)
    if known is not None:
        return known
    slots, work_items = geometry.slots, _power_of_two(geometry.work_items)
    hardware = VnicLayout(queues=geometry.hardware_queues)
    sizes: list[tuple[str, int]] = [
        ("machine", records.MACHINE.size()),
        ("sleeping", slots),
        ("raising", slots),
        ("withheld", slots),
        ("summoned", slots),
        ("slots", slots * records.SLOT.size()),
        ("stop", records.STOP_RECORD.size()),
        ("stop_text", records.STOP_TEXT_BYTES),
        ("locks", geometry.locks * records.LOCK_BYTES),
        ("lock_used", geometry.driver_locks),
        ("lock_homes", 8 * geometry.driver_locks),
        ("lock_holders", 4 * geometry.locks),
        ("sites", slots * records.SITES_PER_SLOT * 4),
        ("journal", slots * records.JOURNAL_WORDS * 8),
        ("queues", WORK_QUEUES * records.WORK_QUEUE.size()),
        ("queue_entries", WORK_QUEUES * work_items * WORK_ENTRY_BYTES),
        ("dpc_rings", geometry.processors * records.DPC_RING.size()),
        ("dpc_entries", geometry.processors * DPC_ENTRIES * records.DPC_ENTRY.size()),
        ("control", control.CONTROL_RING.size()),
        ("control_entries", CONTROL_ENTRIES * control.CONTROL.size()),
        ("device_requests", DEVICE_REQUESTS * devices.DEVICE_REQUEST.size()),
        ("device_files", DEVICE_FILES * 8),
        ("cancel_lock", 64),
        ("bus_data", geometry.all_adapters * BUS_DATA_BYTES),
        ("device_data", DEVICE_REQUESTS * DEVICE_BYTES),
        ("earliest", geometry.processors * 8),
        ("counters", slots * geometry.layers * records.COUNTERS.size()),
        ("cut_frames", geometry.all_adapters * 16),
        ("looks", geometry.layers * records.LOOK.size()),
        ("delays", slots * DELAY_BUCKETS * 8),
        ("table_heads", 4096),
        ("calls", slots * records.CALL_WORDS * 4 if geometry.traced else 0),
    ]
    tables: dict[str, int] = {}
    for record, count in OBJECT_TABLES.values():
        tables[count] = getattr(geometry, count) * record.size()
    sizes.extend((f"table_{name}", size) for name, size in tables.items())
    sizes.append(("pool_state", PAGE))
    sizes.append(("frame_used", geometry.frame_slots))
    sizes.append(("frame_sites", geometry.frame_slots * 4))
    sizes.append(("hardware", geometry.adapters * _pages(hardware.size)))
    sizes.append(("frames", geometry.frame_slots * FRAME_SLOT_BYTES))
    sizes.append(("pool", geometry.pool_bytes))
    offsets: dict[str, int] = {}
    place = 0
    for name, size in sizes:
        offsets[name] = place
        # Regions of different writers never share a cache line, and the large ones begin on a page.
        step = PAGE if size >= PAGE else 64
        place = offsets[name] = (place + step - 1) // step * step
        place += size
    offsets["size"] = _pages(place)
    _LAYOUTS[geometry] = offsets
    return offsets
