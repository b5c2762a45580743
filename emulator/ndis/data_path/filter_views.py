"""Filter modules compiled for one context: what each layer of a filtered stack calls above and below it.

Law: resolved when the stack is compiled, never per frame.  A handler that a filter does not have is bypassed, and a
stack without filters has nothing of this.  A layer has two edges, each with counters of its own: the lower one counts
as a binding's, the upper one as a miniport's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.pointers import decode
from emulator.layout.handles import HandleKind
from emulator.ndis.buffers.ownership import FILTER_LENT, FILTER_RECEIVES, FILTER_SENDS
from emulator.ndis.data_path.crossings import FILTER_LAYER
from emulator.ndis.data_path.hand_offs import count_of
from emulator.ndis.data_path.ledger import COMPLETED, INDICATED, RETURNED, SENT
from emulator.ndis.data_path.stacks import (
    ADAPTER_MOVES,
    ADAPTER_RECEIVES,
    BINDING_MOVES,
    Stack,
    Target,
    refresh,
)
from emulator.ndis.plug_and_play.adapters import wrong_handle
from emulator.ndis.plug_and_play.filter_modules import handlers_of
from emulator.ndis.plug_and_play.handlers import (
    FILTER_CANCEL_SEND,
    FILTER_RECEIVE,
    FILTER_RETURN,
    FILTER_SEND,
    FILTER_SEND_COMPLETE,
)
from emulator.rules.errors import EmulatorError
from emulator.rules.states import FILTER, FilterState, Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.ndis.buffers.net_buffers import NET_BUFFER_LIST
    from emulator.ndis.data_path.datapath_state import DataPath
    from emulator.ndis.data_path.stacks import Binding, HandOff

MODULE_MOVES: Final = frozenset(FILTER.operations[Operation.SEND].states)


class Below:
    """Where the sends, returns and cancels of the layer above go: the upper edge of filters, as a Stack is."""

    __slots__ = ("cancels", "checked", "context", "counters", "driver", "path", "returns", "send", "sending")

    cancels: tuple[Target, Any]
    checked: bool
    context: Any
    counters: int
    driver: int
    path: DataPath
    returns: Target
    send: Target
    sending: int


class Completer:
    """A filter module that gets the completions of one binding's lists, as stacks.Binding.only is."""

    __slots__ = ("complete", "context", "counters", "driver", "handle", "index")

    def __init__(self, module: Module, handle: int) -> None:
        self.complete = module.complete
        self.context = module.context
        self.counters = module.counters
        self.driver = module.driver
        self.handle = handle
        self.index = module.index


class Module:
    """A filter module, compiled: to what is below it a binding, to what is above it a miniport."""

    __slots__ = (
        "base",
        "checked",
        "complete",
        "complete_up",
        "completer",
        "context",
        "counters",
        "driver",
        "edge",
        "hand_down",
        "hand_up",
        "handle",
        "image",
        "index",
        "indicated",
        "lent",
        "number",
        "only",
        "path",
        "receive",
        "received",
        "receiver",
        "receivers",
        "refuses",
        "return_down",
        "returns",
        "send",
        "sent",
        "stack",
        "state",
        "taker",
        "turn",
        "upper",
    )

    complete_up: HandOff
    hand_down: HandOff
    hand_up: HandOff
    return_down: HandOff
    stack: Below | Stack
    only: Binding | Completer | None
    completer: Module | None
    receiver: Binding | Module | None
    receivers: tuple[Binding, ...]
    refuses: bool
    taker: Module | None
    turn: Below | Stack

    def __init__(self, path: DataPath, base: Stack, handle: int, record: Any) -> None:
        context = path.context
        machine = context.machine
        handlers = handlers_of(context, record)
        number = handle & 0xFFFF_FFFF
        image: int = record.head.driver
        geometry = machine.geometry
        layer = geometry.all_adapters + geometry.bindings + 2 * number
        self.path = path
        self.base = base
        self.checked = path.checked
        self.handle = handle
        self.number = number
        self.index = FILTER_LAYER | number
        self.image = image
        self.state: int = record.state
        # As of an adapter: one that fails to attach has freed it.
        self.context = decode(context, record.context) if self.state != FilterState.ATTACHING else None
        # Owners of lists that came from elsewhere; the module's own have the image's.
        self.driver = FILTER_SENDS + number
        self.received = FILTER_RECEIVES + number
        self.lent = FILTER_LENT + number
        self.counters = machine.arena.counters_words(context.slot, layer)
        self.upper = machine.arena.counters_words(context.slot, layer + 1)
        self.send = Target(context, handlers[FILTER_SEND], image)
        self.complete = Target(context, handlers[FILTER_SEND_COMPLETE], image)
        self.receive = Target(context, handlers[FILTER_RECEIVE], image)
        self.returns = Target(context, handlers[FILTER_RETURN], image)
        # A module that sees no completions has done with a list when it sends it on, and so with receives.
        sees, gets = self.complete.function is not None, self.returns.function is not None
        self.sent = self.counters + SENT if sees else self.upper + COMPLETED
        self.indicated = self.upper + INDICATED if gets else self.counters + RETURNED
        if sees and self.send.function is None:
            self.complete = _counted(self, self.complete, SENT)
        if gets and self.receive.function is None:
            self.returns = _counted(self, self.returns, INDICATED)
        self.edge = edge = Below()
        edge.path, edge.checked, edge.context, edge.counters = path, path.checked, self.context, self.upper
        edge.sending, edge.send = self.driver, self.send
        edge.driver, edge.returns = self.received, self.returns
        edge.cancels = Target(context, handlers[FILTER_CANCEL_SEND], image), self.context

    def connect(self) -> None:
        """Make its edges, when all of the stack is there."""
        from emulator.ndis.data_path import filter_edges

        filter_edges.connect(self)


def link(stack: Stack, modules: list[tuple[int, Any]]) -> list[Module]:
    """Put the modules of an adapter, the lowest first, between the miniport and its bindings."""
    chain = [Module(stack.path, stack, handle, record) for handle, record in modules]
    receivers, receiver = stack.receivers, stack.receiver
    for place, module in enumerate(chain):
        module.stack, blocked = _below(stack, chain[:place])
        module.refuses = blocked or module.state not in MODULE_MOVES
    records = stack.path.context.machine.objects[HandleKind.BINDING].records
    top, blocked = _below(stack, chain)
    for binding in stack.bindings:
        binding.stack = top
        binding.refuses = blocked or records[binding.index].state not in BINDING_MOVES
    layers: list[Stack | Module] = [stack, *chain]
    for place, layer in enumerate(layers):
        _link_up(layer, chain[place:], stack, receivers, receiver, top)
    if stack.state not in ADAPTER_RECEIVES:
        stack.taker = stack.receiver = None
        stack.turn = stack
    return chain


def module_view(context: Context, handle: int | None, name: str) -> Module:
    """The compiled module behind a filter module handle; stops for anything else."""
    refresh(context)
    found: Any = context.datapath.modules.get(handle or 0)
    if not isinstance(found, Module):
        wrong_handle(handle, HandleKind.FILTER_MODULE, name)
        raise EmulatorError(f"{name}: a wrong handle did not stop")
    return found


def _below(stack: Stack, below: list[Module]) -> tuple[Below | Stack, bool]:
    """What is next below these modules (the lowest first), and whether what is sent there is refused."""
    send = returns = cancel = None
    blocked = False
    for module in reversed(below):
        if send is None:
            blocked = blocked or module.state not in MODULE_MOVES
            if module.send.function is not None:
                send = module
        if returns is None and module.returns.function is not None:
            returns = module
        if cancel is None and module.edge.cancels[0].function is not None:
            cancel = module
    if send is None:
        blocked = blocked or stack.state not in ADAPTER_MOVES or stack.send.function is None
    sends: Below | Stack = send.edge if send is not None else stack
    gets: Below | Stack = returns.edge if returns is not None else stack
    cancels = cancel.edge.cancels if cancel is not None else stack.cancels
    if sends is gets and sends.cancels is cancels:
        return sends, blocked
    made = Below()
    made.path, made.checked, made.counters, made.sending = stack.path, stack.checked, sends.counters, sends.sending
    made.driver, made.cancels = gets.driver, cancels
    if sends is gets:
        made.context, made.send, made.returns = sends.context, sends.send, gets.returns
    else:
        made.context = None
        made.send = sends.send.around(_with_context(sends.send, sends.context))
        made.returns = gets.returns.around(_returned(gets, made.counters))
    return made, blocked


def _link_up(
    layer: Stack | Module,
    above: list[Module],
    stack: Stack,
    receivers: tuple[Binding, ...],
    receiver: Binding | Module | None,
    top: Below | Stack,
) -> None:
    layer.completer = next((module for module in above if module.complete.function is not None), None)
    layer.taker = blocked = None
    for module in above:
        if module.state not in MODULE_MOVES:
            blocked = module
            break
        if module.receive.function is not None:
            layer.taker = module
            break
    through = layer.taker is None and blocked is None
    layer.receivers = receivers if through else ()
    layer.receiver = receiver if through else layer.taker
    layer.turn = blocked.stack if blocked is not None else top
    only = stack.bindings[0] if len(stack.bindings) == 1 else None
    layer.only = Completer(layer.completer, only.handle) if only is not None and layer.completer is not None else only
    if isinstance(layer, Module) and layer.state not in MODULE_MOVES:
        layer.receiver = None


def _counted(module: Module, target: Target, place: int) -> Target:
    """A handler whose counterpart the module does not have: what comes to it from elsewhere has not been counted in."""
    function: Any = target.function
    words, lower, upper, handle = module.path.words, module.counters + place, module.upper + place, module.handle

    def counted(value: Any, first: NET_BUFFER_LIST, flags: int) -> None:
        foreign = 0
        nbl: NET_BUFFER_LIST | None = first
        while nbl is not None:
            foreign += nbl.SourceHandle != handle
            nbl = nbl.Next
        words[lower] += foreign
        words[upper] += foreign
        function(value, first, flags)

    return target.around(counted)


def _with_context(target: Target, value: Any) -> Callable[..., Any] | None:
    function: Any = target.function
    if function is None:
        return None

    def called(_: Any, first: NET_BUFFER_LIST, port: int, flags: int) -> None:
        function(value, first, port, flags)

    return called


def _returned(gets: Below | Stack, counted: int) -> Callable[..., Any] | None:
    """Returns that go to another layer than sends: the caller has counted them for the layer that sends go to."""
    function: Any = gets.returns.function
    if function is None:
        return None
    words, value, wrong, right = gets.path.words, gets.context, counted + RETURNED, gets.counters + RETURNED

    def called(_: Any, first: NET_BUFFER_LIST, flags: int) -> None:
        count = count_of(first)
        words[wrong] -= count
        words[right] += count
        function(value, first, flags)

    return called
