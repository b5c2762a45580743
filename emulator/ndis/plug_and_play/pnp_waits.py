"""Waiting in the PnP thread for what drivers leave pending.

Law: every wait has a deadline, and the stop that ends it says who is in the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.kernel.lanes import serve_beside
from emulator.kernel.stop import stop
from emulator.kernel.waits import look_until
from emulator.layout.handles import INDEX_MASK
from emulator.ndis.data_path import ledger
from emulator.ndis.plug_and_play.bindings import COMPLETED

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context

WATCHDOG_NS = 10_000_000_000


def drain(
    context: Context,
    ready: Callable[[], bool],
    kind: int,
    handle: int,
    what: str,
    driver: int = 0,
    verifier: tuple[int, str] | None = None,
    completion: str = "",
) -> None:
    """Wait until it is ready; when the time is over the stop says who has what in hand.

    ``handle`` is the adapter's, ``driver`` the image that is waited for, where it is one, ``completion`` the call that
    it has to make.  ``verifier`` is the rule of Driver Verifier for this wait, by number and name, which takes the
    place of NDIS's watchdog in the checked build.
    """
    # Counters of other contexts change without a wake-up.
    if look_until(context, ready, context.platform.now() + WATCHDOG_NS, lambda: serve_beside(context)):
        return
    context.driver = driver
    held = ledger.outstanding(context.machine, handle & INDEX_MASK)
    timed = verifier if verifier is not None and context.machine.checked else None
    code, *parameters = (0xC4, timed[0], 0, handle) if timed is not None else (0x7C, 0x25, kind, handle)
    missing = f": it returned NDIS_STATUS_PENDING, and {completion} has not been called" if completion else ""
    stop(
        code,
        *parameters,
        rule=timed[1] if timed is not None else "",
        text=f"{what[0].upper()}{what[1:]} has not completed within {WATCHDOG_NS // 1_000_000_000} seconds{missing}.",
        holders=held.holders,
    )


def await_completion(
    context: Context,
    record: Any,
    kind: int,
    handle: int,
    what: str,
    driver: int,
    completion: str,
    verifier: tuple[int, str] | None = None,
) -> None:
    """Wait until what a driver has left pending on an adapter, a filter module or a binding is completed."""
    drain(context, lambda: record.completion == COMPLETED, kind, handle, what, driver, verifier, completion)


def signed(status: int) -> int:
    """A status as it lies in a record, as a number with a sign."""
    return status - (1 << 32) if status >> 31 else status
