"""A user program's end of a device: open, read, write, control codes, and requests that are not waited for.

Law: standard library alone, and the protocol of docs/devices.md alone, so that it is an example for any language.  A
status that is no success is raised; a machine that is gone is DeviceGone, whatever the program was waiting for.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

REQUEST: Final = struct.Struct("<IIII")
REPLY: Final = struct.Struct("<IIQ")
READ, WRITE, CONTROL, CANCEL = 1, 2, 3, 4
LONGEST: Final = 32 * 1024
"""The most that one request can take along or bring back."""
FIRST_FAILURE: Final = 0x8000_0000
"""Warnings and errors; a warning may bring data all the same (``Request.data``)."""


class DeviceError(OSError):
    """The driver, or the I/O system for it, has failed a request; ``status`` is the NTSTATUS."""

    def __init__(self, what: str, status: int) -> None:
        super().__init__(f"{what}: NTSTATUS 0x{status:08X}")
        self.status = status


class DeviceGone(ConnectionError):
    """The machine is not there any more, or has never been."""


class DeviceTimeout(TimeoutError):
    """A request was not completed in time; it goes on."""


class Request:
    """A request that was sent."""

    def __init__(self, device: Device, number: int, what: str) -> None:
        self._device = device
        self._number = number
        self._what = what
        self.status: int | None = None
        self.information = 0
        self.data = b""

    def done(self) -> bool:
        """Has the reply come?  Does not wait."""
        self._device.pump(0)
        return self.status is not None

    def result(self, timeout: float | None = None) -> bytes:
        """Wait for the reply; its data.  DeviceError for an error, DeviceTimeout when the time is up."""
        deadline = time.monotonic() + (self._device.timeout if timeout is None else timeout)
        while self.status is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise DeviceTimeout(f"{self._what} was not completed in time")
            self._device.pump(left)
        if self.status >= FIRST_FAILURE:
            raise DeviceError(self._what, self.status)
        return self.data

    def cancel(self) -> None:
        """Ask the driver to give it up; the result says what became of it."""
        self._device.cancel(self._number)


class Device:
    """An open device.

    ``path`` is the socket that the machine has for the device, in the directory that it was given for them.
    """

    def __init__(self, path: str | os.PathLike[str], timeout: float = 20.0) -> None:
        self.path = os.fspath(path)
        self.timeout = timeout
        self._next = 1
        self._requests: dict[int, Request] = {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        opened = self._requests[0] = Request(self, 0, f"opening {self.path}")
        try:
            self._socket.connect(self.path)
        except OSError as error:
            self._socket.close()
            raise DeviceGone(f"there is no device {self.path}: {error}") from None
        try:
            opened.result()
        except BaseException:
            self._socket.close()
            raise

    def read(self, length: int = LONGEST, timeout: float | None = None) -> bytes:
        """Read at most so many bytes."""
        return self.start_read(length).result(timeout)

    def write(self, data: bytes, timeout: float | None = None) -> int:
        """Write; how many bytes the driver has taken."""
        request = self.start_write(data)
        request.result(timeout)
        return request.information

    def ioctl(self, code: int, data: bytes = b"", room: int = 0, timeout: float | None = None) -> bytes:
        """Send a control code with data; at most ``room`` bytes come back."""
        return self.start_ioctl(code, data, room).result(timeout)

    def start_read(self, length: int = LONGEST) -> Request:
        """Begin to read."""
        return self._send(READ, 0, length, b"", "read")

    def start_write(self, data: bytes) -> Request:
        """Begin to write."""
        return self._send(WRITE, 0, 0, data, "write")

    def start_ioctl(self, code: int, data: bytes = b"", room: int = 0) -> Request:
        """Begin a control code."""
        return self._send(CONTROL, code, room, data, f"control code 0x{code:08X}")

    def cancel(self, number: int) -> None:
        """Cancel a request by its number."""
        self._put(REQUEST.pack(0, CANCEL, number, 0))

    def pump(self, timeout: float) -> None:
        """Hear what the machine says, for at most so many seconds until it says something."""
        readable, _, _ = select.select([self._socket], [], [], max(0.0, timeout))
        if not readable:
            return
        try:
            message = self._socket.recv(REPLY.size + LONGEST)
        except OSError:
            message = b""
        if len(message) < REPLY.size:
            raise DeviceGone(f"the machine of {self.path} is gone")
        number, status, information = REPLY.unpack_from(message)
        request = self._requests.pop(number, None)
        if request is not None:
            request.information, request.data = information, message[REPLY.size :]
            request.status = status

    def close(self) -> None:
        """Close it: what is pending is cancelled, and the driver sees cleanup and close."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, operation: int, code: int, room: int, data: bytes, what: str) -> Request:
        if len(data) > LONGEST or room > LONGEST:
            raise ValueError(f"{what}: a request takes along or brings back at most {LONGEST} bytes")
        number, self._next = self._next, self._next % 0xFFFF_FFFF + 1
        request = self._requests[number] = Request(self, number, f"{what} of {self.path}")
        self._put(REQUEST.pack(number, operation, code, room) + data)
        return request

    def _put(self, message: bytes) -> None:
        try:
            self._socket.send(message, socket.MSG_NOSIGNAL)
        except OSError:
            raise DeviceGone(f"the machine of {self.path} is gone") from None
