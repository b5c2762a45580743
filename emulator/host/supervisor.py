"""One machine as the host sees it: its birth, its life, and the order in which it ends.

Law: the host believes nothing that a machine says about itself, takes no lock of it, and never waits for it: every step
is a phase with a deadline, and the host's loop goes on meanwhile.
"""

from __future__ import annotations

import os
import select
import time
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from emulator.host import control, logs, messages, stack_status, statistics, stopping
from emulator.host.adapters import lay_wires, mac_of
from emulator.host.blackbox import words_of
from emulator.host.control import ControlLane
from emulator.host.devices import DeviceServer
from emulator.host.phases import Phase
from emulator.host.ports import Port
from emulator.host.watchdog import Watchdog
from emulator.kernel.lanes import BLOCKED_AFTER, blocked_lane
from emulator.kernel.workqueue import starved
from emulator.layout.arena import MAXIMUM_PASSIVE_WORKERS, Arena, offsets_of
from emulator.layout.machine import ContextKind, SlotState
from emulator.rules.control import ControlOperation
from emulator.sync import descriptors, memory, processes
from emulator.sync.descriptors import Channel, ChannelClosed, ChannelGarbage

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from emulator.host.generations import Change
    from emulator.host.host import Host
    from emulator.host.specification import MachineSpecification
    from emulator.rules.errors import HostError

ZYGOTE_SLOT: Final = 1
MILLISECOND: Final = 1_000_000
TICK_NS: Final = 50 * MILLISECOND
LEAVING_NS: Final = 5000 * MILLISECOND
CONTROL_NS: Final = 30_000 * MILLISECOND
LOG_BATCH: Final = 256
NEVER: Final = 1 << 62


class Member:
    """One process of a machine."""

    __slots__ = ("alive", "exit", "pid", "pidfd", "slot")

    def __init__(self, slot: int, pid: int, pidfd: int) -> None:
        self.slot = slot
        self.pid = pid
        self.pidfd = pidfd
        self.alive = True
        self.exit: processes.Exit | None = None


class Supervisor:
    """One machine."""

    def __init__(self, host: Host, number: int, specification: MachineSpecification) -> None:
        self.host = host
        self.number = number
        self.specification = specification
        self.geometry = specification.geometry
        self.phase = Phase.LOADING
        self.due = time.monotonic_ns() + TICK_NS
        self.deadline = NEVER
        self.members: dict[int, Member] = {}
        self.retired: set[int] = set()
        self.names = messages.Names()
        self.loggers = logs.DriverLoggers(specification.name)
        self.ports: list[Port] = []
        self.statuses: list[int | None] = [None] * len(specification.adapters)
        self.stopping: stopping.Stopping | None = None
        self.zygote_exit: processes.Exit | None = None
        self.failure: messages.MachineFailed | None = None
        self.growing = 0
        self.all_born = False
        self._told_born = False
        self.grown = 0
        self.failed = 0
        """A bit for each adapter that has failed for good, as far as it is known here."""
        self.early: list[messages.Control] = []
        """What was asked for while there was nobody to do it."""
        self.change: Change | None = None
        self.ends_next = False

    # -- birth ---------------------------------------------------------------------------------------------------------

    def start(self, cables: list[tuple[int, int]], namespaces: dict[int, int]) -> None:
        """Make the arena, ask the nursery for a zygote, and lay the wires while it loads the drivers.

        Raises HostError; the zygote then finds its channel closed, and ends.
        """
        arena_fd = memory.create(f"ndis:{self.specification.name}", offsets_of(self.geometry)["size"])
        self.mapping = memory.map(arena_fd)
        self.arena = Arena(self.mapping.view, self.geometry)
        slots = self.geometry.slots
        self.doorbells = [_eventfd() for _ in range(slots)]
        self.dumps = [os.memfd_create(f"stack:{slot}", os.MFD_CLOEXEC) for slot in range(slots)]
        self.log, log_out = _log_pair()
        near, far = descriptors.pair()
        near.setblocking(False)
        self.channel: Channel[Any] = Channel(near, messages.FromZygote)
        self.lane = ControlLane(self.arena, self._ring_pnp)
        self.devices = DeviceServer(self)
        self.watchdog = Watchdog(self.arena, self.specification.watchdog)
        host_box = self.arena.slots[0]
        host_box.kind, host_box.pid = ContextKind.HOST, os.getpid()
        watch, guarded = self.host.watch, self._guarded
        # Edge-triggered: each ring wakes once, and none has to be taken back with a system call.
        watch(self.doorbells[0], guarded(self._on_bell), select.EPOLLIN | select.EPOLLET)
        watch(self.log.fileno(), guarded(self._on_log))
        watch(near.fileno(), guarded(self._on_zygote))
        lent = [far.fileno(), log_out.fileno(), arena_fd, *self.doorbells, *self.dumps]
        try:
            message = messages.BearZygote(self.number, self.specification)
            messages.send(self.host.nursery, message, lent)
        except ChannelClosed:
            self._fail(messages.MachineFailed(self.number, "emulator", "the nursery is gone"))
            return
        finally:
            far.close()
            log_out.close()
            os.close(arena_fd)
        try:
            wires = lay_wires(self.specification.adapters, cables, namespaces, self.number, self.wire_reports)
        except BaseException:
            self._give_back()
            raise
        self.ports = [
            Port(self, number, wire, mac_of(adapter, self.number, number))
            for number, (adapter, wire) in enumerate(zip(self.specification.adapters, wires, strict=True))
        ]

    def zygote_born(self, pid: int, pidfd: int) -> None:
        """The nursery has forked the zygote; on a busy computer it says so when the zygote has said all it has to."""
        self._enter(ZYGOTE_SLOT, pid, pidfd)
        self._all_born()

    def zygote_ended(self, ended: processes.Exit) -> None:
        """The nursery has reaped the zygote."""
        self.zygote_exit = ended
        member = self.members.get(ZYGOTE_SLOT)
        if member is not None:
            member.exit = ended
            self._bury(member)
        if self.phase is Phase.STOPPING:
            self._step()
        elif self.phase is Phase.LEAVING and ended.code == 0:
            self._finish_if_gone()
        else:
            self.begin_stop()

    def nursery_gone(self) -> None:
        """The nursery ended, and every zygote with it."""
        if self.zygote_exit is None:
            self.zygote_exit = processes.Exit(0, None, 9)
        self.begin_stop()
        self._step()

    # -- what the processes say ----------------------------------------------------------------------------------------

    def _on_zygote(self, events: int) -> None:
        try:
            while self.phase is not Phase.GONE and (taken := self.channel.try_receive()) is not None:
                self._zygote_says(*messages.opened(*taken, messages.FromZygote))
        except ChannelClosed:
            self.host.unwatch(self.channel.fileno())
            if self.phase is not Phase.LEAVING:
                self.begin_stop()
        except ChannelGarbage as error:
            self.loggers.emit(40, "ndis", f"the zygote sent garbage: {error}", "zygote")
            self.begin_stop()

    def _zygote_says(self, message: Any, fds: list[int]) -> None:
        if isinstance(message, messages.ContextBorn) and len(fds) == 1 and 1 < message.slot < self.geometry.slots:
            self._enter(message.slot, message.pid, fds.pop())
            if self.all_born:
                self._tell_pids()
        elif isinstance(message, messages.ContextEnded):
            self._context_ended(message)
        elif isinstance(message, messages.Loaded) and fds:
            self._take_names(fds.pop())
        elif isinstance(message, messages.DriverLoaded) and self.change is not None:
            self.change.loaded(message.image, message.refusal)
        elif isinstance(message, messages.LoadFailed):
            self._fail(
                messages.MachineFailed(
                    self.number, message.fault, message.text, message.step, message.mend, message.errno
                )
            )
        elif isinstance(message, messages.AllBorn):
            self._told_born = True
            self._all_born()
        descriptors.close_all(fds)

    def _take_names(self, fd: int) -> None:
        try:
            self.names = msgspec.msgpack.decode(messages.disclose(fd), type=messages.Names)
        except msgspec.MsgspecError as error:
            self.loggers.emit(40, "ndis", f"the table of names is damaged: {error}", "zygote")

    def _enter(self, slot: int, pid: int, pidfd: int) -> None:
        member = self.members[slot] = Member(slot, pid, pidfd)
        self.growing = 0
        self.host.watch(pidfd, self._guarded(lambda events: self._process_ended(member)))
        if self.phase is Phase.STOPPING:
            processes.kill(pidfd)

    def _process_ended(self, member: Member) -> None:
        """A pidfd became readable: the exit itself comes from whoever reaps, a moment later."""
        self._bury(member)
        if self.phase is Phase.STOPPING:
            self._step()
        elif self.phase not in (Phase.LEAVING, Phase.CHANGING) and not self._retires(member):
            self.begin_stop()

    def _retires(self, member: Member) -> bool:
        state = self.arena.slots[member.slot].state
        return member.slot >= self.geometry.first_passive_slot and state in (SlotState.RETIRING, SlotState.EMPTY)

    def _context_ended(self, message: messages.ContextEnded) -> None:
        member = self.members.get(message.slot)
        if member is None or member.pid != message.pid:
            return
        member.exit = processes.Exit(message.pid, message.code, message.signal)
        self._bury(member)
        if self.phase is Phase.STOPPING:
            self._step()
        elif self.phase is Phase.LEAVING and message.code == 0:
            self._finish_if_gone()
        elif message.code == 0 and (self.phase is Phase.CHANGING or self._retires(member)):
            del self.members[message.slot]
            self.retired.discard(message.slot)
            self._tell_pids()
        else:
            self.begin_stop()

    def _bury(self, member: Member) -> None:
        if member.alive:
            member.alive = False
            self.host.unwatch(member.pidfd)
            os.close(member.pidfd)

    def _all_born(self) -> None:
        if not self._told_born or ZYGOTE_SLOT not in self.members:
            return
        self._told_born, self.all_born = False, True
        self._tell_pids()
        if self.change is not None and self.phase is Phase.CHANGING:
            self.change.born()
        if self.phase is not Phase.LOADING:
            return
        self.phase = Phase.STARTING
        for port in self.ports:
            port.power_on()
            self.lane.submit(ControlOperation.START_ADAPTER, port.number, 0, partial(self.adapter_started, port))
        self.begin_what_waits()
        self._running_if_started()

    def begin_what_waits(self) -> None:
        """Do what was asked for while there was nobody to do it."""
        while self.early and self.change is None:
            control.carry_out(self, self.early.pop(0))

    def adapter_started(self, port: Port, status: int) -> None:
        """An adapter's start has come to an end."""
        self.statuses[port.number] = int(status)
        port.started(status == 0)
        self._running_if_started()

    def _running_if_started(self) -> None:
        statuses = [status for status in self.statuses if status is not None]
        if self.phase is Phase.STARTING and len(statuses) == len(self.statuses):
            self.phase = Phase.RUNNING
            self.host.tell(messages.MachineRunning(self.number, statuses))

    def _tell_pids(self) -> None:
        self.host.tell(messages.MachinePids(self.number, {slot: member.pid for slot, member in self.members.items()}))

    # -- the arena's bell and the logs ---------------------------------------------------------------------------------

    def _ring_pnp(self) -> None:
        for slot in self.geometry.lane_slots(ContextKind.PNP):
            self.ring(slot)

    def ring(self, slot: int) -> None:
        """Wake a context, whether it sleeps or not."""
        try:
            os.eventfd_write(self.doorbells[slot], 1)
        except BlockingIOError:
            pass  # it is rung already

    def attend(self) -> bool:
        """Is there anything in the arena that the host must not sleep over?"""
        head = self.arena.machine
        return bool(head.stop_word) or head.failed != self.failed or self.lane.finished or self.devices.attend()

    def _on_bell(self, events: int) -> None:
        if self.attend():
            self.look()

    def look(self) -> None:
        """Take note of the stop word and of finished control operations."""
        if self.phase in (Phase.STOPPING, Phase.GONE):
            return
        if self.arena.machine.stop_word:
            self.begin_stop()
        else:
            control.take_away_failed(self)
            self.lane.service()
            self.devices.service()

    def _on_log(self, events: int) -> None:
        self.drain_log(LOG_BATCH)

    def drain_log(self, limit: int) -> None:
        """Emit what contexts have logged."""
        for _ in range(limit):
            try:
                taken = descriptors.try_receive(self.log)
            except ChannelClosed:
                self.host.unwatch(self.log.fileno())
                return
            except ChannelGarbage:
                continue
            if taken is None:
                return
            encoded, fds = taken
            descriptors.close_all(fds)
            try:
                record = msgspec.msgpack.decode(encoded, type=messages.ToLog)
            except msgspec.MsgspecError:
                continue
            if isinstance(record, messages.Grow):
                self._grow(time.monotonic_ns())
                continue
            slot = record.slot if 0 <= record.slot < len(self.arena.slots) else 0
            box = self.arena.slots[slot]
            self.loggers.take(record, words_of(box.kind, box.index))

    # -- time ----------------------------------------------------------------------------------------------------------

    def tick(self, now: int) -> None:
        """Look at what only time brings: deadlines, callbacks that run too long, workers that are missing."""
        self.due = now + min(TICK_NS, self.watchdog.interval)
        if self.phase is Phase.STOPPING:
            self._step()
            return
        self.look()
        if self.phase in (Phase.STOPPING, Phase.GONE):
            return
        if now >= self.deadline:
            self.begin_stop(stopping.too_late(self))
            return
        if self.specification.debug:
            return
        overrun = self.watchdog.look({m.slot: m.pid for m in self.members.values() if m.alive}, now)
        if overrun is not None:
            self.begin_stop(overrun)
        elif self.phase in (Phase.STARTING, Phase.RUNNING, Phase.ENDING):
            self._help(now)

    def _help(self, now: int) -> None:
        """See whether the machine lacks a worker, or a stand-in for a control lane that blocks."""
        if starved(self.arena, now):
            self._grow(now)
        blocked = blocked_lane(self.arena)
        if blocked is not None and now - blocked[1] >= BLOCKED_AFTER:
            self.add_context(self.geometry.lane_slots(blocked[0])[1:], now)
        self.devices.help(now)

    def _grow(self, now: int) -> None:
        """Ask for one more passive worker, one at a time."""
        first = self.geometry.first_passive_slot
        workers = range(first, first + MAXIMUM_PASSIVE_WORKERS)
        if not self.specification.debug and self.add_context(workers, now):
            self.grown += 1

    def add_context(self, slots: Iterable[int], now: int) -> bool:
        """Ask the zygote for a context in the first of these slots that is free; False when none can be had now."""
        if not self.all_born or now < self.growing:
            return False
        free = next((slot for slot in slots if slot not in self.members), None)
        if free is None:
            return False
        self.growing = now + 1000 * MILLISECOND  # cleared when it is born
        try:
            self.channel.try_send(messages.AddContext(free))
        except ChannelClosed:
            pass
        return True

    @property
    def accepts_operations(self) -> bool:
        """Whether the PnP thread has not been told to end."""
        return self.phase in (Phase.STARTING, Phase.RUNNING, Phase.CHANGING)

    # -- what the console asks -----------------------------------------------------------------------------------------

    def asked(self, message: messages.Message) -> None:
        """Do what the console asks."""
        if isinstance(message, messages.Control):
            if self.phase is Phase.LOADING or self.change is not None:
                self.early.append(message)
            else:
                control.carry_out(self, message)
        elif isinstance(message, messages.EndMachine):
            self.end()
        elif isinstance(message, messages.KillMachine):
            self.kill()
        elif isinstance(message, messages.AskStatistics):
            self.answer_statistics(message.request)
        elif isinstance(message, messages.AskStatus):
            self.host.tell(stack_status.of(self, message.request, time.monotonic_ns()))

    def wire_reports(self, text: str) -> None:
        """A wire has something to say that is nobody's fault in the machine."""
        self.loggers.emit(30, "ndis", text, "host")

    def wire_finished(self, port: Port) -> None:
        """A wire will bring no more frames: a capture file has been replayed."""
        self.host.tell(messages.WireFinished(self.number, port.number))

    def hardware_fault(self, adapter: int, text: str) -> None:
        """A driver did to the hardware what no driver may do."""
        self.begin_stop(stopping.Fault(text, adapter))

    def adapter_stopped(self, port: Port, status: int) -> None:
        """An adapter that will not be started again is halted."""
        port.close()
        if self.phase is Phase.ENDING:
            self._allow_operation()

    def _allow_operation(self) -> None:
        """Give the next operation of the orderly end its time."""
        self.deadline = NEVER if self.specification.debug else time.monotonic_ns() + CONTROL_NS

    def end(self) -> None:
        """Begin the orderly end."""
        if self.phase is Phase.LOADING:
            self.kill()
            return
        if self.change is not None:
            self.ends_next = True
            return
        if self.phase not in (Phase.STARTING, Phase.RUNNING):
            return
        self.phase = Phase.ENDING
        self._allow_operation()
        self.devices.end(self._end_adapters)

    def _end_adapters(self) -> None:
        self._allow_operation()
        for port in self.ports:
            if self.statuses[port.number] in (0, None) and not port.removed:
                self.lane.submit(ControlOperation.STOP_ADAPTER, port.number, 0, partial(self.adapter_stopped, port))
        self.lane.submit(ControlOperation.UNLOAD, 0, 0, lambda status: self._leave())

    def switched_off(self) -> None:
        """The drivers have heard that the computer is switched off: nothing of theirs is called any more."""
        if self.accepts_operations:
            self._leave()

    def _leave(self) -> None:
        self.phase = Phase.LEAVING
        self.deadline = NEVER if self.specification.debug else time.monotonic_ns() + LEAVING_NS
        for port in self.ports:
            port.close()
        self.arena.machine.shutting_down = 1
        for slot in range(1, self.geometry.slots):
            self.ring(slot)

    def _finish_if_gone(self) -> None:
        if self.zygote_exit is not None and not any(member.alive for member in self.members.values()):
            self.finish(None)

    def broken(self, error: Exception) -> None:
        """The host failed while it served this machine: the machine ends, the others go on."""
        lines = [line.strip() for line in traceback.format_exception(error)]
        self.loggers.emit(40, "ndis", "the host failed: " + "\n".join(lines), "host")
        if self.phase is not Phase.STOPPING:
            self.begin_stop(stopping.Broken(lines))
            return
        for member in self.members.values():
            if member.alive:
                processes.kill(member.pidfd)
        self.finish(self.stopping.outcome if self.stopping is not None else None)

    def _guarded(self, callback: Callable[[int], None]) -> Callable[[int], None]:
        """A callback of the loop whose failure is this machine's alone."""

        def call(events: int) -> None:
            try:
                callback(events)
            except Exception as error:
                self.broken(error)

        return call

    def kill(self) -> None:
        """End the machine at once, without a stop screen."""
        if self.phase is not Phase.GONE:
            self.begin_stop(stopping.Killed())

    def answer_statistics(self, request: int) -> None:
        """Tell the console the machine's counters."""
        self.host.tell(
            messages.Statistics(
                self.number,
                request,
                statistics.counters(self),
                [port.counters() for port in self.ports],
                statistics.queue_to_callback(self),
                statistics.ddi_calls(self),
            )
        )

    # -- the end -------------------------------------------------------------------------------------------------------

    def _fail(self, failure: messages.MachineFailed) -> None:
        self.failure = failure
        self.begin_stop(stopping.Killed())

    def begin_stop(self, cause: stopping.Cause = None) -> None:
        """Stop the machine: carrier off, ask who is doing what, find the culprit, kill, clean up."""
        if self.phase in (Phase.STOPPING, Phase.GONE):
            return
        self.phase = Phase.STOPPING
        self.devices.close()
        for port in self.ports:
            port.close()
        self.stopping = stopping.Stopping(self, cause)
        self._step()

    def _step(self) -> None:
        assert self.stopping is not None
        if self.phase is Phase.STOPPING:
            self.due = self.stopping.step(time.monotonic_ns())

    def finish(self, outcome: stopping.Outcome | None) -> None:
        """Everything of the machine is gone: tell the console, give back what the host held."""
        self.phase = Phase.GONE
        self.drain_log(1 << 20)
        leftovers = [f"pid {member.pid} (slot {member.slot})" for member in self.members.values() if member.alive]
        self.devices.close()
        for port in self.ports:
            port.close()
        for member in self.members.values():
            self._bury(member)
        self._give_back()
        if self.failure is not None:
            self.host.tell(self.failure)
        elif outcome is None:
            self.host.tell(messages.MachineEnded(self.number, leftovers=leftovers))
        else:
            self.host.tell(messages.MachineEnded(self.number, outcome.encoded, outcome.screen, leftovers))

    def _give_back(self) -> None:
        """Close what the host holds of the machine."""
        for fd in (self.doorbells[0], self.log.fileno(), self.channel.fileno()):
            self.host.unwatch(fd)
        self.log.close()
        self.channel.close()
        descriptors.close_all([*self.doorbells, *self.dumps])
        self.host.forget(self)

    def let_go(self) -> memory.Mapping:
        """Forget everything that points into the arena; the mapping, which is then free to be closed."""
        mapping = self.mapping
        self.__dict__.clear()
        return mapping


def _eventfd() -> int:
    return os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)


def _log_pair() -> tuple[socket.socket, socket.socket]:
    reader, writer = descriptors.pair()
    from emulator.host.platform import enlarge

    enlarge(writer)
    return reader, writer


def lacking(error: HostError, number: int) -> messages.MachineFailed:
    """What the console is told when the computer lacks something."""
    return messages.MachineFailed(number, "host", error.reason, error.step, error.mend, error.errno or 0)
