"""The devices of a machine as user programs reach them: a unix socket for each name, a file for each connection.

Law: a connection is an open file, and its end closes the file, however it ends: what is pending is cancelled, then come
cleanup and close.  A client is not trusted; one that sends what no correct program sends is dropped, and nobody waits
for one.  docs/devices.md describes what travels.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from emulator.host.listening import Listening, remove_leftovers
from emulator.kernel.devices import Answer, Call, DeviceLane, Major, device_names, io_thread_wanted
from emulator.layout.arena import DEVICE_BYTES, DEVICE_FILES
from emulator.layout.machine import ContextKind

if TYPE_CHECKING:
    from emulator.host.supervisor import Supervisor

REQUEST: Final = struct.Struct("<IIII")
"""Number, operation, control code or the number that is meant, room for the answer; the data follow."""
REPLY: Final = struct.Struct("<IIQ")
"""Number, NTSTATUS, information; the data follow."""
READ, WRITE, CONTROL, CANCEL = 1, 2, 3, 4
OPENED: Final = 0
"""The number of the reply that says what became of the open."""
MAJORS: Final = {READ: Major.READ, WRITE: Major.WRITE, CONTROL: Major.DEVICE_CONTROL}
STATUS_INVALID_PARAMETER: Final = 0xC000_000D
STATUS_TOO_MANY_OPENED_FILES: Final = 0xC000_011F
MOST_OUTSTANDING: Final = 16
"""Requests of one client, and replies that it has not taken; what it sends beyond waits in its socket."""
LONGEST_MESSAGE: Final = REQUEST.size + DEVICE_BYTES
INFO, WARNING = 20, 30
_NAME: Final = re.compile(r"\w[\w.-]*", re.ASCII)


class Client:
    """One connection: one open file."""

    def __init__(self, server: DeviceServer, sock: socket.socket, name: str, file: int) -> None:
        self.server = server
        self.sock: socket.socket | None = sock
        self.name = name
        self.file = file
        self.opened = False
        self.cleaned = False
        self.handed: dict[int, int] = {}
        """Number in the lane by the client's number, of what is under way."""
        self.replies: deque[bytes] = deque()
        self._held_up = False
        """The next request waits for room; a cancel does not."""
        self._interest = select.EPOLLIN
        server.watch(sock, self._on_event)

    # -- what it sends -------------------------------------------------------------------------------------------------

    def _on_event(self, events: int) -> None:
        if events & select.EPOLLOUT:
            self._flush()
        if events & select.EPOLLIN:
            self._listen()
        elif events & (select.EPOLLHUP | select.EPOLLERR):
            self.drop()

    @property
    def _busy(self) -> bool:
        """Does it have as much under way as it may, replies that it does not take among it?"""
        return len(self.handed) + len(self.replies) >= MOST_OUTSTANDING

    def _listen(self) -> None:
        self._held_up = False
        for _ in range(MOST_OUTSTANDING):  # who goes on sending must not keep the host from the others
            if self.sock is None:
                break
            try:
                if self._busy and self._operation_ahead() != CANCEL:
                    self._held_up = True
                    break
                message, _, flags, _ = self.sock.recvmsg(LONGEST_MESSAGE)
            except BlockingIOError:
                break
            except OSError:
                self.drop()
                return
            if len(message) < REQUEST.size:
                self.drop()  # its end, or what no correct program sends
                return
            self._asked(message, bool(flags & socket.MSG_TRUNC))
        self._attend()

    def _operation_ahead(self) -> int:
        """What it asks for next; CANCEL too for what is none and has to be taken."""
        assert self.sock is not None
        ahead = self.sock.recv(REQUEST.size, socket.MSG_PEEK)
        return REQUEST.unpack(ahead)[1] if len(ahead) == REQUEST.size else CANCEL

    def _asked(self, message: bytes, truncated: bool) -> None:
        number, operation, code, room = REQUEST.unpack_from(message)
        data = message[REQUEST.size :]
        if operation == CANCEL:
            if code in self.handed:
                self.server.cancel(self.handed[code])
            return
        if operation not in MAJORS or number == OPENED or number in self.handed:
            self.drop()
            return
        if truncated or room > DEVICE_BYTES or not self.opened:
            self.reply(number, STATUS_INVALID_PARAMETER, 0)
            return
        output = 0 if operation == WRITE else room
        call = Call(MAJORS[operation], self.file, 0, code, b"" if operation == READ else data, output)
        self.handed[number] = -1
        self.server.submit(
            call, lambda answer: self._answered(number, answer), lambda index: self._begun(number, index)
        )

    def _begun(self, number: int, index: int) -> None:
        self.handed[number] = index
        if self.sock is None:
            self.server.cancel(index)

    def _answered(self, number: int, answer: Answer) -> None:
        del self.handed[number]
        if self.sock is None:
            self._close()
            return
        self.reply(number, answer.status, answer.information, answer.data)
        self._attend()

    # -- what it is told -----------------------------------------------------------------------------------------------

    def reply(self, number: int, status: int, information: int, data: bytes = b"") -> None:
        """Send a reply, or keep it until there is room."""
        self.replies.append(REPLY.pack(number, status, information) + data)
        self._flush()

    def _flush(self) -> None:
        try:
            while self.replies and self.sock is not None:
                self.sock.send(self.replies[0], socket.MSG_NOSIGNAL)
                self.replies.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self.drop()
        self._attend()

    def _attend(self) -> None:
        """Listen while there is room for more, and be told when there is room for a reply."""
        if self.sock is None:
            return
        interest = 0 if self._busy and self._held_up else select.EPOLLIN
        interest |= select.EPOLLOUT if self.replies else 0
        if interest != self._interest:
            self._interest = interest
            self.server.host.change(self.sock.fileno(), interest)

    # -- open and close ------------------------------------------------------------------------------------------------

    def open(self, device: int) -> None:
        """Ask the driver."""
        self.handed[OPENED] = -1
        self.server.submit(
            Call(Major.CREATE, self.file, device), self._on_opened, lambda index: self._begun(OPENED, index)
        )

    def _on_opened(self, answer: Answer) -> None:
        del self.handed[OPENED]
        self.opened = not answer.failed
        if self.sock is not None:
            self.reply(OPENED, answer.status, answer.information)
            if not self.opened:
                self.drop()
        elif self.opened:
            self._clean_up()
        else:
            self.server.forget(self)

    def drop(self) -> None:
        """The connection ends; what is pending is cancelled, and the file is closed."""
        if self.sock is None:
            return
        self.server.unwatch(self.sock)
        self.sock.close()
        self.sock = None
        for index in self.handed.values():
            self.server.cancel(index)
        if self.opened:
            self._clean_up()
        elif OPENED not in self.handed:
            self.server.forget(self)

    def _clean_up(self) -> None:
        self.server.submit(Call(Major.CLEANUP, self.file), self._on_cleaned)

    def _on_cleaned(self, answer: Answer) -> None:
        self.cleaned = True
        self._close()

    def _close(self) -> None:
        """The last request has come back, and the handle is closed: so is the file."""
        if self.cleaned and not self.handed:
            self.cleaned = False
            self.server.submit(Call(Major.CLOSE, self.file), lambda answer: self.server.forget(self))


class Waiting(NamedTuple):
    """A request for which the lane has had no room yet."""

    call: Call
    done: Callable[[Answer], None]
    begun: Callable[[int], None]


class DeviceServer:
    """All devices of one machine."""

    def __init__(self, machine: Supervisor) -> None:
        self.machine = machine
        self.host = machine.host
        self.folder = Path(machine.specification.devices) if machine.specification.devices else None
        self.lane = DeviceLane(machine.arena, self._ring)
        self._seen = 0
        self._listening: dict[str, tuple[int, Listening]] = {}
        self._clients: dict[int, Client] = {}
        self._waiting: deque[Waiting] = deque()
        self._refused: set[str] = set()
        self._made_folder = False
        self._closed = False
        """Nobody opens a device any more."""
        self._ending: Callable[[], None] | None = None

    # -- what the supervisor asks --------------------------------------------------------------------------------------

    def attend(self) -> bool:
        """Is there anything that the host must not sleep over?"""
        return self.machine.all_born and (self.machine.arena.machine.devices != self._seen or self.lane.finished)

    def service(self) -> None:
        """Take note of names that have come and gone, and of what is done."""
        if not self.machine.all_born:
            return
        changes = self.machine.arena.machine.devices
        if changes != self._seen:
            self._seen = changes
            self._listen()
        self.lane.service()
        self._hand_over()

    def end(self, then: Callable[[], None]) -> None:
        """Nobody opens a device any more, every file is closed; then go on."""
        self._closed = True
        self._unlisten(self._listening)
        self._ending = then
        for client in list(self._clients.values()):
            client.drop()
        self._ended()

    def close(self) -> None:
        """The machine is no more: give the sockets back."""
        self._closed = True
        self._unlisten(self._listening)
        for client in self._clients.values():
            if client.sock is not None:
                self.unwatch(client.sock)
                client.sock.close()
                client.sock = None
        self._clients.clear()
        self._waiting.clear()

    def under_way(self) -> str:
        """Which device is still open, in words."""
        client = next(iter(self._clients.values()), None)
        if client is None or self._ending is None:
            return ""
        left = len(client.handed)
        return f"{client.name} with {left} requests pending" if left else client.name

    # -- what clients ask ----------------------------------------------------------------------------------------------

    def submit(
        self, call: Call, done: Callable[[Answer], None], begun: Callable[[int], None] = lambda index: None
    ) -> None:
        """Hand a request over as soon as there is room."""
        self._waiting.append(Waiting(call, done, begun))
        self._hand_over()

    def cancel(self, index: int) -> None:
        """Cancel what has been handed over."""
        if index >= 0:
            self.lane.cancel(index)

    def forget(self, client: Client) -> None:
        """A file is closed."""
        self._clients.pop(client.file, None)
        self._ended()

    def watch(self, sock: socket.socket, callback: Callable[[int], None]) -> None:
        """Listen to a socket; what fails there is this machine's alone."""
        machine = self.machine

        def guarded(events: int) -> None:
            try:
                callback(events)
            except Exception as error:
                machine.broken(error)

        self.host.watch(sock.fileno(), guarded)

    def unwatch(self, sock: socket.socket) -> None:
        """Undo ``watch``."""
        self.host.unwatch(sock.fileno())

    def _hand_over(self) -> None:
        while self._waiting and not self.lane.full:
            call, done, begun = self._waiting.popleft()
            begun(self.lane.submit(call, done))

    def _ring(self) -> None:
        """Wake the I/O threads, and have one born where there is none."""
        machine = self.machine
        for slot in machine.geometry.lane_slots(ContextKind.IO):
            if slot in machine.members:
                machine.ring(slot)
        self.help(time.monotonic_ns())

    def help(self, now: int) -> None:
        """See whether an I/O thread is missing."""
        machine = self.machine
        if not self.lane.idle and io_thread_wanted(machine.arena):
            slots = machine.geometry.lane_slots(ContextKind.IO)
            machine.add_context(slots[:1] if machine.specification.debug else slots, now)

    def _ended(self) -> None:
        if self._ending is not None and not self._clients:
            then, self._ending = self._ending, None
            then()

    # -- names ---------------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Listen under the names that there are now, and no others."""
        folder, found = self.folder, device_names(self.machine.arena)
        wanted = {each.name: each.handle for each in found} if folder is not None and not self._closed else {}
        self._unlisten([name for name, (handle, _) in self._listening.items() if wanted.get(name) != handle])
        for name, handle in wanted.items():
            if name in self._listening or name in self._refused:
                continue
            try:
                listening = self._bind(name)
            except OSError as error:
                self._refused.add(name)
                why = f"{error.strerror or error}; another place: --devices DIR"
                text = f"no program can reach the device {name} in {self.machine.specification.devices}: {why}"
                self.machine.loggers.emit(WARNING, "ndis", text, "host")
                continue
            self._listening[name] = handle, listening
            self.watch(listening.socket, partial(self._accept, handle, listening))
            text = f"programs reach the device {name} at {listening.path}"
            self.machine.loggers.emit(INFO, "ndis", text, "host")

    def _bind(self, name: str) -> Listening:
        if not _NAME.fullmatch(name):
            raise OSError(f"{name!r} is no name for a file")
        assert self.folder is not None
        if not self._listening:
            remove_leftovers(self.folder)
        if not self.folder.is_dir():
            self.folder.mkdir(0o700, parents=True)
            self._made_folder = True
        return Listening(self.folder / name, name, DEVICE_FILES)

    def _accept(self, handle: int, listening: Listening, events: int) -> None:
        sock = listening.accept()
        if sock is None:
            return
        file = next((number for number in range(DEVICE_FILES) if number not in self._clients), None)
        if file is None:
            with contextlib.suppress(OSError):
                sock.send(REPLY.pack(OPENED, STATUS_TOO_MANY_OPENED_FILES, 0))
            sock.close()
            return
        client = self._clients[file] = Client(self, sock, listening.name, file)
        client.open(handle)

    def _unlisten(self, names: Iterable[str]) -> None:
        for name in list(names):
            _, listening = self._listening.pop(name)
            self.unwatch(listening.socket)
            listening.close()
        if self._made_folder and not self._listening:
            assert self.folder is not None
            self._made_folder = False
            with contextlib.suppress(OSError):
                self.folder.rmdir()
