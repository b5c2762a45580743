"""The control operations that the host hands to the PnP thread of a machine.

Law: numbers that lie in the arena; the host writes them and the floor that serves the control ring carries them out.
"""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class ControlOperation(IntEnum):
    """What the PnP thread shall do; the target is an adapter's number, except for those of WHOLE_MACHINE."""

    START_ADAPTER = 1
    """Initialize the miniport, bind the protocols, restart the stack."""
    STOP_ADAPTER = 2
    """Pause, unbind, halt."""
    PAUSE = 3
    RESTART = 4
    SURPRISE_REMOVE = 5
    """The wire is gone: halt the miniport after having told it so."""
    LINK = 6
    """The link went up (argument 1) or down (argument 0)."""
    UNLOAD = 7
    """Unload every driver, the last loaded first."""
    RESET = 8
    """Reset the adapter's hardware; done when the miniport has completed the reset."""
    POWER = 9
    """Bring the adapter into a device power state: the argument is an NDIS_DEVICE_POWER_STATE."""
    SHUTDOWN = 10
    """Switch the computer off: MiniportShutdownEx of every adapter, and no other call after it."""
    SWITCH_INTERRUPTS = 11
    """Let the driver enable (argument 1) or disable (argument 0) its interrupt, as NDIS may do to find a fault."""
    POWER_PROFILE = 12
    """The computer runs on its battery (argument 1) or on the mains (argument 0)."""
    IDLE = 13
    """Notify the miniport that the adapter is idle, as a computer does that goes to connected standby."""
    WAKE = 14
    """A suspended adapter signals a wake-up event."""
    OID_QUERY = 16
    """A query of NDIS's own: the argument is the OID and, from bit 32 on, the length of its buffer."""
    OID_SET = 17
    """A set of NDIS's own: the argument is the OID, the data are its buffer."""
    INTERFACE_QUERY = 20
    """Ask a network interface's provider: from bit 0 on the object, from 32 on the length, from 48 on the index."""
    INTERFACE_SET = 21
    """Give the data to a network interface's provider; the argument as for INTERFACE_QUERY."""
    LOG = 26
    """Take what the miniport has logged with NdisMWriteLogData; at most what the data have room for."""
    ATTACH_FILTER = 18
    """Attach a module of the filter driver that the data name; the stack is paused meanwhile."""
    DETACH_FILTER = 19
    """Detach the module of the filter driver that the data name; the stack is paused meanwhile."""
    LOAD_DRIVER = 23
    """Load the driver that the data name, by module or path: the host's, with a new generation of contexts."""
    ADMIT_DRIVER = 24
    """Attach and bind the driver of the image that the argument numbers, on every adapter."""
    UNLOAD_DRIVER = 25
    """Unbind or detach the driver that the data name from every adapter, and unload it."""
    UNINSTALL = 22
    """Unbind the protocol driver that the data name everywhere, and call ProtocolUninstall."""


INTERFACE_LENGTH_SHIFT, INTERFACE_INDEX_SHIFT, INTERFACE_INDEX_MASK = 32, 48, 0xFFFF
"""Where the length of the buffer and the interface's index stand in the argument of INTERFACE_QUERY."""
WHOLE_MACHINE = frozenset(
    {
        ControlOperation.UNLOAD,
        ControlOperation.SHUTDOWN,
        ControlOperation.UNINSTALL,
        ControlOperation.INTERFACE_QUERY,
        ControlOperation.INTERFACE_SET,
        ControlOperation.LOAD_DRIVER,
        ControlOperation.ADMIT_DRIVER,
        ControlOperation.UNLOAD_DRIVER,
    }
)
"""Operations that concern the whole machine: they have no target and run alone."""
BESIDE_OTHERS = frozenset({ControlOperation.RESET})
"""Operations that may be under way beside another one on the same adapter."""
