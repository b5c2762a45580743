"""The structures in nonpaged pool that NDIS brings, as a driver brings its contexts.

Law: numbered in this order, before those of the drivers; every process that knows a number finds the same type.
"""

from __future__ import annotations

from emulator.kernel.lookaside import LOOKASIDE
from emulator.ndis.buffers.media_information import (
    NDIS_NBL_MEDIA_SPECIFIC_INFORMATION,
    NDIS_NBL_MEDIA_SPECIFIC_INFORMATION_EX,
)
from emulator.ndis.devices.device_objects import DEVICE_OBJECT
from emulator.ndis.devices.irps import FILE_OBJECT, IRP
from emulator.ndis.headers.dma_structures import SCATTER_GATHER_LIST
from emulator.ndis.headers.oid_structures import NDIS_OID_REQUEST
from emulator.ndis.services.read_write_locks import NDIS_RW_LOCK_EX

BUILT_IN_TYPES: tuple[type, ...] = (
    NDIS_OID_REQUEST,
    DEVICE_OBJECT,
    NDIS_RW_LOCK_EX,
    LOOKASIDE,
    IRP,
    FILE_OBJECT,
    NDIS_NBL_MEDIA_SPECIFIC_INFORMATION,
    NDIS_NBL_MEDIA_SPECIFIC_INFORMATION_EX,
    SCATTER_GATHER_LIST,
)
