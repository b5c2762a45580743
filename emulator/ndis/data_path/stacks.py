"""An adapter's stack compiled for one context: whom a call reaches, with which context value, as which driver.

Law: compiled from the arena's records when the machine's epoch has moved, and never changed.  A context says in its
slot which epoch it obeys (Executive.round, which does all that a new epoch asks for), and what it calls from then on is
what that epoch says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from emulator.kernel.pointers import decode
from emulator.layout.handles import HandleKind, make_handle
from emulator.ndis.buffers.buffer_pools import forget_dead_pools
from emulator.ndis.buffers.ownership import FILTER_RECEIVES, FILTER_SENDS, LENT, RECEIVED, SENDING
from emulator.ndis.data_path.datapath_state import DataPath, data_path
from emulator.ndis.headers.constants import NDIS_PACKET_TYPE_ALL_LOCAL, NDIS_PACKET_TYPE_PROMISCUOUS
from emulator.ndis.plug_and_play.adapters import wrong_handle
from emulator.ndis.plug_and_play.handlers import (
    MINIPORT_CANCEL_SEND,
    MINIPORT_RETURN,
    MINIPORT_SEND,
    PROTOCOL_RECEIVE,
    PROTOCOL_SEND_COMPLETE,
)
from emulator.ndis.plug_and_play.ports import ports_of
from emulator.rules.errors import EmulatorError
from emulator.rules.states import AdapterState, BindingState

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.kernel.machine import Machine
    from emulator.ndis.data_path.filter_views import Below, Completer, Module

SENT, COMPLETED, INDICATED, RETURNED, CALLS_IN, CALLS_OUT = 0, 1, 2, 3, 4, 5
"""Places of the counters of a layer in the arena's words."""

_WANTS_WHAT_IS_SENT: Final = NDIS_PACKET_TYPE_PROMISCUOUS | NDIS_PACKET_TYPE_ALL_LOCAL
ADAPTER_MOVES: Final = (AdapterState.RUNNING, AdapterState.PAUSING)
ADAPTER_RECEIVES: Final = (AdapterState.RESTARTING, AdapterState.RUNNING, AdapterState.PAUSING)
BINDING_MOVES: Final = (BindingState.RUNNING, BindingState.PAUSING)


class Target:
    """A handler as a context calls it."""

    __slots__ = ("driver", "function", "mark", "routine")

    def __init__(self, context: Context, routine: int, driver: int) -> None:
        self.function: Callable[..., Any] | None = context.routines[routine] if routine else None
        self.routine = routine
        self.driver = driver
        self.mark = driver << 32 | routine

    def around(self, function: Callable[..., Any] | None) -> Target:
        """The same routine, called through a function of NDIS's."""
        made = object.__new__(Target)
        made.function, made.routine, made.driver, made.mark = function, self.routine, self.driver, self.mark
        return made


class Binding:
    """A protocol binding, compiled; its ``stack`` is what is next below it, ``base`` the adapter's stack."""

    __slots__ = (
        "base",
        "complete",
        "context",
        "counters",
        "driver",
        "filter",
        "handle",
        "index",
        "lent",
        "receive",
        "received",
        "refuses",
        "stack",
        "takes",
    )

    def __init__(self, path: DataPath, stack: Stack, handle: int, index: int, record: Any) -> None:
        context = path.context
        machine = context.machine
        protocol = machine.objects[HandleKind.PROTOCOL_DRIVER].find(record.protocol, HandleKind.PROTOCOL_DRIVER)
        handlers = protocol.handlers if protocol is not None else None
        self.base = stack
        self.stack: Below | Stack = stack
        self.handle = handle
        self.index = index
        self.driver: int = record.head.driver
        self.context = decode(context, record.context)
        self.receive = Target(context, handlers[PROTOCOL_RECEIVE] if handlers is not None else 0, self.driver)
        self.complete = Target(context, handlers[PROTOCOL_SEND_COMPLETE] if handlers is not None else 0, self.driver)
        self.received = RECEIVED + index
        self.lent = LENT + index
        self.filter: int = record.packet_filter
        self.counters = machine.arena.counters_words(context.slot, machine.geometry.all_adapters + index)
        moves = record.state in BINDING_MOVES
        self.refuses = not moves or stack.state not in ADAPTER_MOVES or stack.send.function is None
        self.takes = moves and self.filter != 0 and stack.state in ADAPTER_RECEIVES


class Stack:
    """A miniport adapter with its bindings, compiled; filter_views.link puts filter modules between them."""

    __slots__ = (
        "base",
        "bindings",
        "cancels",
        "checked",
        "completer",
        "context",
        "counters",
        "driver",
        "epoch",
        "handle",
        "index",
        "loops",
        "only",
        "path",
        "ports",
        "receiver",
        "receivers",
        "returns",
        "send",
        "sending",
        "state",
        "taker",
        "turn",
        "upper",
    )

    only: Binding | Completer | None
    receiver: Binding | Module | None
    turn: Below | Stack

    def __init__(self, path: DataPath, index: int, record: Any, epoch: int) -> None:
        context = path.context
        machine = context.machine
        head = record.head
        driver = machine.objects[HandleKind.MINIPORT_DRIVER].find(head.parent, HandleKind.MINIPORT_DRIVER)
        handlers = driver.handlers if driver is not None else None
        self.path = path
        self.index = index
        self.epoch = epoch
        self.handle = make_handle(HandleKind.ADAPTER, head.generation, index)
        self.state: int = record.state
        self.driver: int = head.driver
        self.context = decode(context, record.context)
        self.send = Target(context, handlers[MINIPORT_SEND] if handlers is not None else 0, self.driver)
        self.returns = Target(context, handlers[MINIPORT_RETURN] if handlers is not None else 0, self.driver)
        cancel = Target(context, handlers[MINIPORT_CANCEL_SEND] if handlers is not None else 0, self.driver)
        self.cancels = cancel, self.context
        self.sending = SENDING + index
        self.checked = path.checked
        self.counters = self.upper = machine.arena.counters_words(context.slot, index)
        self.base = self.turn = self
        self.ports = ports_of(context, self.handle)
        self.loops = False
        self.completer: Module | None = None
        self.taker: Module | None = None
        self.bindings = tuple(
            Binding(path, self, handle, handle & 0xFFFF_FFFF, binding)
            for handle, binding in machine.objects[HandleKind.BINDING].live()
            if binding.adapter == index and binding.head.parent == self.handle
        )
        self.only = self.bindings[0] if len(self.bindings) == 1 else None
        self.receivers = tuple(binding for binding in self.bindings if binding.takes)
        # Where one binding asked for all that the adapter lets through, nothing has to be looked at frame by frame.
        single = len(self.receivers) == 1 and self.receivers[0].filter == record.packet_filter
        self.receiver = self.receivers[0] if single and self.receivers[0].receive.function is not None else None


def refresh(context: Context) -> None:
    """Compile what has changed; once a round, at each entry and after each wait."""
    path: DataPath = context.datapath or data_path(context)
    epoch: int = context.machine.arena.machine.epoch
    if path.epoch != epoch:
        _compile(path, epoch)


def adapter_view(context: Context, handle: int | None, name: str) -> Stack:
    """The compiled stack behind an adapter handle; stops for anything else."""
    refresh(context)
    found: Any = context.datapath.views.get(handle or 0)
    if not isinstance(found, Stack):
        return _wrong(handle, HandleKind.ADAPTER, name)
    return found


def binding_view(context: Context, handle: int | None, name: str) -> Binding:
    """The compiled binding behind a binding handle; stops for anything else."""
    refresh(context)
    found: Any = context.datapath.views.get(handle or 0)
    if not isinstance(found, Binding):
        return _wrong(handle, HandleKind.BINDING, name)
    return found


def _wrong(handle: int | None, kind: HandleKind, name: str) -> NoReturn:
    wrong_handle(handle, kind, name)
    raise EmulatorError(f"{name}: a wrong handle did not stop")


def _compile(path: DataPath, epoch: int) -> None:
    forget_dead_pools(path)
    views: dict[int, Any] = {}
    modules: dict[int, Any] = {}
    owners: dict[int, int] = {}
    attached = path.context.machine.objects[HandleKind.FILTER_MODULE].live()
    if attached:
        # The module is above this one: a stack without filters has nothing of it.
        from emulator.ndis.data_path.filter_views import link
    else:
        link = None  # type: ignore[assignment]
    cut: Callable[[Stack, int], Callable[[], None]] | None = None
    if path.checked and path.context.machine.geometry.split_frames != "off":
        from emulator.ndis.buffers import split_frames

        cut = split_frames.install_below
    table = path.context.machine.objects[HandleKind.ADAPTER]
    for handle, record in table.live():
        stack = Stack(path, handle & 0xFFFF_FFFF, record, epoch)
        views[handle] = stack
        cut_above = cut(stack, record.lookahead) if cut is not None else None
        own = [(module, entry) for module, entry in attached if entry.head.parent == handle]
        if any(binding.filter & _WANTS_WHAT_IS_SENT for binding in stack.bindings):
            from emulator.ndis.data_path import loopback

            if loopback.asks_for_all(path.context, stack, [entry for _, entry in own]):
                loopback.install(stack)
        for module in link(stack, sorted(own, key=lambda each: each[1].position)) if own else ():
            modules[module.handle] = module
            owners[module.driver] = owners[module.received] = owners[module.lent] = module.image
        if cut_above is not None:
            cut_above()
        owners[stack.sending] = stack.driver
        for binding in stack.bindings:
            views[binding.handle] = binding
            owners[binding.received] = owners[binding.lent] = binding.driver
    path.views = views
    path.adapters = {handle: view for handle, view in views.items() if isinstance(view, Stack)}
    path.bindings = {handle: view for handle, view in views.items() if isinstance(view, Binding)}
    path.modules = modules
    path.owners = owners
    path.epoch = epoch


class Outstanding(NamedTuple):
    """What a stack has in hand: lists in flight, who holds them, and calls that have not returned."""

    total: int
    holders: list[str]
    calls: int


class Holding(NamedTuple):
    """Lists that a driver has not given on: how many, in words what it has not done with them, and the layer's number.

    ``moved`` is how many it has given on so far, ``owner`` and ``handed`` find where they were handed to it.  Lists of
    the driver's own have neither.  ``module`` is a filter module's handle.
    """

    driver: str
    number: int
    text: str
    layer: int = -1
    moved: int = 0
    owner: int = 0
    handed: str = ""
    module: int = 0


def outstanding(machine: Machine, adapter_index: int) -> Outstanding:
    """All lists of an adapter that are sent and not completed, or indicated and not returned, by driver."""
    counts = layer_counts(machine, adapter_index)
    calls = counts[CALLS_IN] - counts[CALLS_OUT]
    for index, _ in _bindings(machine, adapter_index):
        mine = layer_counts(machine, machine.geometry.all_adapters + index)
        calls += mine[CALLS_IN] - mine[CALLS_OUT]
    total = counts[SENT] - counts[COMPLETED] + counts[INDICATED] - counts[RETURNED]
    return Outstanding(total, _in_words(machine, holdings(machine, adapter_index)), calls)


def holdings(machine: Machine, adapter_index: int) -> list[Holding]:
    """Who of a stack has how many lists in hand: the miniport, then the filter modules, then the bindings."""
    found = []
    counts = layer_counts(machine, adapter_index)
    sends = counts[SENT] - counts[COMPLETED]
    if sends:
        name = machine.images.driver_name(machine.objects[HandleKind.ADAPTER].records[adapter_index].head.driver)
        text = "not completed {} of the lists that it was given to send"
        found.append(Holding(name, sends, text, adapter_index, counts[COMPLETED], SENDING + adapter_index, "sent"))
    for module, record in machine.objects[HandleKind.FILTER_MODULE].live():
        if record.adapter == adapter_index:
            found.extend(each._replace(module=module) for each in _held_by_module(machine, module & 0xFFFF_FFFF))
    for index, binding in _bindings(machine, adapter_index):
        layer = machine.geometry.all_adapters + index
        mine = layer_counts(machine, layer)
        held = mine[INDICATED] - mine[RETURNED]
        if held:
            name = machine.images.driver_name(binding.head.driver)
            text = "not returned {} of the lists that were indicated to it"
            found.append(Holding(name, held, text, layer, mine[RETURNED], RECEIVED + index, "indicated"))
    return found


def _in_words(machine: Machine, found: list[Holding]) -> list[str]:
    lines = []
    for holding in found:
        lines.append(f"{holding.driver} has {holding.text.format(holding.number)}")
        if holding.owner:
            lines.extend(handed_on(machine, holding))
    return lines


def _bindings(machine: Machine, adapter_index: int) -> list[tuple[int, Any]]:
    live = machine.objects[HandleKind.BINDING].live()
    return [(handle & 0xFFFF_FFFF, binding) for handle, binding in live if binding.adapter == adapter_index]


def module_outstanding(machine: Machine, handle: int) -> Outstanding:
    """The lists that a filter module has to get back or to give back: its own, and others' that it holds."""
    index = handle & 0xFFFF_FFFF
    above, below = _module_counts(machine, index)
    mine = [below[SENT] - below[COMPLETED], above[INDICATED] - above[RETURNED]]
    others = [above[SENT] - above[COMPLETED], below[INDICATED] - below[RETURNED]]
    return Outstanding(sum(map(abs, mine + others)), _in_words(machine, _held_by_module(machine, index)), 0)


def _module_layer(machine: Machine, index: int) -> int:
    return machine.geometry.all_adapters + machine.geometry.bindings + 2 * index


def _module_counts(machine: Machine, index: int) -> tuple[list[int], list[int]]:
    layer = _module_layer(machine, index)
    return layer_counts(machine, layer + 1), layer_counts(machine, layer)


def _held_by_module(machine: Machine, index: int) -> list[Holding]:
    above, below = _module_counts(machine, index)
    record, layer = machine.objects[HandleKind.FILTER_MODULE].records[index], _module_layer(machine, index)
    name = machine.images.driver_name(record.head.driver)
    found = []
    sends = above[SENT] - above[COMPLETED] - (below[SENT] - below[COMPLETED])
    if sends > 0:
        text, moved = "neither sent on nor completed {} of the lists that it was given to send", above[COMPLETED]
        moved += below[SENT] - below[COMPLETED]
        found.append(Holding(name, sends, text, layer + 1, moved, FILTER_SENDS + index, "sent"))
    elif sends < 0:
        found.append(Holding(name, -sends, "not got back {} of the lists that it originated and sent"))
    receives = below[INDICATED] - below[RETURNED] - (above[INDICATED] - above[RETURNED])
    if receives > 0:
        text, moved = "neither passed on nor returned {} of the lists that were indicated to it", below[RETURNED]
        moved += above[INDICATED] - above[RETURNED]
        found.append(Holding(name, receives, text, layer, moved, FILTER_RECEIVES + index, "indicated"))
    elif receives < 0:
        found.append(Holding(name, -receives, "not got back {} of the lists that it originated and indicated"))
    return found


def binding_outstanding(machine: Machine, index: int) -> int:
    """Lists that a binding has sent and not got back, or got and not returned."""
    counts = layer_counts(machine, machine.geometry.all_adapters + index)
    return counts[SENT] - counts[COMPLETED] + counts[INDICATED] - counts[RETURNED]


def layer_counts(machine: Machine, layer: int) -> list[int]:
    """The counters of a layer, summed over all contexts, in the order of COUNTERS."""
    arena = machine.arena
    sums = [0] * 6
    for slot in range(machine.geometry.slots):
        start = arena.counters_words(slot, layer)
        for place, value in enumerate(arena.words[start : start + 6]):
            sums[place] += value
    return sums


def handed_on(machine: Machine, holding: Holding) -> list[str]:
    """Where the lists of a holding were handed on, as far as they are published: up to three places."""
    from emulator.kernel.sites import describe_site
    from emulator.ndis.buffers.publication import published_sites

    sites = published_sites(machine, holding.owner, 3)
    return [f"  {holding.handed} at {describe_site(machine, site)[0]}" for site in sites]
