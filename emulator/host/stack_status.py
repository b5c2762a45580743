"""How a machine's stacks are, read from the arena while it runs: states, layers, and who blocks an operation.

Law: as statistics.py: glances at words that are bounds-checked, and nothing is locked.  The words for lists in hand are
NDIS's own (emulator.ndis.plug_and_play.blockers), so that they are those of the stop that would come; NDIS is imported
when they are needed, which is while an operation waits.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, cast

from emulator.host import blackbox
from emulator.host.messages import AdapterStatus, LayerStatus, MachineStatus
from emulator.kernel.objects import ObjectTable
from emulator.kernel.pool import Pool
from emulator.layout.arena import OBJECT_TABLES
from emulator.layout.handles import INDEX_MASK, KIND_SHIFT, HandleKind
from emulator.rules.states import AdapterState, BindingState, FilterState

if TYPE_CHECKING:
    from enum import IntEnum

    from emulator.host.messages import Names
    from emulator.host.supervisor import Supervisor
    from emulator.kernel.machine import Machine

_READ: Final = (
    HandleKind.ADAPTER,
    HandleKind.BINDING,
    HandleKind.FILTER_MODULE,
    HandleKind.NET_BUFFER_LIST_POOL,
    HandleKind.PROTOCOL_DRIVER,
)
_CONNECTED: Final = 1
"""MediaConnectStateConnected."""
_WAITING: Final = 1
"""In ``completion`` of an adapter, a binding or a module: its driver has left something pending, or is at it."""
_RESET_PENDING: Final = 3
"""emulator.ndis.plug_and_play.pnp_reset.PENDING."""
_DAMAGED: Final = (IndexError, ValueError, KeyError, struct.error)
"""What a reader of an arena meets in which somebody has written nonsense."""
_FILTER_PENDING: Final = {
    FilterState.PAUSING: ("FilterPause", "NdisFPauseComplete"),
    FilterState.RESTARTING: ("FilterRestart", "NdisFRestartComplete"),
}
_ADAPTER_PENDING: Final = {
    AdapterState.PAUSING: ("MiniportPause", "NdisMPauseComplete"),
    AdapterState.RESTARTING: ("MiniportRestart", "NdisMRestartComplete"),
}
_PROTOCOL_PENDING: Final = {
    True: ("ProtocolBindAdapterEx", "NdisCompleteBindAdapterEx"),
    False: ("ProtocolUnbindAdapterEx", "NdisCompleteUnbindAdapterEx"),
}


class _Images:
    """Names by number, as the zygote told them."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def driver_name(self, number: int) -> str:
        """The short name of an image."""
        return blackbox.entry(self._names.images, number - 1)

    def describe_code(self, code: int, offset: int) -> str:
        """``file:line in function`` of an instruction."""
        return blackbox.code_name(self._names, code, offset)


class Reading:
    """As much of a machine (emulator.kernel.machine) as the host can see of it: what NDIS's own words are made from."""

    def __init__(self, machine: Supervisor) -> None:
        self.arena = machine.arena
        self.geometry = machine.geometry
        self.images = _Images(machine.names)
        self.pool = Pool(self.arena)
        self.objects: dict[HandleKind, ObjectTable] = {}
        known: dict[str, ObjectTable] = {}
        for kind in _READ:
            record, count = OBJECT_TABLES[kind]
            known[count] = known.get(count) or ObjectTable(self.arena, record, count, 0)
            self.objects[kind] = known[count]

    def describe_slot(self, slot: int) -> str:
        """A context in words."""
        box = self.arena.slots[slot]
        return blackbox.words_of(box.kind, box.index)

    def lists(self, layer: int) -> tuple[int, int]:
        """Lists that are sent and not completed, and those that are indicated and not returned, at a layer."""
        sent, completed, indicated, returned = self.arena.counted((layer,))[:4]
        return sent - completed, indicated - returned


class _Stack:
    """The records of one adapter's stack."""

    def __init__(self, reading: Reading, handle: int, adapter: Any) -> None:
        self.reading = reading
        self.index = handle & INDEX_MASK
        self.adapter = adapter
        self.bindings = _children(reading, HandleKind.BINDING, handle)
        self.modules = sorted(
            _children(reading, HandleKind.FILTER_MODULE, handle), key=lambda each: each[1].position, reverse=True
        )

    def fill(self, status: AdapterStatus) -> None:
        """What there is, and in which state."""
        reading, geometry = self.reading, self.reading.geometry
        driver = reading.images.driver_name
        status.state = _word(AdapterState, self.adapter.state)
        status.miniport = driver(self.adapter.head.driver)
        status.power = f"d{max(self.adapter.power_state - 1, 0)}"
        status.lists = sum(reading.lists(self.index))
        for place, record in self.bindings:
            lists = sum(reading.lists(geometry.all_adapters + place))
            status.protocols.append(
                LayerStatus(driver(record.head.driver), _word(BindingState, record.state), "", lists)
            )
        for place, record in self.modules:
            edge = geometry.all_adapters + geometry.bindings + 2 * place
            (sends_below, receives_below), (sends_above, receives_above) = reading.lists(edge), reading.lists(edge + 1)
            held = sends_above - sends_below + receives_below - receives_above
            name = record.name.rstrip(b"\0").decode(errors="replace")
            status.filters.append(LayerStatus(driver(record.head.driver), _word(FilterState, record.state), name, held))

    def blockers(self, now: int) -> list[str]:
        """Who keeps an operation from its end while no callback runs: what is pending or has not been given back."""
        return [*self._pending(now), *self.in_hand(now)]

    def _pending(self, now: int) -> list[str]:
        adapter = self.adapter
        left = [(each, "ProtocolNetPnPEvent", "NdisCompleteNetPnPEvent") for _, each in self.bindings]
        left += [(each, *_FILTER_PENDING[each.state]) for _, each in self.modules if each.state in _FILTER_PENDING]
        if adapter.state in _ADAPTER_PENDING:
            left.append((adapter, *_ADAPTER_PENDING[adapter.state]))
        found = []
        for record, what, completion in left:
            if record.completion == _WAITING:
                driver, seconds = self._driver(record), _seconds(now, record.moved)
                found.append(f"{driver} has left {what} pending for {seconds}: {completion} has not been called")
        if adapter.reset_state == _RESET_PENDING:
            driver, seconds = self._driver(adapter), _seconds(now, adapter.reset_since)
            found.append(
                f"{driver} has left MiniportResetEx pending for {seconds}: NdisMResetComplete has not been called"
            )
        return found + self._operation()

    def _operation(self) -> list[str]:
        """A bind or an unbind that a protocol has left pending."""
        adapter = self.adapter
        protocols = self.reading.objects[HandleKind.PROTOCOL_DRIVER]
        protocol = protocols.find(adapter.operation_of, HandleKind.PROTOCOL_DRIVER)
        if adapter.completion != _WAITING or protocol is None:
            return []
        binds = adapter.operation >> KIND_SHIFT == HandleKind.BIND_CONTEXT
        what, completion = _PROTOCOL_PENDING[binds]
        return [f"{self._driver(protocol)} has left {what} pending: {completion} has not been called"]

    def in_hand(self, now: int) -> list[str]:
        """Lists and OID requests, in NDIS's own words; whoever pauses is given no more lists, so he had them before."""
        pausing = [(self.adapter, AdapterState.PAUSING), *((each, BindingState.PAUSING) for _, each in self.bindings)]
        pausing += [(each, FilterState.PAUSING) for _, each in self.modules]
        since = min((record.moved for record, state in pausing if record.state == state), default=0)
        adapter = self.adapter
        if not since and not any(lane.request for lane in (adapter, *(each for _, each in self.modules))):
            return []
        from emulator.ndis.plug_and_play.blockers import blockers

        lines = []
        for blocker in blockers(cast("Machine", self.reading), adapter.number):
            lines.append(blocker._replace(since=blocker.since or since).line(now))
            lines += [f"  {where}" for where in blocker.where]
        return lines

    def _driver(self, record: Any) -> str:
        return self.reading.images.driver_name(record.head.driver)


def of(machine: Supervisor, request: int, now: int) -> MachineStatus:
    """The status of a machine."""
    reading = Reading(machine)
    adapters = []
    names = [adapter.name or f"adapter{number}" for number, adapter in enumerate(machine.specification.adapters)]
    for number, name in [*enumerate(names), *_virtual(reading)]:
        status = AdapterStatus(number, name, "starting")
        try:
            _fill(machine, reading, status, now)
        except _DAMAGED as error:
            status.state, status.blocked_by = "unreadable", [f"the arena is damaged: {error}"]
        adapters.append(status)
    unloaded = machine.arena.machine.unloaded
    drivers = [name for number, name in enumerate(machine.names.images, 1) if not unloaded >> number & 1]
    phase = machine.phase.value
    return MachineStatus(machine.number, request, machine.specification.name, phase, drivers, adapters)


def in_hand(machine: Supervisor, slot: int, now: int) -> list[str]:
    """What drivers have in hand of the adapter whose pause a context is at; nothing where it is at none."""
    reading = Reading(machine)
    try:
        for handle, adapter in reading.objects[HandleKind.ADAPTER].live():
            _, started = machine.lane.of_adapter(adapter.number)
            if started and machine.lane.slot_of(adapter.number) == slot:
                return _Stack(reading, handle, adapter).in_hand(now)
    except _DAMAGED:
        pass  # the stop tells of what it was for
    return []


def _virtual(reading: Reading) -> list[tuple[int, str]]:
    """Number and name of each adapter that an intermediate driver has made."""
    made = [adapter for _, adapter in reading.objects[HandleKind.ADAPTER].live() if adapter.virtual]
    return sorted((adapter.number, adapter.name.rstrip(b"\0").decode(errors="replace")) for adapter in made)


def _fill(machine: Supervisor, reading: Reading, status: AdapterStatus, now: int) -> None:
    port = machine.ports[status.number] if status.number < len(machine.ports) else None
    status.link = port is not None and port.linked
    status.operation, started = machine.lane.of_adapter(status.number)
    if started:
        status.seconds = max(0, now - started) / 1e9
        status.blocked_by = _at_work(machine, status.number, now)
    for handle, adapter in reading.objects[HandleKind.ADAPTER].live():
        if adapter.number == status.number:
            stack = _Stack(reading, handle, adapter)
            stack.fill(status)
            status.link = port.linked if port is not None else adapter.media_connect_state == _CONNECTED
            if started:
                # A callback that runs may wait for what another driver has in hand.
                status.blocked_by += stack.in_hand(now) if status.blocked_by else stack.blockers(now)
            return
    status.state = "removed" if port is not None and port.removed else "halted" if machine.all_born else "starting"


def _at_work(machine: Supervisor, number: int, now: int) -> list[str]:
    """The callback that the PnP thread of an adapter's operation is in, if it is in one."""
    box = blackbox.read(machine.arena, machine.names, machine.lane.slot_of(number), now)
    if not box.routine or not box.for_ns:
        return []
    where = f", last at {box.site}" if box.site else ""
    return [f"{box.routine} has been running for {box.for_ns / 1e9:.1f} s{where}"]


def _children(reading: Reading, kind: HandleKind, parent: int) -> list[tuple[int, Any]]:
    """The live objects of an adapter: (place in the table, record)."""
    found = reading.objects[kind].live()
    return [(handle & INDEX_MASK, record) for handle, record in found if record.head.parent == parent]


def _word(states: type[IntEnum], state: int) -> str:
    try:
        return states(state).name.lower()
    except ValueError:
        return f"state {state}"


def _seconds(now: int, since: int) -> str:
    return f"{max(0, now - since) / 1e9:.1f} s"
