"""The ledger of a stack: how many lists are under way, by the counters of its layers, and who has them.

Law: each context counts in cells of its own, one row for each layer, and whoever asks sums them; nothing here is asked
for a frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel.sites import describe_site
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.ndis.buffers.ownership import FILTER_RECEIVES, FILTER_SENDS, RECEIVED, SENDING

if TYPE_CHECKING:
    from emulator.kernel.machine import Machine

SENT, COMPLETED, INDICATED, RETURNED = 0, 1, 2, 3
"""Places of the counters of a layer in the arena's words."""


class Outstanding(NamedTuple):
    """What a stack has in hand: how many lists are in flight, and who holds them."""

    total: int
    holders: list[str]


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
    total = counts[SENT] - counts[COMPLETED] + counts[INDICATED] - counts[RETURNED]
    return Outstanding(total, _in_words(machine, holdings(machine, adapter_index)))


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
            found.extend(each._replace(module=module) for each in _held_by_module(machine, module & INDEX_MASK))
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
    return [(handle & INDEX_MASK, binding) for handle, binding in live if binding.adapter == adapter_index]


def module_outstanding(machine: Machine, handle: int) -> Outstanding:
    """The lists that a filter module has to get back or to give back: its own, and others' that it holds."""
    index = handle & INDEX_MASK
    above, below = _module_counts(machine, index)
    mine = [below[SENT] - below[COMPLETED], above[INDICATED] - above[RETURNED]]
    others = [above[SENT] - above[COMPLETED], below[INDICATED] - below[RETURNED]]
    return Outstanding(sum(map(abs, mine + others)), _in_words(machine, _held_by_module(machine, index)))


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
    """The counters of a layer, summed over all contexts: SENT, COMPLETED, INDICATED, RETURNED."""
    return machine.arena.counted((layer,))[: RETURNED + 1]


def handed_on(machine: Machine, holding: Holding) -> list[str]:
    """Where the lists of a holding were handed on, as far as they are published: up to three places."""
    from emulator.ndis.buffers.publication import published_sites

    sites = published_sites(machine, holding.owner, 3)
    return [f"  {holding.handed} at {describe_site(machine, site)[0]}" for site in sites]
