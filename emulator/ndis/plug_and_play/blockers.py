"""Who is in the way of an adapter's pause or halt: which driver has what in hand, and since when.

Law: reads shared memory only, so that any context may ask, and the host too; it takes no lock and calls no driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.kernel.sites import describe_site
from emulator.layout.handles import INDEX_MASK, HandleKind
from emulator.ndis.control_path.oid_answers import describe
from emulator.ndis.data_path import ledger
from emulator.ndis.headers.oid_structures import NDIS_OID_REQUEST

if TYPE_CHECKING:
    from emulator.kernel.machine import Machine

OFFSET_MASK = (1 << 40) - 1
MOST_REQUESTS = 64


class Blocker(NamedTuple):
    """One thing that a driver has in hand.

    ``since`` is the machine's clock in ns: of an OID request when it was issued; of lists when the driver last gave one
    on or got its first, as far as NDIS has looked (it does once a second); 0 where NDIS has not looked yet.
    """

    driver: str
    holds: str
    since: int
    where: list[str]

    def line(self, now: int) -> str:
        """In one line, for people."""
        age = f", for {(now - self.since) / 1e9:.1f} s" if self.since else ""
        return f"{self.driver} has {self.holds}{age}"


def blockers(machine: Machine, adapter: int) -> list[Blocker]:
    """What the drivers of an adapter's stack (its number as in the specification) have in hand; empty: nothing."""
    for handle, record in machine.objects[HandleKind.ADAPTER].live():
        if record.number == adapter:
            return [*_lists(machine, handle & INDEX_MASK), *_requests(machine, handle, record)]
    return []


def _lists(machine: Machine, index: int) -> list[Blocker]:
    found = []
    for holding in ledger.holdings(machine, index):
        where = [line.strip() for line in ledger.handed_on(machine, holding)] if holding.owner else []
        since = machine.arena.look(holding.layer).since if holding.owner else 0
        found.append(Blocker(holding.driver, holding.text.format(holding.number), since, where))
    return found


def _requests(machine: Machine, handle: int, adapter: Any) -> list[Blocker]:
    modules = machine.objects[HandleKind.FILTER_MODULE].live()
    lanes = [adapter, *(record for _, record in modules if record.head.parent == handle)]
    found = []
    for lane in lanes:
        name = machine.images.driver_name(lane.head.driver)
        if lane.request_state:
            found += _request(machine, lane.request, name, "{} in hand")
        found += _listed(machine, lane.unserialised, name, "{} in hand")
        found += _listed(machine, lane.request_head, name, "{} waiting for it")
    return found


def _listed(machine: Machine, pointer: int, driver: str, holds: str) -> list[Blocker]:
    found = []
    for _ in range(MOST_REQUESTS):
        request = _find(machine, pointer)
        if request is None:
            break
        found += _request(machine, pointer, driver, holds)
        pointer = request.ndis_next
    return found


def _request(machine: Machine, pointer: int, driver: str, holds: str) -> list[Blocker]:
    request = _find(machine, pointer)
    if request is None:
        return []
    site = request.ndis_issued_site
    where = [f"issued at {describe_site(machine, site)[0]}"] if site else []
    return [Blocker(driver, holds.format(describe(request)), request.ndis_issued, where)]


def _find(machine: Machine, pointer: int) -> Any:
    """The request behind a reference, as it lies in memory; None for anything else."""
    block = machine.pool.find(pointer) if pointer else None
    if block is None or block.length < NDIS_OID_REQUEST.size():
        return None
    return NDIS_OID_REQUEST.at(machine.arena.memory, pointer & OFFSET_MASK)
