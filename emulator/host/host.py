"""The host: the process that owns the wires, plays the hardware and supervises every machine; one loop, one thread.

Law: it takes no arena lock, waits for no machine and runs no driver code; it sleeps only after it has said so in every
arena and looked once more.  What it owes the drivers (the interrupt for sent frames) it gives before it polls.
"""

from __future__ import annotations

import errno
import gc
import os
import select
import signal
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from emulator.host import logs, messages
from emulator.host.platform import private_fence
from emulator.host.pump import Activity
from emulator.host.supervisor import Supervisor, lacking
from emulator.kernel.platform import LONGEST_PATIENCE_NS, PATIENCE_NS
from emulator.rules.errors import EmulatorError, HostError
from emulator.sync.descriptors import Channel, ChannelClosed, ChannelGarbage, close_all
from emulator.sync.errors import SharedMemoryError
from emulator.sync.processes import Exit

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from emulator.host.listening import Listening
    from emulator.host.ports import Port

LONGEST_SLEEP_MS: Final = 1000
LONGEST_END: Final = 1
"""Seconds."""
BUSY_ROUNDS: Final = 4
"""Rounds of frames before the descriptors are looked at again."""
LONGEST_LOOK_NS: Final = 500_000
"""How long the host goes on looking at wires and rings while frames move, before it looks at the descriptors too."""


def main(console_fd: int, nursery_fd: int, handler: logs.TrustedHandler, listening: Listening | None) -> int:
    """Be the host; the exit code.  ``listening`` is the console's, whose name goes when the console does."""
    gc.freeze()  # what the console left behind as garbage may own descriptors whose numbers are ours now
    handler.install()
    console: Channel[Any] = Channel(socket.socket(fileno=console_fd), messages.ToHost)
    nursery: Channel[Any] = Channel(socket.socket(fileno=nursery_fd), messages.FromNursery)
    host = Host(console, nursery)
    signal.signal(signal.SIGTERM, host.orphaned)
    try:
        host.run()
    finally:
        for machine in host.machines.values():
            machine.devices.close()
        if listening is not None:
            listening.remove()
    return 0


class Host:
    """The loop and what it watches."""

    def __init__(self, console: Channel[Any], nursery: Channel[Any]) -> None:
        self.console = console
        self.nursery = nursery
        self.nursery_lives = True
        self.machines: dict[int, Supervisor] = {}
        self._ports: list[Port] = []
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._poll = select.epoll()
        # The wires are not among these: epoll is at all its descriptors all the time, and at a wire that costs whoever
        # sends time with each frame. They are waited at only while the host sleeps, together with what epoll has.
        self._wires = select.poll()
        self.fence = private_fence()
        self._buried: list[Supervisor] = []
        self._outbox: deque[messages.Message] = deque()
        self._ending = False
        self.activity = Activity()
        self._patience = PATIENCE_NS
        # When a frame has moved, while that keeps the host awake, and whether its driver has been told since.
        self._moved_at = 0
        self._settled = False
        self._looked = 0
        self._slept_from = 0
        self.watch_wire(self._poll.fileno(), lambda events: self._call_back(self._poll.poll(0)), select.POLLIN)
        self.watch(console.fileno(), self._on_console)
        self.watch(nursery.fileno(), self._on_nursery)

    def watch(self, fd: int, callback: Callable[[int], None], events: int = select.EPOLLIN) -> None:
        """Call back whenever the descriptor is readable (or whatever ``events`` says)."""
        self._callbacks[fd] = callback
        self._poll.register(fd, events)

    def change(self, fd: int, events: int) -> None:
        """Watch for other events."""
        self._poll.modify(fd, events)

    def watch_wire(self, fd: int, callback: Callable[[int], None], events: int) -> None:
        """As ``watch`` for a wire, whose frames the ports find by themselves while the host is awake.

        Again: for other events.
        """
        self._callbacks[fd] = callback
        self._wires.register(fd, events)

    def unwatch_wire(self, fd: int) -> None:
        """Undo ``watch_wire``; twice is once."""
        if self._callbacks.pop(fd, None) is not None:
            self._wires.unregister(fd)

    def add_port(self, port: Port) -> None:
        """Serve a port in each round."""
        self._ports = [*self._ports, port]  # a new list: the loop may be in the middle of the old one

    def remove_port(self, port: Port) -> None:
        """Serve it no more."""
        self._ports = [other for other in self._ports if other is not port]

    def unwatch(self, fd: int) -> None:
        """Undo ``watch``; twice is once."""
        if self._callbacks.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def tell(self, message: messages.Message) -> None:
        """Say something to the console; when it is gone, so are we in a moment."""
        self._outbox.append(message)
        self._flush()

    def _flush(self) -> None:
        """Send what can be sent without waiting: a console that does not listen now must not stop the machines."""
        try:
            while self._outbox and messages.try_send(self.console, self._outbox[0]):
                self._outbox.popleft()
        except ChannelClosed:
            self._ending = True
            self._outbox.clear()
        self._poll.modify(self.console.fileno(), select.EPOLLIN | (select.EPOLLOUT if self._outbox else 0))

    def forget(self, machine: Supervisor) -> None:
        """A machine is gone; its memory is given back once nobody on the stack uses it."""
        self.machines.pop(machine.number, None)
        self._buried.append(machine)

    def run(self) -> None:
        """Until the console is gone."""
        rounds = 0
        while not self._ending:
            busy = self.serve_ports()
            if busy and rounds < BUSY_ROUNDS:
                rounds += 1
                continue
            rounds = 0
            if not busy and self.lingers():
                continue
            self.settle_ports()
            self.wait(0 if busy or self._moved_at else self.doze())
            self.rouse()
            now = self._looked = time.monotonic_ns()
            if self._slept_from:
                self._learn(now - self._slept_from)
            for machine in list(self.machines.values()):
                if now >= machine.due:
                    self._tick(machine, now)
            if self._buried:
                self._release()

    def orphaned(self, number: int, frame: FrameType | None) -> None:
        """The console has ended: so does the host in a moment, by the kernel's hand if its loop does not come round."""
        self._ending = True
        signal.alarm(LONGEST_END)

    def _tick(self, machine: Supervisor, now: int) -> None:
        try:
            machine.tick(now)
        except Exception as error:
            machine.broken(error)

    def serve_ports(self) -> bool:
        """A batch of frames for every port in turn; True when one has more."""
        busy = False
        for port in self._ports:
            try:
                if port.service():
                    busy = True
            except Exception as error:
                port.failed(error)
        return busy

    def settle_ports(self) -> None:
        """Tell every driver what has been sent, and find out what to poll for."""
        for port in self._ports:
            port.settle()

    def lingers(self) -> bool:
        """Let others run and look again, because a frame has moved a moment ago; False when it is time to poll.

        The driver is told of what has been sent after PATIENCE_NS, however much longer the host looks.
        """
        now = time.monotonic_ns()
        activity = self.activity
        if activity.moved:
            activity.moved = self._settled = False
            self._moved_at = now
        elif now >= self._moved_at + PATIENCE_NS:
            if now >= self._moved_at + self._patience:
                self._moved_at = 0
                return False
            if not self._settled:
                self._settled = True
                self.settle_ports()
        if now - self._looked >= LONGEST_LOOK_NS:
            return False
        os.sched_yield()
        return True

    def _learn(self, slept: int) -> None:
        """Be more patient after a sleep that was shorter than the longest patience, and less after a longer one."""
        self._slept_from = 0
        if slept < LONGEST_PATIENCE_NS:
            self._patience = min(2 * self._patience, LONGEST_PATIENCE_NS)
        else:
            self._patience = max(self._patience // 2, PATIENCE_NS)

    def wait(self, seconds: float) -> None:
        """Call back for whatever is ready, or becomes so within this time."""
        self._call_back(self._wires.poll(seconds * 1000))

    def _call_back(self, ready: list[tuple[int, int]]) -> None:
        for fd, events in ready:
            callback = self._callbacks.get(fd)
            if callback is not None:  # an earlier callback of this round may have ended this one's machine
                callback(events)

    def doze(self) -> float:
        """Say in every arena that the host sleeps, look once more, and tell for how many seconds."""
        for machine in self.machines.values():
            machine.arena.sleeping[0] = 1
        self.fence()
        now = time.monotonic_ns()
        due = now + LONGEST_SLEEP_MS * 1_000_000
        for machine in self.machines.values():
            if machine.attend():
                machine.look()
                return 0
            due = min(due, machine.due)
        for port in self._ports:
            if port.waits():
                return 0
        self._slept_from = now
        return max(0.0, (due - now) / 1e9)

    def rouse(self) -> None:
        """Say in every arena that the host is awake."""
        for machine in self.machines.values():
            machine.arena.sleeping[0] = 0

    def _release(self) -> None:
        buried, self._buried = self._buried, []
        mappings = [machine.let_go() for machine in buried]
        del buried
        gc.collect()  # ports, pumps and their callbacks refer to each other in a ring
        for mapping in mappings:
            mapping.close()

    # -- console -------------------------------------------------------------------------------------------------------

    def _on_console(self, events: int) -> None:
        if events & select.EPOLLOUT:
            self._flush()
        if not events & ~select.EPOLLOUT:
            return
        try:
            message, fds = messages.opened(*self.console.receive(), messages.ToHost)
        except ChannelClosed:
            self._ending = True
            return
        except ChannelGarbage as error:
            raise EmulatorError(f"the console and the host do not understand each other: {error}") from error
        if isinstance(message, messages.StartMachine):
            self._start(message, fds)
            return
        close_all(fds)
        machine = self.machines.get(message.machine)
        if machine is None:
            return
        try:
            machine.asked(message)
        except Exception as error:
            machine.broken(error)

    def _start(self, message: messages.StartMachine, fds: list[int]) -> None:
        specification = message.specification
        count = 2 * sum(adapter.wire.kind == "cable" for adapter in specification.adapters)
        cables = list(zip(fds[0:count:2], fds[1:count:2], strict=True))
        namespaces = dict(zip(message.namespaces, fds[count:], strict=True))
        machine = Supervisor(self, message.machine, specification)
        try:
            machine.start(cables, namespaces)
        except HostError as error:
            self.tell(lacking(error, message.machine))
        except Exception as error:
            import traceback

            if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
                step = f"starting the machine {specification.name}"
                self.tell(lacking(SharedMemoryError(step, error), message.machine))
                return
            text = "".join(traceback.format_exception(error)).strip()
            self.tell(messages.MachineFailed(message.machine, "emulator", text))
        else:
            # With the nursery gone it is over before it began, and has been forgotten.
            if machine not in self._buried:
                self.machines[message.machine] = machine
        finally:
            close_all(list(namespaces.values()))

    # -- nursery -------------------------------------------------------------------------------------------------------

    def _on_nursery(self, events: int) -> None:
        try:
            message, fds = self.nursery.receive()
        except ChannelClosed:
            self.nursery_lives = False
            self.unwatch(self.nursery.fileno())
            for machine in list(self.machines.values()):
                machine.nursery_gone()
            return
        known = self.machines.get(message.machine)
        if isinstance(message, messages.ZygoteBorn) and fds and known is not None:
            known.zygote_born(message.pid, fds.pop())
        elif isinstance(message, messages.ZygoteEnded) and known is not None:
            known.zygote_ended(Exit(0, message.code, message.signal))
        close_all(fds)
