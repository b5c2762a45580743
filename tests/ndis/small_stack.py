"""A miniport and protocols on a fake machine, bound by hand: the data path without PnP.

Law: it writes the records that registration and binding write, and calls only the DDI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.platform import current
from emulator.layout.handles import HandleKind
from emulator.ndis.buffers import publication
from emulator.ndis.data_path import stacks
from emulator.ndis.data_path.datapath_state import data_path
from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER, NET_BUFFER_LIST_POOL_PARAMETERS
from emulator.ndis.plug_and_play.handlers import (
    MINIPORT_CANCEL_SEND,
    MINIPORT_RETURN,
    MINIPORT_SEND,
    PROTOCOL_RECEIVE,
    PROTOCOL_SEND_COMPLETE,
)
from emulator.rules.states import AdapterState, BindingState
from tests.fake_platform import FakeMachine, FakeServices, driver_module, surface

if TYPE_CHECKING:
    from collections.abc import Sequence

MINIPORT = """
    sent = []
    returned = []
    cancelled = []
    on_send = None
    on_return = None

    @callback
    def MPSendNetBufferLists(context, nbl, port, flags):
        sent.append((nbl, flags))
        if on_send is not None:
            on_send(context, nbl, port, flags)

    @callback
    def MPReturnNetBufferLists(context, nbl, flags):
        returned.append((nbl, flags))
        if on_return is not None:
            on_return(context, nbl, flags)

    @callback
    def MPCancelSend(context, cancel_id):
        cancelled.append(cancel_id)

    def indicate(handle, nbl, count, flags=1):
        NdisMIndicateReceiveNetBufferLists(handle, nbl, 0, count, flags)

    def complete(handle, nbl, flags=1):
        NdisMSendNetBufferListsComplete(handle, nbl, flags)

    def allocate(pool, mdl, offset, length):
        return NdisAllocateNetBufferAndNetBufferList(pool, 0, 0, mdl, offset, length)

    def free(nbl):
        NdisFreeNetBufferList(nbl)

    def touch(nbl):
        return nbl.FirstNetBuffer
"""

PROTOCOL = """
    received = []
    completed = []
    on_receive = None
    on_complete = None

    @callback
    def ProtocolReceive(context, nbl, port, count, flags):
        received.append((context, nbl, count, flags))
        if on_receive is not None:
            on_receive(context, nbl, port, count, flags)

    @callback
    def ProtocolSendComplete(context, nbl, flags):
        completed.append((context, nbl, flags))
        if on_complete is not None:
            on_complete(context, nbl, flags)

    def send(handle, nbl, flags=1):
        NdisSendNetBufferLists(handle, nbl, 0, flags)

    def give_back(handle, nbl, flags=1):
        NdisReturnNetBufferLists(handle, nbl, flags)

    def allocate(pool, mdl, offset, length):
        return NdisAllocateNetBufferAndNetBufferList(pool, 0, 0, mdl, offset, length)

    def free(nbl):
        NdisFreeNetBufferList(nbl)

    def touch(nbl):
        return nbl.FirstNetBuffer
"""
MINI, PROTO = 1, 2
DIRECTED_AND_BROADCAST = 0x9


class SmallStack:
    """One adapter with `bindings` bindings of one protocol; everything runs, filters are directed and broadcast."""

    def __init__(
        self,
        *,
        checked: bool = True,
        bindings: int = 1,
        extra: str = "",
        more: Sequence[Any] = (),
        miniport: str = MINIPORT,
        protocol: str = PROTOCOL,
        **geometry: Any,
    ) -> None:
        names = surface(checked=checked)
        self.mini = driver_module("mini", miniport, **names)
        self.proto = driver_module("proto", protocol, **names)
        drivers = [self.mini, self.proto]
        if extra:
            drivers.append(driver_module("extra", extra, **names))
        self.extra: Any = drivers[-1]
        drivers.extend(more)
        self.fake = FakeMachine(drivers, checked=checked, **geometry)
        services: FakeServices = self.fake.services
        services.on_attach, services.on_round = data_path, self._round
        services.on_leave = publication.leave
        self.fake.processor()
        machine = self.fake.machine
        driver_handle, driver = self._allocate(HandleKind.MINIPORT_DRIVER, MINI)
        for place, name in (
            (MINIPORT_SEND, "MPSendNetBufferLists"),
            (MINIPORT_RETURN, "MPReturnNetBufferLists"),
            (MINIPORT_CANCEL_SEND, "MPCancelSend"),
        ):
            driver.handlers[place] = getattr(self.mini, name).__ndis_routine__
        protocol_handle, protocol_record = self._allocate(HandleKind.PROTOCOL_DRIVER, PROTO)
        protocol_record.handlers[PROTOCOL_RECEIVE] = self.proto.ProtocolReceive.__ndis_routine__
        protocol_record.handlers[PROTOCOL_SEND_COMPLETE] = self.proto.ProtocolSendComplete.__ndis_routine__
        self.adapter, self.adapter_record = self._allocate(HandleKind.ADAPTER, MINI, driver_handle)
        self.adapter_record.state = AdapterState.RUNNING
        self.adapter_record.context = 0x77
        self.adapter_record.packet_filter = DIRECTED_AND_BROADCAST
        self.adapter_record.current_address = b"\x02\0\0\0\0\x01"
        self.bindings: list[int] = []
        self.binding_records: list[Any] = []
        for number in range(bindings):
            handle, record = self._allocate(HandleKind.BINDING, PROTO, self.adapter)
            record.adapter = 0
            record.protocol = protocol_handle
            record.context = 0x100 + number
            record.state = BindingState.RUNNING
            record.packet_filter = DIRECTED_AND_BROADCAST
            self.bindings.append(handle)
            self.binding_records.append(record)
        self.binding = self.bindings[0] if self.bindings else 0
        machine.arena.machine.epoch = 1

    def changed(self) -> None:
        """Let every context compile anew."""
        self.fake.arena.machine.epoch += 1
        stacks.refresh(current.context)

    def pool(self, driver: int = MINI, **parameters: Any) -> int:
        """A pool of NET_BUFFER_LISTs; fAllocateNetBuffer TRUE unless said otherwise."""
        given: dict[str, Any] = {"fAllocateNetBuffer": True, "PoolTag": 0x74736554, **parameters}
        made = self._as(
            driver,
            "NdisAllocateNetBufferListPool",
            None,
            NET_BUFFER_LIST_POOL_PARAMETERS(Header=NDIS_OBJECT_HEADER(0x80, 1, 16), **given),
        )
        assert made is not None
        return int(made)

    def memory(self, length: int, driver: int = MINI) -> Any:
        """Nonpaged memory."""
        return self._as(driver, "NdisAllocateMemoryWithTagPriority", None, length, b"Test", 0)

    def mdl(self, length: int = 2048, driver: int = MINI) -> Any:
        """An MDL with memory of its own."""
        return self._as(driver, "NdisAllocateMdl", None, self.memory(length), length)

    def frames(self, pool: int, count: int, length: int = 60) -> Any:
        """A chain of lists of the miniport, ready to be indicated."""
        first = None
        for _ in range(count):
            nbl = self.call(MINI, self.mini.allocate, pool, self.mdl(), 0, length)
            nbl.SourceHandle = self.adapter
            nbl.Next = first
            first = nbl
        return first

    def call(self, driver: int, function: Any, *arguments: Any) -> Any:
        """Call a driver's function as that driver."""
        context = current.context
        before = context.driver
        context.driver = driver
        try:
            return function(*arguments)
        finally:
            context.driver = before

    def _as(self, driver: int, name: str, *arguments: Any) -> Any:
        module = self.mini if driver == MINI else self.proto
        return self.call(driver, getattr(module, name), *arguments)

    def _allocate(self, kind: HandleKind, driver: int, parent: int = 0) -> tuple[int, Any]:
        made = self.fake.machine.objects[kind].allocate(kind, driver=driver, parent=parent, site=0)
        assert made is not None
        if kind in (HandleKind.MINIPORT_DRIVER, HandleKind.PROTOCOL_DRIVER):
            made[1].image = driver
        return made

    @staticmethod
    def _round(context: Any) -> None:
        stacks.refresh(context)
        publication.serve_recalls(context)


def chain(first: Any) -> list[Any]:
    """The lists of a chain."""
    found = []
    while first is not None:
        found.append(first)
        first = first.Next
    return found
