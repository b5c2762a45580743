"""The kernel region of an arena as records: what every context and the host read of one machine.

Law: data first, sequence number last; every word has one writer or one lock, and the lock is named beside it.
"""

from __future__ import annotations

from enum import IntEnum, unique
from typing import Literal

from emulator.layout.cells import LONG
from emulator.layout.records import Array, Bytes, Record, u8, u16, u32, u64

ARENA_MAGIC = 0x5349444E_4D455553
ARENA_VERSION = 1

LOCK_BYTES = 64
SPIN_LOCK_ENTRY, READ_WRITE_ENTRY, INTERRUPT_ENTRY = 1, 2, 3
"""What ``lock_used`` holds for an entry of the lock table that a driver's lock, or the lock of an interrupt, has."""
DRIVER_LOCKS = {SPIN_LOCK_ENTRY: "spin lock", READ_WRITE_ENTRY: "reader/writer lock", INTERRUPT_ENTRY: "interrupt lock"}
"""Those in words."""
SITES_PER_SLOT = 2048
JOURNAL_WORDS = 256
"""Of 64 bits: JOURNAL_ENTRIES hand-offs, and at JOURNAL_INDEX which of them is the last."""
JOURNAL_ENTRIES = JOURNAL_INDEX = JOURNAL_WORDS - 1
CALL_WORDS = 16_384
"""Of a slot's DDI calls in a traced machine: their count, then one number each."""
MAXIMUM_HANDLERS = 24
STOP_TEXT_BYTES = 128 * 1024
ENDING, RETIRING_ALL = 1, 2
"""What ``shutting_down`` says: the machine ends; its contexts leave, and others come in their place."""


@unique
class ContextKind(IntEnum):
    """Who sleeps on a slot's doorbell."""

    EMPTY = 0
    HOST = 1
    ZYGOTE = 2
    PNP = 3
    REQUESTS = 4
    PROCESSOR = 5
    PASSIVE_WORKER = 6
    IO = 7


@unique
class SlotState(IntEnum):
    """Life of a context slot; written by the context itself, except EMPTY (the zygote, after reaping)."""

    EMPTY = 0
    STARTING = 1
    RUNNING = 2
    RETIRING = 3
    EXITED = 4


@unique
class SystemLock(IntEnum):
    """Indices of the lock table that the kernel keeps for itself; processors' locks follow, then the drivers'."""

    POOL = 0
    OBJECTS = 1
    DISPATCHER = 2
    TIMERS = 3
    LOCKS = 4
    REQUESTS = 5
    CONTROL = 6
    STACKS = 7
    INTERLOCKED = 8
    FENCE = 9
    DEVICES = 10
    QUEUE_PUT = 16
    QUEUE_TAKE = 32
    PROCESSOR = 48
    DPC = 80
    FIRST_DRIVER = 112


NO_DRIVERS_LOCK = 0xFFFF << 16
"""What stands for the holder of a lock that is no driver's: a call site of no context."""


class MACHINE(Record):
    """The head of the arena.  ``stop_word`` and ``shutting_down`` lie side by side.  ``stirred`` counts what is put
    into worker queues other than the critical one, ``wishes`` what intermediate drivers ask for (lock: STACKS),
    ``devices`` the changes of the names under which user programs reach devices, ``devices_done`` the device requests
    that are done (lock: DEVICES).
    ``unloaded`` has a bit for each image whose driver has been unloaded while the machine runs, ``failed`` one for each
    adapter that was halted because it has failed for good: the host takes its wire away, and it is not started again.
    """

    magic: u64
    version: u32
    checked: u32
    stop_word: u32
    shutting_down: u32
    processors: u32
    passive_workers: u32
    started: u64
    owner_deaths: u32
    drivers_loaded: u32
    epoch: u64
    stirred: u64
    wishes: u64
    registry: u64
    halted_for_power: u64
    unloaded: u64
    failed: u64
    devices: u32
    devices_done: u32
    identity: Bytes[Literal[16]]


class SLOT(Record):
    """One context: its identity and its black box.  Written by the context alone."""

    kind: u32
    state: u32
    pid: u32
    processor: u32
    index: u32
    irql: u32
    routine: u32
    driver: u32
    site: u32
    ddi: u32
    nesting: u32
    lock_wanted: u32
    entries: u32
    entered: u64
    item: u64
    waiting_since: u64
    callbacks: u64
    wakes: u64
    epoch: u64
    site_count: u32
    journal_index: u32
    deadline: u64
    recall: Array[u32, Literal[4]]
    spare: Array[u64, Literal[7]]


ROUTINE_CELL: int = SLOT.routine.offset // 8  # type: ignore[attr-defined]
"""``routine`` and ``driver`` of a slot as one of its 64-bit words: what is written at each callback is written so."""
DRIVER_SHIFT, ROUTINE_MASK = 32, 0xFFFF_FFFF
"""Where in that word the driver's number is, and which part of it is the routine's."""
SITE_CELL: int = SLOT.site.offset // 8  # type: ignore[attr-defined]
"""``site`` and ``ddi``, so too."""
ENTERED_CELL: int = SLOT.entered.offset // 8  # type: ignore[attr-defined]
ITEM_CELL: int = SLOT.item.offset // 8  # type: ignore[attr-defined]
CALLBACKS_CELL: int = SLOT.callbacks.offset // 8  # type: ignore[attr-defined]


class STOP_RECORD(Record):
    """The bug check, as the dying context saw it; ``sequence`` is 1 once everything else is written."""

    sequence: u32
    slot: u32
    code: u32
    length: u32
    parameters: Array[u64, Literal[4]]
    time: u64


class OBJECT(Record):
    """What every NDIS object begins with.  Lock: OBJECTS."""

    kind: u8
    allocated: u8
    driver: u16
    generation: u32
    next_free: u32
    allocated_site: u32
    freed_site: u32
    parent: u64


class WORK_ITEM(Record):
    """A work item of NDIS or of the kernel, in one cache line.

    ``state`` to ``queued_site`` are written as one word, under the put lock of its queue; the worker that removes the
    item clears ``state`` under the take lock.  ``home`` is the place of an item that lies in the driver's own memory.
    """

    head: OBJECT
    state: u8
    queue: u8
    routine: u16
    queued_site: u32
    home: u64
    spare: Array[u64, Literal[2]]


class WORK_QUEUE(Record):
    """One system worker queue; ``put`` moves under QUEUE_PUT, ``take`` under QUEUE_TAKE, each after its data."""

    put: u64
    put_padding: Array[u64, Literal[7]]
    take: u64
    take_padding: Array[u64, Literal[7]]


class TIMER(Record):
    """A timer object; ``waiters`` are the slots that wait until no processor runs its routine.  Lock: TIMERS."""

    head: OBJECT
    state: u32
    routine: u32
    due: u64
    period: u64
    default_context: u64
    context: u64
    processor: u32
    set_site: u32
    running: u32
    tag: u32
    tolerance: u64
    waiters: u64


class DPC_RING(Record):
    """The DPC queue of one processor.  Lock: DPC + processor; the processor alone moves ``take``."""

    put: u32
    take: u32
    padding: Array[u32, Literal[14]]


class DPC_ENTRY(Record):
    """One queued deferred call: what to run (kernel's DpcKind), on which object, with which argument."""

    kind: u32
    target: u32
    argument: u64


class DRIVER(Record):
    """A registered driver: its image and its handlers by routine number.

    ``associate`` is the other half of an intermediate driver; ``wanted_adapters`` the places of those to which a
    protocol wants to be bound again, one bit each.  ``detached`` has a bit for each adapter from which somebody has
    detached a filter driver: it is not attached again when the adapter starts.
    """

    head: OBJECT
    image: u32
    kind: u32
    context: u64
    associate: u64
    flags: u32
    major_version: u8
    minor_version: u8
    state: u16
    handlers: Array[u32, Literal[24]]
    wanted_adapters: u64
    name: Bytes[Literal[64]]
    detached: u64


class ADAPTER(Record):
    """A miniport adapter as NDIS keeps it.  Locks: STACKS for state and stack, REQUESTS for the request lane.

    From ``maximum_transmit_speed`` on as the general attributes say; ``automatic`` is AutoNegotiationFlags, which
    NDIS_STATUS_LINK_STATE changes together with ``pause_functions``.

    ``request`` is the OID request in hand, ``request_head`` to ``request_tail`` are those that wait for it,
    ``unserialised`` is the list of direct and synchronous ones in hand beside it.

    ``remembered`` are blocks of nonpaged pool: what NDIS answers queries with (ndis/control_path/remembered.py).

    ``operation`` is the context handle of the bind or unbind in progress, of the protocol ``operation_of``; ``opened``
    the binding that NdisOpenAdapterEx made in it.  Lock of the three: STACKS.

    ``claimed``: a PnP thread carries out what a driver has asked for.  Lock: CONTROL.  ``added`` is the context of
    MiniportAddDevice.  ``moved``, here and in bindings and modules: when the state changed last.  ``going``: it is
    about to be halted.

    ``power_state`` is an NDIS_DEVICE_POWER_STATE, ``power_aware`` whether the general attributes
    have power management, ``paused_for_power`` whether the stack is to be restarted when the power is back.

    ``reset_`` is the reset under way and what was in hand when it began, ``hang_`` what MiniportCheckForHangEx goes by;
    ``looking`` counts the request threads that are in the miniport for either.  Lock: STACKS.  ``accepted_`` is what
    the miniport has accepted last, as far as ``accepted`` says, to be set again after a reset.

    Of selective suspend: ``idle_timeout`` in seconds (0: the miniport has none), ``idle_state`` (lock: REQUESTS),
    ``idle_wanted`` what shall be notified of, ``idle_activity`` what had been called when the clock looked last and
    ``idle_since`` when that was new, ``requests_given`` how many OID requests the miniport has been given, and
    ``wake_wanted``: somebody uses the adapter.  ``line_based``: its driver wants no messages.

    Of an adapter that an intermediate driver has made: ``device_context`` is the driver's, ``wish`` what it has asked
    NDIS to do with the adapter, ``wished`` when, and ``wisher`` the slot of the PnP thread that must do it (0: any) or
    that is at it.  Lock of these: STACKS.
    """

    head: OBJECT
    state: u32
    number: u32
    context: u64
    attribute_flags: u32
    attributes_set: u32
    mtu: u32
    lookahead: u32
    mac_options: u32
    packet_filters_supported: u32
    maximum_multicast: u32
    media_connect_state: u32
    transmit_speed: u64
    receive_speed: u64
    duplex: u32
    statistics_supported: u32
    permanent_address: Bytes[Literal[6]]
    current_address: Bytes[Literal[6]]
    packet_filter: u32
    epoch: u64
    interrupt: u64
    request: u64
    request_head: u64
    request_tail: u64
    unserialised: u64
    request_state: u32
    pause_pending: u32
    restart_status: u32
    completion: u32
    link_sequence: u32
    hang_interval: u32
    bindings: u32
    surprise_removed: u32
    going: u32
    default_port: u32
    remembered: Array[u64, Literal[12]]
    maximum_transmit_speed: u64
    maximum_receive_speed: u64
    physical_medium: u32
    access: u32
    direction: u32
    connection: u32
    interface_type: u32
    connector: u32
    data_back_fill: u32
    context_back_fill: u32
    pause_functions: u32
    automatic: u32
    operation: u64
    operation_of: u64
    opened: u64
    operations: u32
    claimed: u32
    interface: u32
    added: u64
    physical_device: u64
    functional_device: u64
    virtual: u32
    wish: u32
    wisher: u32
    wished: u64
    device_context: u64
    name: Bytes[Literal[64]]
    moved: u64
    power_state: u32
    power_aware: u32
    paused_for_power: u32
    removal_wanted: u32
    reset_state: u32
    reset_status: u32
    reset_addressing: u32
    looking: u32
    reset_since: u64
    reset_sends: u64
    reset_request: u64
    hang_due: u64
    hang_request: u64
    hang_looks: u32
    line_based: u32
    accepted: u32
    accepted_filter: u32
    accepted_multicast_count: u32
    accepted_multicast: Bytes[Literal[192]]
    idle_timeout: u32
    idle_state: u32
    idle_wanted: u32
    wake_wanted: u32
    idle_since: u64
    idle_activity: u64
    requests_given: u64


class BINDING(Record):
    """A protocol binding.  Lock: STACKS.  ``opening``: 1 and the slot whose NdisOpenAdapterEx pends."""

    head: OBJECT
    state: u32
    adapter: u32
    context: u64
    protocol: u64
    packet_filter: u32
    lookahead: u32
    multicast_count: u32
    completion: u32
    completion_status: u32
    flags: u32
    event_slot: u32
    closing: u32
    opening: u32
    unbind_wanted: u32
    multicast: Bytes[Literal[192]]
    multicast_uses: Array[u16, Literal[32]]
    moved: u64


class FILTER_MODULE(Record):
    """A filter driver's module in the stack of an adapter; ``parent`` is the adapter.  Locks: as ADAPTER.

    ``own_handlers`` are those of NDIS_FILTER_PARTIAL_CHARACTERISTICS, in place of the driver's.
    """

    head: OBJECT
    state: u32
    adapter: u32
    context: u64
    filter_driver: u64
    position: u32
    attributes_set: u32
    completion: u32
    completion_status: u32
    request: u64
    request_head: u64
    request_tail: u64
    unserialised: u64
    request_state: u32
    lookahead: u32
    restart_wanted: u32
    interface: u32
    has_own_handlers: u32
    own_handlers: Array[u32, Literal[5]]
    name: Bytes[Literal[64]]
    moved: u64


class INTERRUPT(Record):
    """A registered interrupt: its routines by number, the processor that serves it, its lock (0: the processor's).

    A line, or message 0 of ``messages``; each further message is a record of its own, with the handle of message 0 for
    its parent, and ``family`` has the handles of them all.  Whether its DPC is queued to a processor, and runs there,
    is a word for each: several contexts write at once.
    """

    head: OBJECT
    adapter: u32
    isr: u32
    dpc: u32
    processor: u32
    context: u64
    enabled: u32
    message: u32
    messages: u32
    lock: u32
    disable: u32
    enable: u32
    family: Array[u64, Literal[16]]
    dpc_queued: Array[LONG, Literal[32]]
    dpc_running: Array[u32, Literal[32]]


class PORT(Record):
    """An NDIS port of an adapter, whose handle is the parent.  Lock: STACKS for number and state."""

    head: OBJECT
    number: u32
    state: u32
    flags: u32
    kind: u32
    media_connect_state: u32
    direction: u32
    transmit_speed: u64
    receive_speed: u64
    send_control: u32
    receive_control: u32
    send_authorization: u32
    receive_authorization: u32


class DMA_CHANNEL(Record):
    """A miniport's registration for scatter/gather DMA; ``lists`` are those that are built and not freed."""

    head: OBJECT
    process: u32
    complete: u32
    maximum: u32
    lists: u32


class POOL_OBJECT(Record):
    """An NBL or NET_BUFFER pool; its entries' published records are a block of nonpaged pool."""

    head: OBJECT
    tag: u32
    flags: u32
    data_size: u32
    context_size: u32
    entries: u32
    outstanding: u32
    records: u64
    protocol: u32
    number: u32


class CONFIGURATION(Record):
    """An open configuration handle: its values are those of its parent, below the subkey named in a block of pool."""

    head: OBJECT
    key: u64


class FILE(Record):
    """A file that a driver has opened: its content, and the copy that is mapped, are blocks of pool."""

    head: OBJECT
    content: u64
    mapped: u64
    length: u64


class LOG(Record):
    """The log of a miniport's adapter, a ring of ``length`` bytes in a block of pool.  Lock: REQUESTS."""

    head: OBJECT
    content: u64
    length: u32
    first: u32
    used: u32
    padding: u32


class INTERFACE_PROVIDER(Record):
    """A driver that provides network interfaces: its handlers by routine number."""

    head: OBJECT
    query: u32
    set: u32
    context: u64


class INTERFACE(Record):
    """A network interface; its index is its place in the table and one more.  ``provider`` 0: NDIS itself."""

    head: OBJECT
    provider: u64
    luid: u64
    context: u64
    flags: u32
    name: Bytes[Literal[64]]


class INTERFACE_ORDER(Record):
    """One interface lies on another: ifStackTable of RFC 2863, by interface index."""

    head: OBJECT
    higher: u32
    lower: u32


class LUID_INDEX(Record):
    """A NET_LUID index that is taken, for one type of interface."""

    head: OBJECT
    interface_type: u32
    index: u32


class COUNTERS(Record):
    """What one context moved through one layer; single writer, summed by whoever asks.

    ``cut`` are the frames that it has cut into several MDLs at an adapter.
    """

    sent: u64
    completed: u64
    indicated: u64
    returned: u64
    cut: u64
    spare: Array[u64, Literal[3]]


CUT_COUNTER: int = COUNTERS.cut.offset // 8  # type: ignore[attr-defined]


class LOOK(Record):
    """What NDIS found when it last looked at the counters of a layer.  Written by the request thread alone.

    ``moved`` is how many lists the layer had given on, ``since`` when that figure was seen first while it had others
    in hand, 0 when it had none; ``mark`` lists had been given to it at ``marked``, and not all of them are given on.
    """

    moved: u64
    since: u64
    mark: u64
    marked: u64
