"""The clock of selective suspend: which adapters may be suspended, and which of them have been idle for long enough.

Law: it looks when the watch does, at counters that are kept anyhow, so that no frame costs anything; it only says what
is wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.lanes import wake_lane
from emulator.layout.handles import INDEX_MASK
from emulator.layout.machine import ContextKind
from emulator.ndis.control_path import oid_lanes
from emulator.ndis.control_path.remembered import remembered
from emulator.ndis.data_path import ledger
from emulator.ndis.headers.constants import NDIS_PM_SELECTIVE_SUSPEND_SUPPORTED
from emulator.ndis.headers.oids import OID_PM_HARDWARE_CAPABILITIES
from emulator.ndis.headers.structures_power import NDIS_PM_CAPABILITIES
from emulator.ndis.plug_and_play.adapters import sleeps
from emulator.ndis.plug_and_play.registration import handler, miniport_of
from emulator.ndis.services.registry import values_of
from emulator.rules.states import AdapterState, IdleState

if TYPE_CHECKING:
    from emulator.kernel.context import Context

SELECTIVE_SUSPEND_MINOR: Final = 30
DEFAULT_TIMEOUT, SHORTEST_TIMEOUT, LONGEST_TIMEOUT = 5, 1, 60
"""Seconds: *SSIdleTimeout."""
SECOND: Final = 1_000_000_000
NOT_FORCED, FORCED = 1, 2
"""What a notification is wanted for: the adapter is idle, or the computer goes to connected standby."""
_REVISION: Final = 2


def prepare(context: Context, handle: int, adapter: Any) -> None:
    """An adapter has been initialized: may it be suspended, and after how many idle seconds?"""
    driver = miniport_of(context, adapter)
    told = remembered(context, adapter, OID_PM_HARDWARE_CAPABILITIES) or b""
    if driver.minor_version < SELECTIVE_SUSPEND_MINOR or not handler(driver, "IdleNotificationHandler"):
        return
    if len(told) < NDIS_PM_CAPABILITIES.LAYOUT.size:
        return
    capabilities = NDIS_PM_CAPABILITIES.from_bytes(told)
    if capabilities.Header.Revision < _REVISION or not capabilities.Flags & NDIS_PM_SELECTIVE_SUSPEND_SUPPORTED:
        return
    values = values_of(context, handle) or {}
    if _number(values, "*selectivesuspend", 1):
        timeout = _number(values, "*ssidletimeout", DEFAULT_TIMEOUT)
        adapter.idle_timeout = min(max(timeout, SHORTEST_TIMEOUT), LONGEST_TIMEOUT)
        adapter.idle_since = context.platform.now()


def _number(values: dict[str, tuple[str, Any]], name: str, default: int) -> int:
    """A registry value that is a number, or a text that is one: keywords of this kind are texts on Windows."""
    _, value = values.get(name, (name, default))
    text = str(value)
    return int(text) if text.isdigit() else default


def look(context: Context, handle: int, adapter: Any, now: int) -> None:
    """The clock: an adapter that nobody has called or asked, and that has nothing in hand, for so long is idle."""
    if not adapter.idle_timeout or not may_be_notified(adapter):
        return
    index = handle & INDEX_MASK
    counts = ledger.layer_counts(context.machine, index)
    activity = sum(counts) + adapter.requests_given
    used = activity != adapter.idle_activity or not oid_lanes.idle(adapter)
    if used or ledger.outstanding(context.machine, index).total:
        adapter.idle_activity, adapter.idle_since = activity, now
    elif now - adapter.idle_since >= adapter.idle_timeout * SECOND:
        adapter.idle_wanted = NOT_FORCED
        context.platform.fence()
        wake_lane(context, ContextKind.PNP)


def next_look(adapters: list[Any], period: int) -> int:
    """How long the clock may wait before it looks again: NDIS is precise to within 30 percent."""
    timeouts: list[int] = [each.idle_timeout for each in adapters if each.idle_timeout]
    return min([period, *(timeout * SECOND * 3 // 10 for timeout in timeouts)])


def may_be_notified(adapter: Any) -> bool:
    """Does it run, awake, with no notification outstanding or about to be?"""
    return (
        adapter.state == AdapterState.RUNNING
        and adapter.idle_state == IdleState.WATCHED
        and not (adapter.idle_wanted or adapter.going or sleeps(adapter))
    )
