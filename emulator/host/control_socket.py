"""The socket on which a running machine takes commands: where it is, who listens on it, and how it is asked.

Law: it lies in a directory of the user's own and is open to nobody else; what comes over it is msgspec, checked against
one type, and a client that sends anything else, or does not listen, is dropped.  It is removed at the end; what a
killed run has left is recognised because nobody answers there.
"""

from __future__ import annotations

import errno
import os
import re
import select
import socket
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from emulator.host.commands import BY_NAME, Given, Outcome
from emulator.host.listening import Listening, lives, remove_dead, remove_leftovers
from emulator.host.messages import AskStatus
from emulator.host.performance import Performance
from emulator.rules.errors import ConfigurationError, EmulatorError, HostError
from emulator.sync.descriptors import Channel, ChannelClosed, ChannelGarbage, close_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.host.console import MachineProxy

SUFFIX: Final = ".ctl"
DEVICES: Final = ".devices"
"""Of the directory beside the socket in which a machine's devices are, when nobody says where."""
MOST_CLIENTS: Final = 32
LONGEST_TIMEOUT: Final = 24 * 3600.0


class Order(msgspec.Struct, tag=True):
    """What a client asks for."""

    command: str
    adapter: str
    argument: int
    data: bytes
    timeout: float


class Done(msgspec.Struct, tag=True):
    """What became of it, and the name of the adapter that was meant."""

    outcome: Outcome
    adapter: str


class Refused(msgspec.Struct, tag=True):
    """It was not understood: why, in one line."""

    text: str


# -- where -------------------------------------------------------------------------------------------------------------
def directory() -> Path:
    """The directory of this user's sockets."""
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if given and os.path.isdir(given) and os.access(given, os.W_OK):
        return Path(given) / "ndisemu"
    return Path(f"/tmp/ndisemu-{os.geteuid()}")


def make_directory() -> Path:
    """The directory, made where it is missing; HostError when it is not this user's own."""
    path = directory()
    mend = f"rm -r {path}, or XDG_RUNTIME_DIR with a directory of your own"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = os.lstat(path)
    except OSError as error:
        raise HostError(f"making the directory {path}", mend, error) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise HostError(f"using the directory {path}", mend, "it is not a directory of this user alone")
    return path


def stem_of(machine: str) -> str:
    """A machine's name as the name of a file."""
    return re.sub(r"[^\w.-]", "_", machine).strip(".") or "machine"


def machines() -> dict[str, Path]:
    """The machines of this user that run and take commands, by name."""
    try:
        found = sorted(path for path in directory().iterdir() if path.suffix == SUFFIX)
    except OSError:
        return {}
    return {name_of(path): path for path in found if lives(path)}


def name_of(path: Path) -> str:
    """By what `ndisemu ctl` finds a machine whose socket this is."""
    return path.name.removesuffix(SUFFIX) if path.parent == directory() else str(path)


def devices_of(path: Path) -> Path:
    """Where programs find the devices of the machine whose socket this is when nobody says; no other's are there."""
    return path.with_name(path.name.removesuffix(SUFFIX) + DEVICES)


def find(name: str) -> Path:
    """The socket of the machine that is meant (empty: of the only one); ConfigurationError says what mends it."""
    if "/" in name:
        if not lives(Path(name)):
            raise ConfigurationError(f"nobody listens on {name}: start a machine with ndisemu run --control {name}")
        return Path(name)
    known = machines()
    if name in known:
        return known[name]
    if not known:
        named = f"no machine {name} runs" if name else "no machine runs"
        root = "; one that runs with sudo is asked with sudo" if os.geteuid() else ""
        raise ConfigurationError(f"{named} here (in {directory()}): start one with ndisemu run{root}")
    if name:
        raise ConfigurationError(f"no machine {name} runs; there are {', '.join(known)}")
    if len(known) > 1:
        raise ConfigurationError(f"which machine? name one: {', '.join(known)}")
    return next(iter(known.values()))


# -- listening ---------------------------------------------------------------------------------------------------------
def listen(machine: str, asked_for: str = "") -> Listening:
    """Listen at a place of one's own choice, or at the first free one for a machine's name; what is dead is removed.

    HostError when that cannot be.
    """
    try:
        places = [Path(asked_for).absolute()] if asked_for else _places(_swept(make_directory()), stem_of(machine))
        for path in places:
            try:
                return Listening(path, name_of(path), MOST_CLIENTS)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or asked_for:
                    raise
        raise OSError(errno.EADDRINUSE, "there are too many of this name")
    except HostError:
        raise
    except OSError as error:
        step = f"listening for commands on {asked_for or machine}"
        raise HostError(step, "another place: --control PATH", error) from None


def _swept(folder: Path) -> Path:
    """The directory, without what killed runs have left there."""
    for path in folder.iterdir():
        if path.suffix == SUFFIX:
            remove_dead(path)
        elif path.suffix == DEVICES:
            remove_leftovers(path)
    return folder


def _places(folder: Path, stem: str) -> Iterator[Path]:
    yield folder / f"{stem}{SUFFIX}"
    for number in range(2, 1000):
        yield folder / f"{stem}-{number}{SUFFIX}"


class _Client:
    """Somebody who has connected: one order at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self.channel: Channel[Order] = Channel(sock, Order)
        self.performance: Performance | None = None


class ControlServer:
    """The listening end; whoever has a loop polls ``fileno`` and calls ``serve``."""

    def __init__(self, machine: MachineProxy, listening: Listening) -> None:
        self.machine = machine
        self.name = listening.name
        self._listening = listening
        self._poll = select.epoll()
        self._poll.register(listening.socket, select.EPOLLIN)
        self._clients: dict[int, _Client] = {}

    def fileno(self) -> int:
        """Readable when there is something to do."""
        return self._poll.fileno()

    def due(self) -> float:
        """When to call ``serve`` at the latest, on the monotonic clock."""
        times = [each.performance.deadline for each in self._clients.values() if each.performance is not None]
        return min(times, default=float("inf"))

    def serve(self) -> None:
        """Take what has come, and end what has taken too long."""
        for descriptor, _ in self._poll.poll(0):
            client = self._clients.get(descriptor)
            if client is not None:
                self._hear(client)
            elif descriptor == self._listening.socket.fileno():
                self._accept()
        now = time.monotonic()
        for client in list(self._clients.values()):
            if client.performance is not None and now >= client.performance.deadline:
                client.performance.expire()

    def close(self) -> None:
        """Listen no more; the socket's name goes with it."""
        if self._poll.closed:
            return
        for client in list(self._clients.values()):
            self._drop(client)
        self._poll.close()
        self._listening.close()

    def _accept(self) -> None:
        sock = self._listening.accept()
        if sock is None:
            return
        if len(self._clients) >= MOST_CLIENTS:
            sock.close()
            return
        client = _Client(sock)
        self._clients[sock.fileno()] = client
        self._poll.register(sock, select.EPOLLIN)

    def _hear(self, client: _Client) -> None:
        try:
            taken = client.channel.try_receive()
        except (ChannelClosed, ChannelGarbage):
            self._drop(client)
            return
        if taken is None:
            return
        order, descriptors = taken
        close_all(descriptors)
        if client.performance is not None:
            self._tell(client, Refused("one command at a time"))
            return
        machine = self.machine
        if machine.may_be_virtual(order.adapter):
            machine.ask(lambda request: AskStatus(machine.number, request), lambda _: self._try(client, order))
        else:
            self._try(client, order)

    def _try(self, client: _Client, order: Order) -> None:
        try:
            self._begin(client, order)
        except (ConfigurationError, EmulatorError) as error:
            client.performance = None
            self._tell(client, Refused(str(error)))

    def _begin(self, client: _Client, order: Order) -> None:
        command = BY_NAME.get(order.command)
        if command is None:
            raise ConfigurationError(f"this machine knows no command {order.command}")
        names = self.machine.adapter_names
        number = self.machine.number_of(order.adapter) if command.of_adapter else -1
        name = names[number] if 0 <= number < len(names) else order.adapter

        def done(outcome: Outcome) -> None:
            client.performance = None
            self._tell(client, Done(outcome, name))

        given = Given(order.argument, order.data)
        timeout = min(max(0.0, order.timeout), LONGEST_TIMEOUT)
        # It may be done before it is known: what it says is then said already.
        performance = Performance(self.machine, command, number, given, timeout, done)
        if not performance.over:
            client.performance = performance

    def _tell(self, client: _Client, answer: Done | Refused) -> None:
        try:
            if client.channel.fileno() < 0 or client.channel.try_send(answer):
                return
        except (ChannelClosed, ValueError):
            pass  # gone, or an answer too long for it
        self._drop(client)

    def _drop(self, client: _Client) -> None:
        descriptor = client.channel.fileno()
        if self._clients.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)
            client.channel.close()


# -- asking ------------------------------------------------------------------------------------------------------------
def ask(path: Path, order: Order, patience: float = 10.0) -> Done:
    """Send an order and wait for what becomes of it; ConfigurationError when it is refused or nobody answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        channel: Channel[Any] = Channel(sock, Done | Refused)
        try:
            sock.connect(str(path))
            channel.send(order)
            poll = select.poll()
            poll.register(sock, select.POLLIN)
            if not poll.poll((order.timeout + patience) * 1000):
                raise ConfigurationError(f"the machine behind {path} does not answer: is its ndisemu run stopped?")
            answer, descriptors = channel.receive()
        except (OSError, ChannelClosed):
            raise ConfigurationError(f"the machine behind {path} has ended without an answer") from None
    close_all(descriptors)
    if isinstance(answer, Refused):
        raise ConfigurationError(answer.text)
    found: Done = answer
    return found
