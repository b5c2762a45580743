"""Filter modules on the small stack: one driver for each, with the handlers that a test wants.

Law: as small_stack.py: it writes the records that registration and attaching write, and calls only the DDI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.layout.handles import HandleKind
from emulator.ndis.data_path import ledger
from emulator.ndis.plug_and_play.handlers import FILTER_HANDLERS
from emulator.rules.states import FilterState
from tests.fake_platform import driver_module, surface
from tests.ndis.small_stack import SmallStack

if TYPE_CHECKING:
    from collections.abc import Sequence

FILTER: Final = """
    seen = []
    own = []
    handle = 0
    hold = False

    @callback
    def Send(context, nbl, port, flags):
        seen.append(("send", flags))
        if not hold:
            NdisFSendNetBufferLists(handle, nbl, port, flags)

    @callback
    def SendComplete(context, nbl, flags):
        seen.append(("send complete", nbl.Status))
        if nbl.SourceHandle == handle:
            NdisFreeNetBufferList(nbl)
        else:
            NdisFSendNetBufferListsComplete(handle, nbl, flags)

    @callback
    def CancelSend(context, cancel_id):
        seen.append(("cancel", cancel_id))
        NdisFCancelSendNetBufferLists(handle, cancel_id)

    @callback
    def Receive(context, nbl, port, count, flags):
        seen.append(("receive", count, flags))
        if not hold:
            NdisFIndicateReceiveNetBufferLists(handle, nbl, port, count, flags)

    @callback
    def Return(context, nbl, flags):
        seen.append(("return", flags))
        if nbl.SourceHandle == handle:
            NdisFreeNetBufferList(nbl)
        else:
            NdisFReturnNetBufferLists(handle, nbl, flags)

    def send(nbl, flags=1):
        NdisFSendNetBufferLists(handle, nbl, 0, flags)

    def complete(nbl, flags=1):
        NdisFSendNetBufferListsComplete(handle, nbl, flags)

    def indicate(nbl, count, flags=1):
        NdisFIndicateReceiveNetBufferLists(handle, nbl, 0, count, flags)

    def give_back(nbl, flags=1):
        NdisFReturnNetBufferLists(handle, nbl, flags)

    def allocate(pool, mdl, offset, length):
        return NdisAllocateNetBufferAndNetBufferList(pool, 0, 0, mdl, offset, length)
"""
NAMES: Final = {
    "Send": "SendNetBufferListsHandler",
    "SendComplete": "SendNetBufferListsCompleteHandler",
    "CancelSend": "CancelSendNetBufferListsHandler",
    "Receive": "ReceiveNetBufferListsHandler",
    "Return": "ReturnNetBufferListsHandler",
}
EVERYTHING: Final = tuple(NAMES)
FIRST_FILTER: Final = 3


class FilteredStack(SmallStack):
    """A small stack with a filter module for each set of handlers in ``filters``, the lowest first."""

    def __init__(self, filters: Sequence[Sequence[str]], **options: Any) -> None:
        names = surface(checked=options.get("checked", True))
        self.filters: list[Any] = [driver_module(f"filter{n}", FILTER, **names) for n in range(len(filters))]
        super().__init__(more=self.filters, **options)
        self.modules: list[int] = []
        self.module_records: list[Any] = []
        for place, handlers in enumerate(filters):
            module = self.filters[place]
            driver_handle, driver = self._allocate(HandleKind.FILTER_DRIVER, FIRST_FILTER + place)
            for name in handlers:
                driver.handlers[FILTER_HANDLERS.index(NAMES[name])] = getattr(module, name).__ndis_routine__
            handle, record = self._allocate(HandleKind.FILTER_MODULE, FIRST_FILTER + place, self.adapter)
            record.adapter, record.position, record.filter_driver = 0, place, driver_handle
            record.context, record.state = 0x500 + place, FilterState.RUNNING
            module.handle = handle
            self.modules.append(handle)
            self.module_records.append(record)
        self.changed()

    def frames_of(self, place: int, pool: int) -> Any:
        """A list of a filter's own."""
        driver = FIRST_FILTER + place
        nbl = self.call(driver, self.filters[place].allocate, pool, self.mdl(driver=driver), 0, 60)
        nbl.SourceHandle = self.modules[place]
        return nbl

    def left(self) -> list[int]:
        """How many lists each layer has outstanding: the adapter, then each filter module."""
        machine = self.fake.machine
        modules = [ledger.module_outstanding(machine, handle).total for handle in self.modules]
        return [ledger.outstanding(machine, 0).total, *modules]
