"""Logs: datagrams from the contexts to the host, and multiprocessing-logging from the host to the console.

Law: contexts are not trusted, so what they send is msgspec and never unpickled; and no process but the console ever has
a second thread, so the queue between host and console is a socket without a feeder.
"""

from __future__ import annotations

import io
import logging
import pickle
import queue
import re
import select
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

from multiprocessing_logging import MultiProcessingHandler

from emulator.host.platform import enlarge

if TYPE_CHECKING:
    from emulator.host.messages import LogRecord
    from emulator.kernel.context import Context

LONGEST_RECORD: Final = 60_000
MOST_LOGGERS: Final = 64
"""A machine may fill the host's table of loggers so far; further names share one."""
PRINT_LEVEL: Final = logging.INFO
_WORD: Final = re.compile(r"[^A-Za-z0-9_]+")


# In a context --------------------------------------------------------------------------------------------------------
class ContextHandler(logging.Handler):
    """``logging`` in a plug-in: each record is one datagram."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record under the name of the driver that runs now."""
        try:
            text = self.format(record)
        except Exception as error:
            text = f"{record.msg!r} (cannot be formatted: {error})"
        self._context.platform.log(record.levelno, logger_name(self._context, record.name), text)


class ContextStream(io.TextIOBase):
    """``print`` in a plug-in: each line is one datagram."""

    def __init__(self, context: Context, level: int) -> None:
        super().__init__()
        self._context = context
        self._level = level
        self._kept = ""

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Send what makes whole lines and keep the rest."""
        *lines, self._kept = (self._kept + text).split("\n")
        for line in lines:
            self._context.platform.log(self._level, logger_name(self._context, "print"), line)
        return len(text)


def logger_name(context: Context, name: str) -> str:
    """The driver whose callback runs now; between callbacks the last part of the logger's name."""
    return context.machine.images.driver_name(context.driver) or name.rpartition(".")[2] or "driver"


def connect(context: Context, level: int) -> None:
    """Send everything that this process logs to the host."""
    root = logging.getLogger()
    root.handlers[:] = [ContextHandler(context)]
    root.setLevel(level)


# In the host ---------------------------------------------------------------------------------------------------------
class DriverLoggers:
    """The loggers of one machine's drivers, under ``driver``."""

    def __init__(self, machine: str) -> None:
        self.machine = machine
        self.dropped = 0
        self._known: dict[str, logging.Logger] = {}

    def take(self, record: LogRecord, context: str) -> None:
        """Log what a context has sent, and in front of it how many of its records were lost."""
        if record.dropped:
            self.dropped += record.dropped
            self.emit(logging.WARNING, "ndis", f"{record.dropped} log records found no room", "")
        self.emit(record.level, record.logger, record.text, context)

    def emit(self, level: int, logger: str, text: str, context: str) -> None:
        """Log one record of a context."""
        name = _WORD.sub("_", logger)[:64] or "driver"
        found = self._known.get(name)
        if found is None:
            if len(self._known) >= MOST_LOGGERS:
                name = "other"
            found = self._known[name] = logging.getLogger(f"driver.{name}")
        found.log(max(1, min(level, 100)), "%s", text, extra={"machine": self.machine, "context": context})


# Between host and console --------------------------------------------------------------------------------------------
class RecordQueue:
    """What MultiProcessingHandler needs of a queue, over a pair of sockets: no thread feeds it, no lock guards it.

    A record is one message, so several processes may put; putting never waits, and what finds no room is counted.
    """

    def __init__(self) -> None:
        self.sender, self.receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        enlarge(self.sender)
        self.dropped = 0

    def put_nowait(self, record: logging.LogRecord) -> None:
        """Send a record, or count it."""
        encoded = pickle.dumps(record, pickle.HIGHEST_PROTOCOL)
        if len(encoded) > LONGEST_RECORD:
            record.msg = f"{record.getMessage()[: LONGEST_RECORD // 8]} ..."
            record.args = None
            encoded = pickle.dumps(record, pickle.HIGHEST_PROTOCOL)
        try:
            self.sender.send(encoded, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            self.dropped += 1

    def get(self, timeout: float) -> logging.LogRecord:
        """Take the next record; ``queue.Empty`` when none came in time."""
        if not self._readable(timeout):
            raise queue.Empty
        encoded = self.receiver.recv(LONGEST_RECORD + 4096)
        if not encoded:
            raise EOFError
        record: logging.LogRecord = pickle.loads(encoded)
        return record

    def qsize(self) -> int:
        """0 when nothing waits."""
        return int(self._readable(0))

    def finish(self) -> None:
        """Let whoever gets meet the end behind the last record, at once and not when his patience ends."""
        self.sender.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close both ends."""
        self.sender.close()
        self.receiver.close()

    def join_thread(self) -> None:
        """There is none."""

    def _readable(self, timeout: float) -> bool:
        poll = select.poll()
        poll.register(self.receiver, select.POLLIN)
        return bool(poll.poll(timeout * 1000))


class Redispatch(logging.Handler):
    """Gives a record that another process logged to this process's logger of the same name."""

    def emit(self, record: logging.LogRecord) -> None:
        """Handle it as if it had been logged here, with the levels, filters and handlers of here."""
        logger = logging.getLogger(record.name)
        if logger.isEnabledFor(record.levelno):
            logger.handle(record)


class TrustedHandler(MultiProcessingHandler):  # type: ignore[misc]
    """The handler of the trusted processes: made in the console before the first fork, its receiver started after.

    multiprocessing's own queue would give every process that logs a second thread; so the base class's constructor,
    which makes one, is not called.
    """

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.sub_handler = Redispatch()
        self.queue = RecordQueue()
        self._is_closed = False
        self._receive_thread = threading.Thread(target=self._receive, name="log receiver", daemon=True)

    def start(self) -> None:
        """Begin to receive, in the console, when the host has been forked."""
        self._receive_thread.start()

    def close(self) -> None:
        """Let the receiver empty the queue and end."""
        if self._is_closed:
            return
        if self._receive_thread.ident is None:
            self._is_closed = True
            self.queue.close()
            logging.Handler.close(self)
        else:
            self.queue.finish()
            super().close()

    @property
    def descriptor(self) -> int:
        """What a process that logs keeps."""
        return int(self.queue.sender.fileno())

    def install(self) -> None:
        """Make everything that this process logs go to the console, which filters it: called in the host alone."""
        root = logging.getLogger()
        root.handlers[:] = [self]
        root.setLevel(1)


def streams(context: Context) -> tuple[Any, Any]:
    """Standard output and error of a context."""
    return ContextStream(context, PRINT_LEVEL), ContextStream(context, logging.ERROR)
