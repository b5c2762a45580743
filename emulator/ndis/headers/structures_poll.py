"""Structures of poll mode: what a miniport registers, and what NDIS and the driver tell each other at each poll.

Law: Microsoft's member names, keyword construction, and what is left out is zero.  NDIS makes those that it passes to
the driver's callbacks, and makes them anew, as far as they are read, before each call.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER, Handler


class NDIS_POLL_CHARACTERISTICS(Struct, kw_only=True, eq=False):
    """What NdisRegisterPoll wants to know."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    SetPollNotificationHandler: Handler = None
    PollHandler: Handler = None


class NDIS_POLL_TRANSMIT_DATA(Struct, kw_only=True, eq=False):
    """Sends: how many may be completed, and the driver's answer."""

    MaxNblsToComplete: int = 0
    Reserved1: list[int] = field(default_factory=lambda: [0] * 3)
    CompletedNblChain: Any = None
    NumberOfCompletedNbls: int = 0
    NumberOfRemainingNbls: int = 0
    SendCompleteFlags: int = 0
    Reserved2: int = 0
    Reserved3: list[Any] = field(default_factory=lambda: [None] * 4)


class NDIS_POLL_RECEIVE_DATA(Struct, kw_only=True, eq=False):
    """Receives: how many may be indicated, and the driver's answer."""

    MaxNblsToIndicate: int = 0
    Reserved1: list[int] = field(default_factory=lambda: [0] * 3)
    IndicatedNblChain: Any = None
    NumberOfIndicatedNbls: int = 0
    NumberOfRemainingNbls: int = 0
    Flags: int = 0
    Reserved2: int = 0
    Reserved3: list[Any] = field(default_factory=lambda: [None] * 4)


class NDIS_POLL_DATA(Struct, kw_only=True, eq=False):
    """What NDIS passes to NdisPoll."""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Transmit: NDIS_POLL_TRANSMIT_DATA = field(default_factory=NDIS_POLL_TRANSMIT_DATA)
    Receive: NDIS_POLL_RECEIVE_DATA = field(default_factory=NDIS_POLL_RECEIVE_DATA)


class NDIS_POLL_NOTIFICATION(Struct, kw_only=True, eq=False):
    """What NDIS passes to NdisSetPollNotification: shall the interrupt come?"""

    Header: NDIS_OBJECT_HEADER = field(default_factory=NDIS_OBJECT_HEADER)
    Enabled: bool = False
