"""The ring through which the host hands control operations to a machine, as records.

Law: as machine.py: data first, sequence number last; every word has one writer or one lock, and the lock is named.
"""

from __future__ import annotations

from typing import Literal

from emulator.layout.records import Array, Bytes, Record, u32, u64

CONTROL_DATA_BYTES = 2048


class CONTROL(Record):
    """One control operation handed to the PnP thread: written by the host, answered by the context of ``slot``.

    ``started`` and ``slot`` are written under CONTROL; ``finished`` comes last of all.  ``data`` are what the host
    gives, then what it is answered; ``needed`` says how many bytes an answer that found no room has.
    """

    operation: u32
    target: u32
    argument: u64
    status: u32
    slot: u32
    started: u64
    finished: u64
    length: u32
    needed: u32
    data: Bytes[Literal[2048]]

    @property
    def content(self) -> bytes:
        """The data, as long as they say; whoever wrote them is not trusted."""
        return self.data[: self.length]

    def hold(self, content: bytes) -> None:
        """Put data here."""
        self.data = content.ljust(CONTROL_DATA_BYTES, b"\0")
        self.length = len(content)


class CONTROL_RING(Record):
    """Control operations in order; ``put`` belongs to the host.  Lock of the others: CONTROL.

    Whatever lies before ``done`` is finished; ``finished`` counts all that are, in whatever order.
    """

    put: u32
    put_padding: Array[u32, Literal[15]]
    finished: u32
    done: u32
    done_padding: Array[u32, Literal[14]]
