"""Two networks that meet in a machine alone: TAP, netvmini, ndislwf, bridge, netvmini, TAP; and their traffic.

Law: every wait has a deadline; whatever is sent is compared with what arrives, and the machine's own counters say
whether it has lost a frame.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import http.server
import json
import random
import select
import shutil
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from emulator.testing.ends import TapEnd
from tests.patience import DEADLINE
from tests.scenarios.traffic import free_buffers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emulator.testing import Lab, Nic

ADDRESSES: Final = ("10.80.0.1", "10.80.0.2")
IPERF: Final = shutil.which("iperf3")
CURL: Final = shutil.which("curl")
PORT: Final = 5201
PIECE: Final = 1 << 16
NUD_PERMANENT: Final = 0x80


class Networks:
    """The machine, its two adapters, and what programs of either network do."""

    def __init__(
        self, lab: Lab, *, miniport: str = "netvmini", filters: str | Sequence[str] = "ndislwf", **options: Any
    ) -> None:
        addresses = [f"{address}/24" for address in ADDRESSES]
        first = lab.start(
            miniport,
            protocol="bridge",
            filters=filters,
            wire="tap",
            adapters=2,
            apart=True,
            address=addresses,
            **options,
        )
        self.machine = first.machine
        self.nics = self.machine.nics
        self.addresses = {id(nic): address for nic, address in zip(self.nics, ADDRESSES, strict=True)}
        assert self.nics[0].ping(ADDRESSES[1], count=20, window=4, timeout=DEADLINE).clean
        self._introduce()
        self.buffers = free_buffers_of(self.nics)
        self.settled()
        self._before = self.machine.statistics().adapters

    def _introduce(self) -> None:
        """Each kernel knows the other's station for good: it forgets others when a carrier goes off, and asks anew."""
        from pyroute2 import IPRoute

        stations = []
        for nic in self.nics:
            with inside(nic), IPRoute() as route:
                (link,) = route.get_links(ifname=nic.interface)
                stations.append((link["index"], link.get_attr("IFLA_ADDRESS")))
        for nic, (index, _), (_, station) in zip(self.nics, stations, reversed(stations), strict=True):
            with inside(nic), IPRoute() as route:
                peer = self.address(self.other(nic))
                route.neigh("replace", dst=peer, lladdr=station, ifindex=index, state=NUD_PERMANENT)

    def address(self, nic: Nic) -> str:
        """The address of an adapter's network."""
        return self.addresses[id(nic)]

    def other(self, nic: Nic) -> Nic:
        """The adapter of the other network."""
        return self.nics[1 - self.nics.index(nic)]

    def settled(self, timeout: float = DEADLINE) -> None:
        """Nothing is outstanding: by the ledger, and by counting the free buffers of both adapters one by one."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.machine.statistics()
            free = [found.adapters[nic.number]["buffers_free"] for nic in self.nics]
            if not found.counters["lists_outstanding"] and free == self.buffers:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"{found.counters['lists_outstanding']} lists outstanding, free buffers {free}")
            select.select([], [], [], 0.01)

    def lost_inside(self) -> dict[str, int]:
        """What the machine has lost since it began: frames that the one adapter received and the other did not send."""
        self.settled()
        first, second = (
            {name: now[name] - before[name] for name in now}
            for now, before in zip(self.machine.statistics().adapters, self._before, strict=True)
        )
        found = {"there": first["received"] - second["sent"], "back": second["received"] - first["sent"]}
        for name in ("receive_discards", "receive_errors", "send_errors"):
            found[name] = first[name] + second[name]
        return {name: count for name, count in found.items() if count}


def free_buffers_of(nics: list[Nic]) -> list[int]:
    """The most free buffers that each adapter has had within a moment: all of them."""
    most = [0] * len(nics)
    for _ in range(20):
        most = [max(known, free_buffers(nic)) for known, nic in zip(most, nics, strict=True)]
    return most


@contextlib.contextmanager
def inside(nic: Nic) -> Iterator[None]:
    """Be in the network of an adapter for a moment: sockets that are made and programs that are started stay there."""
    assert isinstance(nic.end, TapEnd)
    with nic.end.namespace.entered():
        yield


# -- TCP and UDP, by iperf3 where the computer has it ------------------------------------------------------------------


def measure(networks: Networks, server: Nic, megabytes: int, *, udp: bool, reverse: bool) -> dict[str, Any]:
    """Move so much to the server's network, or from it, with iperf3; what it says in the end."""
    assert IPERF is not None
    address = networks.address(server)
    with inside(server):
        serving = subprocess.Popen(
            [IPERF, "-s", "-1", "-B", address, "-p", str(PORT), "--forceflush"], stdout=subprocess.PIPE, text=True
        )
    with serving:
        try:
            assert serving.stdout is not None
            while "listening" not in serving.stdout.readline():
                assert serving.poll() is None, "iperf3 does not serve"
            options = [*(["-u", "-b", "40M", "-l", "1400"] if udp else []), *(["-R"] if reverse else [])]
            command = [IPERF, "-c", address, "-p", str(PORT), "-n", f"{megabytes}M", "--json", *options]
            with inside(networks.other(server)):
                client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            with client:
                said, _ = client.communicate(timeout=60 + 4 * megabytes)
            found: dict[str, Any] = json.loads(said)
            assert "error" not in found, found["error"]
            return found["end"]  # type: ignore[no-any-return]
        finally:
            serving.kill()


def stream(
    networks: Networks, server: Nic, megabytes: int, *, reverse: bool, ports: tuple[int, int] = (0, PORT)
) -> bool:
    """The same for TCP with sockets of our own, between these ports: did everything arrive as it was sent?"""
    body = random.Random(megabytes).randbytes(1 << 20)
    with inside(server):
        listening = socket.create_server((networks.address(server), ports[1]))
    with listening, inside(networks.other(server)), socket.socket() as client:
        client.settimeout(DEADLINE)
        client.bind((networks.address(networks.other(server)), ports[0]))
        client.connect((networks.address(server), ports[1]))
        serving, _ = listening.accept()
        with serving:
            source, target = (serving, client) if reverse else (client, serving)
            source.settimeout(DEADLINE)

            def send() -> None:
                with contextlib.suppress(OSError):  # then not everything arrives
                    for _ in range(megabytes):
                        source.sendall(body)

            sender = threading.Thread(target=send)
            sender.start()
            seen, wanted = hashlib.sha256(), hashlib.sha256()
            left = megabytes << 20
            target.settimeout(DEADLINE)
            while left and (piece := target.recv(1 << 16)):
                seen.update(piece)
                left -= len(piece)
            sender.join()
            for _ in range(megabytes):
                wanted.update(body)
    return seen.digest() == wanted.digest()


# -- a file over HTTP --------------------------------------------------------------------------------------------------


class File(http.server.ThreadingHTTPServer):
    """A web server with one file."""

    body = b""
    written = 0
    """How much of it has been given to the kernel, which may have a few megabytes still to send."""
    daemon_threads = True

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self.server_address[0]!s}:{self.server_port}/file"

    @property
    def checksum(self) -> str:
        """What whoever has it must find."""
        return hashlib.sha256(self.body).hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        file = self.server
        assert isinstance(file, File)
        self.send_response(200)
        self.send_header("Content-Length", str(len(file.body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            for place in range(0, len(file.body), PIECE):
                file.written += self.wfile.write(file.body[place : place + PIECE])

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing is logged."""


@contextlib.contextmanager
def serving(networks: Networks, nic: Nic, size: int) -> Iterator[File]:
    """A file of that size in the network of an adapter."""
    with inside(nic):
        server = File((networks.address(nic), 0), _Handler)
    server.body = random.Random(size).randbytes(size)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Download:
    """A file on its way, in a thread of its own: by curl where the computer has it, else by http.client."""

    def __init__(self, nic: Nic, file: File, timeout: float) -> None:
        self.file = file
        self.checksum = ""
        self.problem = ""
        self.seconds = 0.0
        self._url = file.url
        self._timeout = timeout
        with inside(nic):
            self._thread = threading.Thread(target=self._run)
            self._thread.start()  # a thread is where its maker was

    def _run(self) -> None:
        began = time.monotonic()
        try:
            self.checksum = hashlib.sha256(self._by_curl() if CURL else self._by_python()).hexdigest()
        except (OSError, subprocess.SubprocessError, http.client.HTTPException) as error:
            self.problem = f"{type(error).__name__}: {error}"
        self.seconds = time.monotonic() - began

    def _by_curl(self) -> bytes:
        assert CURL is not None
        command = [CURL, "--silent", "--show-error", "--noproxy", "*", "--max-time", str(self._timeout), self._url]
        return subprocess.run(command, check=True, capture_output=True, timeout=self._timeout + 5).stdout

    def _by_python(self) -> bytes:
        place = self._url.split("/")[2]
        connection = http.client.HTTPConnection(place, timeout=self._timeout)
        connection.request("GET", "/file")
        try:
            return connection.getresponse().read()
        finally:
            connection.close()

    @property
    def under_way(self) -> bool:
        """Is it not over?"""
        return self._thread.is_alive()

    def wait_for(self, size: int) -> bool:
        """Wait until so much more has been sent; False when there is no more."""
        wanted, deadline = self.file.written + size, time.monotonic() + self._timeout
        while self.under_way and self.file.written < wanted:
            assert time.monotonic() < deadline, f"the file stands still at {self.file.written}"
            select.select([], [], [], 0.002)
        return self.under_way

    def wait(self) -> str:
        """The checksum of what has arrived."""
        self._thread.join(self._timeout + 10)
        assert not self.problem, self.problem
        return self.checksum
