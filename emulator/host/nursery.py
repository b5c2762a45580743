"""The nursery: a clean process from which every zygote is forked.

Law: it is forked by the console before anything else, never has a second thread, loads no driver and holds nothing of
any machine but the pidfds of the zygotes; it ends when the host's socket closes.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import select
import signal
import socket
from typing import Any

from emulator.host import messages
from emulator.host.specification import DEFAULT_LOADER
from emulator.sync import processes
from emulator.sync.descriptors import Channel, ChannelClosed, ChannelGarbage, close_all


def main(channel_fd: int) -> int:
    """Be the nursery; the exit code."""
    gc.freeze()  # what the console left behind as garbage may own descriptors whose numbers are ours now
    logging.getLogger().handlers[:] = [logging.NullHandler()]  # the console's files and streams are the console's
    processes.become_subreaper()
    channel: Channel[Any] = Channel(socket.socket(fileno=channel_fd), messages.ToNursery)
    try:
        Nursery(channel).serve()
    except ChannelClosed:
        signal.set_wakeup_fd(-1)  # children still end, and the socket that it names is about to be closed
    return 0


class Nursery:
    """Forks zygotes, reaps them and whatever they left."""

    def __init__(self, channel: Channel[Any]) -> None:
        self.channel = channel
        self.zygotes: dict[int, tuple[int, int]] = {}
        self.poller = select.poll()
        self.poller.register(channel.fileno(), select.POLLIN)
        self.bell = self._hear_children()
        self.poller.register(self.bell.fileno(), select.POLLIN)
        _warm_up()

    def _hear_children(self) -> socket.socket:
        """A socket that becomes readable when a child has ended: orphans have no pidfd that we could watch."""
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._writer = writer
        return reader

    def serve(self) -> None:
        """Until the host is gone."""
        while True:
            for descriptor, _ in self.poller.poll():
                if descriptor == self.bell.fileno():
                    self._reap()
                else:
                    self._listen()

    def _listen(self) -> None:
        try:
            message, fds = messages.opened(*self.channel.receive(), messages.ToNursery)
        except ChannelGarbage:
            return
        if isinstance(message, messages.BearZygote):
            self._bear(message, fds)
        else:
            close_all(fds)

    def _bear(self, message: messages.BearZygote, fds: list[int]) -> None:
        specification = message.specification

        def run() -> int:
            from emulator.host import zygote

            return zygote.main(specification, fds)

        keep = [*fds, *((0, 1, 2) if specification.debug else ())]
        child = processes.fork_child(run, keep=keep, name=f"ndis:{specification.name}", single_thread=True)
        close_all(fds)
        self.zygotes[child.pid] = (message.machine, child.pidfd)
        self.channel.send(messages.ZygoteBorn(message.machine, child.pid), [child.pidfd])

    def _reap(self) -> None:
        try:
            self.bell.recv(4096)
        except BlockingIOError:
            pass
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)
            except ChildProcessError:
                return
            if ended is None:
                return
            known = self.zygotes.pop(ended.si_pid, None)
            if known is None:
                continue
            machine, pidfd = known
            os.close(pidfd)
            exited = ended.si_code == os.CLD_EXITED
            self._end_orphans()
            self.channel.send(
                messages.ZygoteEnded(machine, ended.si_status if exited else None, None if exited else ended.si_status)
            )

    def _end_orphans(self) -> None:
        """Kill what a dead zygote's tree left to us: its contexts are dying anyway, a driver's own children are not."""
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as children:
            for word in children.read().split():
                if int(word) not in self.zygotes:
                    # Unreaped children of ours: the number cannot have become another process's.
                    os.kill(int(word), signal.SIGKILL)


def _warm_up() -> None:
    """Import what every zygote needs, once, and make the functions of the build that most machines are of."""
    gc.disable()  # all of this stays: there is nothing to find, now or in any zygote
    import emulator.host.zygote  # noqa: F401

    try:
        importlib.import_module(DEFAULT_LOADER).prepare()
    except Exception as error:
        # The zygote that needs it meets the same error and tells it to whoever asked for the machine.
        logging.getLogger(__name__).debug("importing %s: %s", DEFAULT_LOADER, error)
    gc.freeze()
    gc.enable()
