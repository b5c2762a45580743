"""Frees a clone as if it had MDLs of its own."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnReceive(binding: BINDING, nbl: NET_BUFFER_LIST, flags: int) -> None:
    clone = NdisAllocateCloneNetBufferList(nbl, binding.Pool, None, NDIS_CLONE_FLAGS_USE_ORIGINAL_MDLS)
    if clone is not None:
        NdisFreeCloneNetBufferList(clone, NDIS_CLONE_FLAGS_USE_ORIGINAL_MDLS if REPAIRED else 0)  # stop
    if not flags & NDIS_RECEIVE_FLAGS_RESOURCES:
        NdisReturnNetBufferLists(binding.Handle, nbl, NDIS_RETURN_FLAGS_DISPATCH_LEVEL)
