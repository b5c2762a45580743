"""An adapter's stack compiled for one context: whom a call reaches, with which context value, as which driver.

Law: compiled from the arena's records when the machine's epoch has moved, and never changed.  A context says in its
slot which epoch it obeys (Executive.round, which does all that a new epoch asks for), and what it calls from then on is
what that epoch says.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

from emulator.kernel.platform import current
from emulator.kernel.pointers import decode
from emulator.layout.handles import HandleKind, make_handle
from emulator.layout.machine import DRIVER_SHIFT
from emulator.ndis.buffers.buffer_pools import forget_dead_pools
from emulator.ndis.buffers.ownership import LENT, RECEIVED, SENDING
from emulator.ndis.data_path.datapath_state import DataPath, data_path
from emulator.ndis.gates.ddi import pass_gate
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
from emulator.rules.states import AdapterState, BindingState, IdleState

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.ndis.buffers.split_frames import Cutter
    from emulator.ndis.data_path.filter_views import Below, Completer, Module
    from emulator.ndis.data_path.hand_offs import Edge

    HandOff = Callable[..., None]

_WANTS_WHAT_IS_SENT: Final = NDIS_PACKET_TYPE_PROMISCUOUS | NDIS_PACKET_TYPE_ALL_LOCAL
ADAPTER_MOVES: Final = (AdapterState.RUNNING, AdapterState.PAUSING)
ADAPTER_RECEIVES: Final = (AdapterState.RESTARTING, AdapterState.RUNNING, AdapterState.PAUSING)
BINDING_MOVES: Final = (BindingState.RUNNING, BindingState.PAUSING)


class Target:
    """A handler as a context calls it; ``cut`` is what cuts its frames or joins them, and the handler without it."""

    __slots__ = ("cut", "function", "mark", "routine")

    def __init__(self, context: Context, routine: int, driver: int) -> None:
        self.function: Callable[..., Any] | None = context.routines[routine] if routine else None
        self.routine = routine
        self.mark = driver << DRIVER_SHIFT | routine
        self.cut: tuple[Cutter, Target] | None = None

    def around(self, function: Callable[..., Any] | None) -> Target:
        """The same routine, called through a function of NDIS's."""
        made = object.__new__(Target)
        made.function, made.routine, made.mark, made.cut = function, self.routine, self.mark, None
        return made


NOWHERE: Final = object.__new__(Target)
"""Where an edge leads that is always unusual."""
NOWHERE.function, NOWHERE.routine, NOWHERE.mark, NOWHERE.cut = None, 0, 0, None


class Binding:
    """A protocol binding, compiled; its ``stack`` is what is next below it, ``base`` the adapter's stack."""

    __slots__ = (
        "base",
        "complete",
        "context",
        "counters",
        "driver",
        "filter",
        "hand_down",
        "handle",
        "index",
        "lent",
        "receive",
        "received",
        "refuses",
        "return_down",
        "stack",
        "takes",
    )

    hand_down: HandOff
    return_down: HandOff

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
        "complete_up",
        "completer",
        "context",
        "counters",
        "driver",
        "edges",
        "epoch",
        "hand_up",
        "handle",
        "index",
        "loops",
        "only",
        "own",
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

    complete_up: HandOff
    edges: tuple[Edge, Edge]
    hand_up: HandOff
    only: Binding | Completer | None
    own: tuple[HandOff, HandOff] | None
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
        # A driver that fails to initialize frees what it has already given: nobody looks at it before it has succeeded.
        begun = self.state != AdapterState.INITIALIZING
        self.context = decode(context, record.context) if begun else None
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


class Views(dict[int, Any]):
    """The views of one kind by handle; one that is not there is looked for as the function of the DDI that asks would.

    That is behind the gate which the edge would be.
    """

    __slots__ = ("find",)

    def __init__(self, find: Callable[[Context, int | None, str], Any], views: dict[int, Any]) -> None:
        super().__init__(views)
        self.find = find

    def __missing__(self, handle: int | None) -> Any:
        context, name = current.context, sys._getframe(1).f_code.co_name
        if context.machine.checked:
            pass_gate(context, name)
        return self.find(context, handle, name)


def by_kind(views: dict[int, Any], modules: dict[int, Any]) -> tuple[Views, Views, Views]:
    """Adapters, bindings and filter modules; none of each for a context that has compiled nothing yet."""
    from emulator.ndis.data_path.filter_views import module_view

    adapters = {handle: view for handle, view in views.items() if isinstance(view, Stack)}
    bindings = {handle: view for handle, view in views.items() if isinstance(view, Binding)}
    return Views(adapter_view, adapters), Views(binding_view, bindings), Views(module_view, modules)


def _wrong(handle: int | None, kind: HandleKind, name: str) -> NoReturn:
    wrong_handle(handle, kind, name)
    raise EmulatorError(f"{name}: a wrong handle did not stop")


def _compile(path: DataPath, epoch: int) -> None:
    from emulator.ndis.data_path import edges

    forget_dead_pools(path)
    views: dict[int, Any] = {}
    modules: dict[int, Any] = {}
    owners: dict[int, int] = {}
    attached = path.context.machine.objects[HandleKind.FILTER_MODULE].live()
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
        if path.checked:
            from emulator.ndis.data_path import offload_checks

            if offload_checks.offers(record):
                offload_checks.install(stack)
        if record.idle_state != IdleState.WATCHED:
            from emulator.ndis.data_path import held_sends

            held_sends.install(stack)
        chain: list[Module] = []
        if own:
            # A stack without filters has nothing of them.
            from emulator.ndis.data_path.filter_views import link

            chain = link(stack, sorted(own, key=lambda each: each[1].position))
        for module in chain:
            modules[module.handle] = module
            owners[module.driver] = owners[module.received] = owners[module.lent] = module.image
        if cut_above is not None:
            cut_above()
        edges.connect(stack)
        for module in chain:
            module.connect()
        owners[stack.sending] = stack.driver
        for binding in stack.bindings:
            views[binding.handle] = binding
            owners[binding.received] = owners[binding.lent] = binding.driver
    path.views = views
    path.adapters, path.bindings, path.modules = by_kind(views, modules)
    path.owners = owners
    path.epoch = epoch
