"""The zygote: loads a machine's drivers once, forks every context of it, and reaps them.

Law: it has one thread whenever it forks, runs no driver code once DriverEntry has returned, and ends when the host's
socket closes, taking every context along.  A driver that comes later is loaded while there is no context; those that
are forked then know it.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import socket
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from emulator.host import messages, sleeping, worker
from emulator.host.platform import LivePlatform, lock_table
from emulator.layout.arena import FIRST_PROCESSOR_SLOT, PNP_SLOT, REQUESTS_SLOT, Arena
from emulator.layout.machine import ContextKind, SlotState
from emulator.rules.errors import ConfigurationError, HostError
from emulator.sync import memory, processes
from emulator.sync.descriptors import Channel, ChannelClosed, close_all

if TYPE_CHECKING:
    from types import FrameType

    from emulator.host.specification import DriverSpecification, MachineSpecification
    from emulator.kernel.context import Context
    from emulator.kernel.machine import Machine
    from emulator.sync.mutex import LockTable

ZYGOTE_SLOT: Final = 1
EXIT_NOT_LOADED: Final = 6
"""The drivers could not be loaded, and the host has been told why."""


PROCESS_NAMES: Final = {
    ContextKind.PNP: "pnp",
    ContextKind.REQUESTS: "requests",
    ContextKind.PROCESSOR: "processor",
    ContextKind.PASSIVE_WORKER: "worker",
    ContextKind.IO: "io",
}
"""As ps and top show them: the kernel keeps fifteen bytes."""


class Loader(Protocol):
    """The module named by a specification's ``loader``: builds the machine and loads its drivers into it."""

    def create_machine(self, arena: Arena, specification: Any, /) -> Machine:
        """The machine with its services, before anything of a driver is imported."""

    def load_machine(self, context: Context, specification: Any, /) -> None:
        """Import the plug-ins, seal the images and call each DriverEntry, in the zygote's context.

        Raises ConfigurationError in one clear line for a plug-in that does not load.
        """

    def load_driver(self, context: Context, specification: Any, driver: Any, /) -> int:
        """Load one driver more, between two generations of contexts; the number of its image.

        Raises ConfigurationError in one clear line for one that is refused.
        """


class Lent:
    """The descriptors that the host lends to a zygote, in the order in which they travel."""

    def __init__(self, fds: list[int], slots: int) -> None:
        if len(fds) != 3 + 2 * slots:
            raise ValueError(f"{len(fds)} descriptors for {slots} slots")
        self.channel, self.log, self.arena = fds[:3]
        self.doorbells = fds[3 : 3 + slots]
        self.dumps = fds[3 + slots :]


def main(specification: MachineSpecification, fds: list[int]) -> int:
    """Be the zygote of a machine; the exit code."""
    lent = Lent(fds, specification.geometry.slots)
    channel: Channel[Any] = Channel(socket.socket(fileno=lent.channel), messages.ToZygote)
    try:
        zygote = Zygote(specification, lent, channel)
        code = zygote.load()
        if code == 0:
            zygote.bear_all()
            code = zygote.serve()
    except ChannelClosed:
        return 0
    except processes.ThreadsRunning as error:
        _tell(channel, messages.LoadFailed("configuration", f"a plug-in starts threads: {', '.join(error.names)}"))
        return EXIT_NOT_LOADED
    except HostError as error:
        _tell(channel, messages.LoadFailed("host", error.reason, error.step, error.mend, error.errno or 0))
        return EXIT_NOT_LOADED
    except BaseException as error:
        _tell(channel, messages.LoadFailed("emulator", "".join(traceback.format_exception(error)).strip()))
        return EXIT_NOT_LOADED
    return code


def _tell(channel: Channel[Any], message: messages.Message) -> None:
    try:
        messages.send(channel, message)
    except ChannelClosed:
        pass


class Zygote:
    """One machine's zygote."""

    def __init__(self, specification: MachineSpecification, lent: Lent, channel: Channel[Any]) -> None:
        self.specification = specification
        self.geometry = specification.geometry
        self.lent = lent
        self.channel = channel
        self.mapping = memory.map(lent.arena)
        os.close(lent.arena)
        self.arena = Arena(self.mapping.view, self.geometry)
        self.locks: LockTable = lock_table(self.mapping, self.arena)
        self.locks.initialize()
        self.log = socket.socket(fileno=lent.log)
        self.children: dict[int, tuple[int, int]] = {}
        self.next: DriverSpecification | None = None
        """The driver with which the next generation is born."""
        self.poller = select.poll()
        self.poller.register(channel.fileno(), select.POLLIN)

    def platform(self, slot: int) -> LivePlatform:
        """The platform of the context of a slot, for the process that becomes it."""
        return LivePlatform(slot, self.locks, self.lent.doorbells, self.log, self.specification.log_level)

    def load(self) -> int:
        """Build the machine and load its drivers in this process's context; 0 when that went well."""
        specification = self.specification
        os.environ.update(specification.environment)
        sys.path[:0] = specification.paths
        platform = self.platform(ZYGOTE_SLOT)
        if self.geometry.checked:
            sleeping.watch()
        loader: Loader = importlib.import_module(specification.loader)
        self.machine = loader.create_machine(self.arena, specification)
        self.machine.format(platform.now())
        place = ZYGOTE_SLOT, ContextKind.ZYGOTE, 0
        dump = self.lent.dumps[ZYGOTE_SLOT]
        context = self.context = worker.become(self.machine, platform, place, dump, specification)
        context.enter_state(SlotState.RUNNING)
        self.loader = loader
        failures: list[messages.LoadFailed] = []

        def load() -> None:
            try:
                loader.load_machine(context, specification)
                self._refuse_threads()
            except ConfigurationError as error:
                failures.append(messages.LoadFailed("configuration", str(error)))
            except HostError as error:
                failures.append(messages.LoadFailed("host", error.reason, error.step, error.mend, error.errno or 0))

        code = worker.guarded(context, load, self.lent.dumps[ZYGOTE_SLOT])
        if failures:
            messages.send(self.channel, failures[0])
            return EXIT_NOT_LOADED
        if code:
            return code
        context.enter_state(SlotState.EXITED)
        self._tell_names()
        return 0

    def _tell_names(self) -> None:
        names = messages.enclose("names", msgspec.msgpack.encode(names_of(self.machine)))
        messages.send(self.channel, messages.Loaded(), [names])
        os.close(names)

    def _load_another(self, driver: DriverSpecification) -> int:
        """Load a driver between two generations; a refusal is told, anything else ends the machine: the exit code."""
        context = self.context
        self.arena.machine.shutting_down = 0
        context.enter_state(SlotState.RUNNING)
        answer = messages.DriverLoaded(0)

        def load() -> None:
            try:
                answer.image = self.loader.load_driver(context, self.specification, driver)
                self._refuse_threads()
            except (ConfigurationError, HostError) as error:
                answer.refusal = " ".join(str(error).split())

        code = worker.guarded(context, load, self.lent.dumps[ZYGOTE_SLOT])
        if code == 0:
            context.enter_state(SlotState.EXITED)
            self._tell_names()
            messages.send(self.channel, answer)
        return code

    def _refuse_threads(self) -> None:
        try:
            processes.require_single_thread()
        except processes.ThreadsRunning as error:
            loaded = [image.name for image in self.machine.images.images]
            who = ", ".join(threads_by_plugin(self.machine)) or f"one of {', '.join(loaded)}"
            which = ", ".join(error.names[1:])
            raise ConfigurationError(
                f"{who}: starts threads while it is loaded ({which}); they would not survive the fork of the machine's "
                "contexts"
            ) from None

    def bear_all(self) -> None:
        """Fork every context that the machine begins with."""
        gc.collect()
        gc.freeze()
        geometry = self.geometry
        self.bear(PNP_SLOT, ContextKind.PNP, 0)
        self.bear(REQUESTS_SLOT, ContextKind.REQUESTS, 0)
        for index in range(geometry.processors):
            self.bear(FIRST_PROCESSOR_SLOT + index, ContextKind.PROCESSOR, index)
        for index in range(geometry.passive_workers):
            self.bear(geometry.first_passive_slot + index, ContextKind.PASSIVE_WORKER, index)
        self.channel.send(messages.AllBorn())

    def bear(self, slot: int, kind: ContextKind, index: int) -> None:
        """Fork one context."""
        box = self.arena.slots[slot]
        box.kind, box.index = kind, index
        box.state = SlotState.STARTING
        debug = self.specification.debug
        dump = self.lent.dumps[slot]
        keep = [*self.lent.doorbells, self.lent.log, dump, *((0, 1, 2) if debug else ())]

        def run() -> int:
            platform = self.platform(slot)
            context = worker.become(self.machine, platform, (slot, kind, index), dump, self.specification)
            return worker.live(context, dump)

        child = processes.fork_child(run, keep=keep, name=f"ndis:{PROCESS_NAMES[kind]}{index}", single_thread=True)
        self.children[child.pidfd] = (slot, child.pid)
        self.poller.register(child.pidfd, select.POLLIN)
        self.channel.send(messages.ContextBorn(slot, child.pid), [child.pidfd])

    def serve(self) -> int:
        """Reap and bear until the host is gone or every context has ended; the exit code."""
        while self.children:
            for descriptor, _ in self.poller.poll():
                if descriptor in self.children:
                    self._reap(descriptor)
                else:
                    self._listen()
            if self.next is not None and not self.children:
                driver, self.next = self.next, None
                code = self._load_another(driver)
                if code:
                    return code
                self.bear_all()
        return 0

    def _reap(self, pidfd: int) -> None:
        slot, pid = self.children.pop(pidfd)
        self.poller.unregister(pidfd)
        ended = processes.reap(pid)
        box = self.arena.slots[slot]
        if box.state == SlotState.RETIRING and ended.code == 0:
            box.state = SlotState.EMPTY
        os.close(pidfd)
        self.channel.send(messages.ContextEnded(slot, pid, ended.code, ended.signal))

    def _listen(self) -> None:
        message, fds = self.channel.receive()
        close_all(fds)
        geometry = self.geometry
        if isinstance(message, messages.AddContext) and geometry.first_passive_slot <= message.slot < geometry.slots:
            self.bear(message.slot, *geometry.place_of(message.slot))
        elif isinstance(message, messages.LoadDriver):
            self.next = message.driver


def threads_by_plugin(machine: Machine) -> list[str]:
    """The plug-ins whose code the other threads of this process run."""
    paths = {image.path: image.name for image in machine.images.images}
    found: dict[str, None] = {}
    own = sys._getframe()
    for top in sys._current_frames().values():  # noqa: SLF001 (documented, in spite of the underscore)
        frame: FrameType | None = top
        while frame is not None and frame is not own:
            if frame.f_code.co_filename in paths:
                found[paths[frame.f_code.co_filename]] = None
            frame = frame.f_back
    return list(found)


def ddi_names() -> list[str]:
    """The functions that a driver can call, by the number that the black box shows."""
    surface: Any = sys.modules.get("emulator.ndis.gates.ddi")
    return list(surface.numbers) if surface is not None else []


def names_of(machine: Machine) -> messages.Names:
    """What a post-mortem needs of the images, in words."""
    images = machine.images
    codes = []
    for code in images.codes:
        if code is None:
            codes.append(messages.CodeNames("", "", 0, [], []))
            continue
        starts, lines = [], []
        for start, _, line in code.co_lines():
            if line is not None:
                starts.append(start)
                lines.append(line)
        codes.append(messages.CodeNames(code.co_filename, code.co_qualname, code.co_firstlineno, starts, lines))
    return messages.Names(
        images=[images.driver_name(image.number) for image in images.images],
        paths=[image.path for image in images.images],
        routines=[images.routine_name(number) for number in range(len(images.routines))],
        ddis=ddi_names(),
        codes=codes,
        roots=list(images.roots),
    )
