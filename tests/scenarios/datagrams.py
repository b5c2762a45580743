"""Numbered datagrams both ways between two networks, while something is done to the machine that joins them.

Law: a datagram carries its number, so that each one that is lost is known; what disturbs the traffic says from which
number to which number frames may be lost, and every other one must arrive, in order and undamaged.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.patience import DEADLINE
from tests.scenarios.networks import inside

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.testing import Nic
    from tests.scenarios.networks import Networks

WINDOW: Final = 32
PATIENCE: Final = 0.05
"""Seconds without any datagram after which more are sent."""
MOST_UNDER_WAY: Final = 256
"""Fewer than any queue of the kernel holds, so that none overflows while the machine has no processor to run on."""
SO_RCVBUFFORCE: Final = 33
BUFFER: Final = 4 << 20
SIZES: Final = (16, 700, 1472)


class Gap(NamedTuple):
    """Numbers that may be lost, for a reason."""

    first: int
    end: int
    why: str


class Flow:
    """Numbered datagrams of one direction; a few are under way at once, and those that stay out are given up."""

    def __init__(self, networks: Networks, source: Nic, target: Nic, window: int = WINDOW) -> None:
        self.window = window
        self.sent = 0
        """The next number."""
        self.newest = -1
        """The highest number that has arrived."""
        self.lost: list[int] = []
        self.doubled: list[int] = []
        self.reordered: list[int] = []
        """Those that came behind one that was sent after them; they are not lost."""
        self.damaged: list[int] = []
        self.gaps: list[Gap] = []
        self._base = 0
        self._heard = time.monotonic()
        with inside(source):
            self._out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with inside(target):
            self._in = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._in.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._in.bind((networks.address(target), 0))
        self._in.setblocking(False)
        self._out.setblocking(False)
        self._out.connect(self._in.getsockname())

    def fileno(self) -> int:
        """Readable when a datagram has arrived."""
        return self._in.fileno()

    def step(self) -> None:
        """Take what has arrived, give up what stays out, send as many as may be under way."""
        self.take()
        now = time.monotonic()
        if now - self._heard > PATIENCE:
            # Those under way are lost, or only late: when they are many the next ones are sent singly.
            few = self.sent - self.newest <= MOST_UNDER_WAY
            self._base, self._heard = self.sent if few else self.sent - self.window + 1, now
        while self.sent - max(self._base, self.newest + 1) < self.window:
            self.sent += 1  # before it is sent: whoever reads this knows that what comes next has a higher number
            with contextlib.suppress(OSError):  # no carrier, no room: as good as lost on the wire
                self._out.send(self._body(self.sent - 1))

    def take(self) -> None:
        """Take what has arrived: in order, each once, undamaged."""
        with contextlib.suppress(BlockingIOError):
            while True:
                body = self._in.recv(2048)
                number = int.from_bytes(body[:8], "big")
                self._heard = time.monotonic()
                if number >= self.sent or body != self._body(number):
                    self.damaged.append(number)
                elif number > self.newest:
                    self.lost += range(self.newest + 1, number)
                    self.newest = number
                elif number in self.lost:
                    self.lost.remove(number)
                    self.reordered.append(number)
                else:
                    self.doubled.append(number)

    @property
    def wrong(self) -> list[str]:
        """What did not come in order, once and undamaged."""
        kinds = {"reordered": self.reordered, "doubled": self.doubled, "damaged": self.damaged}
        return [f"{number} is {kind}" for kind, numbers in kinds.items() for number in numbers]

    @staticmethod
    def _body(number: int) -> bytes:
        return (number.to_bytes(8, "big") * 184)[: SIZES[number % len(SIZES)]]

    def unexplained(self) -> list[int]:
        """The numbers that were lost and that nothing explains."""
        return [number for number in self.lost if not any(gap.first <= number < gap.end for gap in self.gaps)]

    def close(self) -> None:
        """Close both sockets."""
        self._in.close()
        self._out.close()


class Exchange:
    """Datagrams both ways at once, in a thread of their own, while something is done to the machine."""

    def __init__(self, networks: Networks, flows: int = 1, window: int = WINDOW) -> None:
        """So many flows each way, of each so many datagrams under way."""
        ways = [tuple(networks.nics), tuple(reversed(networks.nics))] * flows
        self.flows = [Flow(networks, source, target, window) for source, target in ways]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Exchange:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        for flow in self.flows:
            flow.close()

    def _run(self) -> None:
        poll = select.poll()
        for flow in self.flows:
            poll.register(flow, select.POLLIN)
        while not self._over.is_set():
            for flow in self.flows:
                flow.step()
            poll.poll(5)
        deadline = time.monotonic() + DEADLINE
        while self._outstanding() and time.monotonic() < deadline:
            if not poll.poll(int(DEADLINE * 250)):
                break
        for flow in self.flows:
            flow.lost += range(flow.newest + 1, flow.sent)

    def _outstanding(self) -> bool:
        """Take what has arrived; does anything still stay out?"""
        for flow in self.flows:
            flow.take()
        return any(flow.newest + 1 < flow.sent for flow in self.flows)

    def wait_for(self, count: int, timeout: float = DEADLINE) -> None:
        """Wait until so many more datagrams have arrived each way."""
        wanted = [flow.newest + count for flow in self.flows]
        deadline = time.monotonic() + timeout
        while any(flow.newest < number for flow, number in zip(self.flows, wanted, strict=True)):
            assert time.monotonic() < deadline, f"nothing arrives: {[flow.newest for flow in self.flows]}"
            select.select([], [], [], 0.002)

    def disturbed(self, why: str, act: Callable[[], object]) -> None:
        """Do something that may lose what is under way when it begins and what is sent before it is over."""
        first = [flow.newest + 1 for flow in self.flows]
        act()
        for flow, number in zip(self.flows, first, strict=True):
            flow.gaps.append(Gap(number, flow.sent, why))
