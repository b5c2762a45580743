"""Numbers of the I/O system: major functions, I/O control codes, flags of device objects, NTSTATUS values.

Law: Microsoft's names and values, from wdm.h and ntstatus.h.
"""

from __future__ import annotations

from typing import Final

from emulator.ndis.headers.status import NDIS_STATUS

IRP_MJ_CREATE: Final = 0x00
IRP_MJ_CLOSE: Final = 0x02
IRP_MJ_READ: Final = 0x03
IRP_MJ_WRITE: Final = 0x04
IRP_MJ_DEVICE_CONTROL: Final = 0x0E
IRP_MJ_INTERNAL_DEVICE_CONTROL: Final = 0x0F
IRP_MJ_SHUTDOWN: Final = 0x10
IRP_MJ_CLEANUP: Final = 0x12
IRP_MJ_POWER: Final = 0x16
IRP_MJ_SYSTEM_CONTROL: Final = 0x17
IRP_MJ_PNP: Final = 0x1B
IRP_MJ_MAXIMUM_FUNCTION: Final = 0x1B
IRP_MN_START_DEVICE: Final = 0x00
IRP_MN_FILTER_RESOURCE_REQUIREMENTS: Final = 0x0D

METHOD_BUFFERED: Final = 0
METHOD_IN_DIRECT: Final = 1
METHOD_OUT_DIRECT: Final = 2
METHOD_NEITHER: Final = 3
FILE_ANY_ACCESS: Final = 0
FILE_READ_ACCESS: Final = 1
FILE_WRITE_ACCESS: Final = 2

DO_BUFFERED_IO: Final = 0x04
DO_DIRECT_IO: Final = 0x10
DO_DEVICE_INITIALIZING: Final = 0x80

IO_NO_INCREMENT: Final = 0
IO_NETWORK_INCREMENT: Final = 2

STATUS_SUCCESS: Final = NDIS_STATUS(0x0000_0000)
STATUS_PENDING: Final = NDIS_STATUS(0x0000_0103)
STATUS_UNSUCCESSFUL: Final = NDIS_STATUS(0xC000_0001)
STATUS_NOT_IMPLEMENTED: Final = NDIS_STATUS(0xC000_0002)
STATUS_INVALID_HANDLE: Final = NDIS_STATUS(0xC000_0008)
STATUS_INVALID_PARAMETER: Final = NDIS_STATUS(0xC000_000D)
STATUS_NO_SUCH_DEVICE: Final = NDIS_STATUS(0xC000_000E)
STATUS_INVALID_DEVICE_REQUEST: Final = NDIS_STATUS(0xC000_0010)
STATUS_ACCESS_DENIED: Final = NDIS_STATUS(0xC000_0022)
STATUS_BUFFER_TOO_SMALL: Final = NDIS_STATUS(0xC000_0023)
STATUS_OBJECT_NAME_NOT_FOUND: Final = NDIS_STATUS(0xC000_0034)
STATUS_DEVICE_BUSY: Final = NDIS_STATUS(0x8000_0011)
STATUS_NOT_SUPPORTED: Final = NDIS_STATUS(0xC000_00BB)
STATUS_CANCELLED: Final = NDIS_STATUS(0xC000_0120)


def CTL_CODE(DeviceType: int, Function: int, Method: int, Access: int, /) -> int:
    """An I/O control code; a macro of wdm.h."""
    return DeviceType << 16 | Access << 14 | Function << 2 | Method


def NT_SUCCESS(Status: int, /) -> bool:
    """Is it a success or an informational status?  A macro of ntdef.h."""
    return Status & 0xFFFF_FFFF < 0x8000_0000


def is_error(status: int) -> bool:
    """Is it an NTSTATUS of the severity error?  Such a request brings no data back."""
    return status >> 30 & 3 == 3
