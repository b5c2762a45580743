"""What NDIS remembers of an adapter, by OID, to answer queries: what its miniport has told, and what was last set.

Law: bytes as they lie in memory on x64, each in a block of nonpaged pool that goes with the adapter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.pool import OFFSET_MASK
from emulator.layout.machine import SystemLock
from emulator.ndis.headers import oids
from emulator.ndis.services.memory import keep

if TYPE_CHECKING:
    from emulator.kernel.context import Context

TAG: Final = int.from_bytes(b"NdAt", "little")

TOLD: Final = (
    oids.OID_GEN_SUPPORTED_LIST,
    oids.OID_GEN_RECEIVE_SCALE_CAPABILITIES,
    oids.OID_PM_CURRENT_CAPABILITIES,
    oids.OID_PM_HARDWARE_CAPABILITIES,
    oids.OID_TCP_OFFLOAD_CURRENT_CONFIG,
    oids.OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES,
)
"""By the miniport, in its attributes or in a status indication."""
LAST_SET: Final = (
    oids.OID_GEN_RECEIVE_SCALE_PARAMETERS,
    oids.OID_GEN_RECEIVE_SCALE_PARAMETERS_V2,
    oids.OID_OFFLOAD_ENCAPSULATION,
)
"""Whose query NDIS answers with what was last set."""
OVERHEARD: Final = (oids.OID_GEN_RECEIVE_HASH,)
"""Whose last set NDIS looks at, though the miniport answers the query."""
REMEMBERED: Final = {oid: place for place, oid in enumerate((*TOLD, *LAST_SET, *OVERHEARD))}
"""Where each stands in ADAPTER.remembered."""


def remember(context: Context, adapter: Any, oid: int, data: bytes) -> bool:
    """Keep this in place of what was known; False when the pool is exhausted."""
    pointer = keep(context, data, TAG) if data else 0
    if pointer is None:
        return False
    platform, place = context.platform, REMEMBERED[oid]
    platform.acquire(SystemLock.REQUESTS)
    before, adapter.remembered[place] = adapter.remembered[place], pointer
    platform.release(SystemLock.REQUESTS)
    if before:
        context.machine.pool.free(before, site=0)
    return True


def remembered(context: Context, adapter: Any, oid: int) -> bytes | None:
    """What is known; None for nothing."""
    platform = context.platform
    platform.acquire(SystemLock.REQUESTS)
    pointer = adapter.remembered[REMEMBERED[oid]]
    block = context.machine.pool.find(pointer) if pointer else None
    start = pointer & OFFSET_MASK
    data = bytes(context.machine.arena.view[start : start + block.length]) if block is not None else None
    platform.release(SystemLock.REQUESTS)
    return data


def forget_all(context: Context, adapter: Any) -> None:
    """The adapter is no more."""
    for place in REMEMBERED.values():
        if adapter.remembered[place]:
            context.machine.pool.free(adapter.remembered[place], site=0)
            adapter.remembered[place] = 0


def as_bytes(value: Any) -> bytes:
    """A structure, memory or bytes as it lies in memory."""
    to_bytes = getattr(value, "to_bytes", None)
    return to_bytes() if to_bytes is not None else bytes(getattr(value, "view", value))
