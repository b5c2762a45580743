"""The protocol driver of the TCP benchmark: hello that swaps the IPv4 addresses too, as c/copier.c does on one TAP.

Law: hello as it is, but for which bytes change places; both ends of a connection lie on the same side of the adapter.
"""

# A driver: Microsoft's names, and the star import by which it includes a header.
# ruff: noqa: F403

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import sample_drivers
from emulator.ndis import *

_SOURCE: Final = Path(sample_drivers.__file__).with_name("hello.py")
exec(compile(_SOURCE.read_text(encoding="utf-8"), __file__, "exec", dont_inherit=True), globals())

ETHERNET: Final = 6
SOURCE, TARGET = 26, 30
"""Where the addresses of an IPv4 header stand in a frame without a VLAN tag."""


class BothAddresses:
    """In the place of hello's structure of two addresses: each is a station's and a computer's."""

    size: Final = TARGET + 4

    def unpack(self, header: Any) -> tuple[bytes, bytes]:
        """Destination and source."""
        return (
            bytes(header[:ETHERNET]) + bytes(header[TARGET : TARGET + 4]),
            bytes(header[ETHERNET : 2 * ETHERNET]) + bytes(header[SOURCE : SOURCE + 4]),
        )

    def pack_into(self, header: Any, offset: int, destination: bytes, source: bytes) -> None:
        """Write both."""
        header[: 2 * ETHERNET] = destination[:ETHERNET] + source[:ETHERNET]
        header[SOURCE : TARGET + 4] = source[ETHERNET:] + destination[ETHERNET:]


HELLO_ADDRESSES = BothAddresses()
HELLO_HEADER = BothAddresses.size
