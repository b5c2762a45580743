"""The control messages between console, host, nursery and zygotes, and the datagrams of drivers' logs.

Law: msgspec records of these types and nothing else; a receiver checks each against the union of what it accepts.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import msgspec

from emulator.host.specification import DriverSpecification, MachineSpecification
from emulator.sync import descriptors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emulator.sync.descriptors import Channel

ENCLOSED_FROM: Final = 32 * 1024
LARGEST_ENCLOSED: Final = 8 << 20


class Message(msgspec.Struct, tag=True):
    """What every control message is."""


class Enclosed(Message):
    """A message too long for one packet: it lies in the memfd that comes last among the descriptors."""

    length: int


# Console -> host ----------------------------------------------------------------------------------------------------
class StartMachine(Message):
    """Start a machine; with it come the near ends of its cables (socket, flag) in the order of the adapters."""

    machine: int
    specification: MachineSpecification
    namespaces: list[int] = []
    """Numbers of the adapters whose wire lies in a network namespace; its descriptor comes after the cables."""


class Control(Message):
    """One control operation on a running machine; answered with ControlDone."""

    machine: int
    request: int
    operation: int
    target: int
    argument: int = 0
    data: bytes = b""


class EndMachine(Message):
    """End a machine in order: stop its adapters, unload its drivers, let every context leave."""

    machine: int


class KillMachine(Message):
    """End a machine at once."""

    machine: int


class AskStatistics(Message):
    """Ask for a machine's counters; answered with Statistics."""

    machine: int
    request: int


class AskStatus(Message):
    """Ask how a machine's stacks are; answered with MachineStatus."""

    machine: int
    request: int


# Host -> console ----------------------------------------------------------------------------------------------------
class MachineRunning(Message):
    """Every driver is loaded, every context lives and every adapter has answered its start (NDIS_STATUS each)."""

    machine: int
    statuses: list[int]


class MachinePids(Message):
    """The processes of a machine: zygote and contexts, by slot."""

    machine: int
    pids: dict[int, int]


class ControlDone(Message):
    """A control operation has been carried out."""

    machine: int
    request: int
    status: int
    data: bytes = b""
    needed: int = 0


class LayerStatus(msgspec.Struct):
    """A protocol's binding or a filter's module in a stack."""

    driver: str
    state: str
    name: str = ""
    lists: int = 0
    """NET_BUFFER_LISTs that it has sent or been given, and that are on their way."""


class AdapterStatus(msgspec.Struct):
    """An adapter and its stack, as the arena says at this moment."""

    number: int
    name: str
    state: str
    """The state of states.md in lower case; ``removed`` when its wire is gone."""
    miniport: str = ""
    link: bool = True
    power: str = "d0"
    lists: int = 0
    """NET_BUFFER_LISTs of the whole stack that are on their way."""
    protocols: list[LayerStatus] = []
    filters: list[LayerStatus] = []
    """From the topmost down."""
    operation: str = ""
    """The control operation that it is at, or that waits for its turn."""
    seconds: float = 0.0
    """How long it has been at it."""
    blocked_by: list[str] = []
    """Who keeps the operation from its end: which driver has which NET_BUFFER_LIST or OID request, and since when."""


class MachineStatus(Message):
    """A machine and its stacks."""

    machine: int
    request: int
    name: str
    phase: str
    drivers: list[str]
    adapters: list[AdapterStatus]


class Statistics(Message):
    """A machine's counters by name."""

    machine: int
    request: int
    counters: dict[str, int]
    adapters: list[dict[str, int]] = []
    queue_to_callback: dict[int, int] = {}
    """How many work items waited how long, by bucket of emulator.layout.delays, since the machine began."""
    ddi_calls: dict[str, list[str]] = {}
    """The DDI functions that each context has called, in order; of a machine whose geometry says ``traced``."""


class WireFinished(Message):
    """An adapter's wire will bring no more frames: its capture file has been replayed, and the adapter is quiet."""

    machine: int
    adapter: int


class MachineFailed(Message):
    """A machine could not be started: what is wrong in one line, and whose fault it is."""

    machine: int
    fault: str
    """``configuration``, ``host`` or ``emulator``: which error the console raises."""
    text: str
    step: str = ""
    mend: str = ""
    errno: int = 0


class MachineEnded(Message):
    """A machine is gone.  ``stop`` is the JSON of its report, empty after an orderly end; ``screen`` is its text."""

    machine: int
    stop: bytes = b""
    screen: str = ""
    leftovers: list[str] = []


# Host -> nursery ----------------------------------------------------------------------------------------------------
class BearZygote(Message):
    """Fork a zygote and lend it the descriptors that come along (see ``ZYGOTE_DESCRIPTORS``)."""

    machine: int
    specification: MachineSpecification


# Nursery -> host ----------------------------------------------------------------------------------------------------
class ZygoteBorn(Message):
    """The zygote lives; its pidfd comes along."""

    machine: int
    pid: int


class ZygoteEnded(Message):
    """The zygote has been reaped."""

    machine: int
    code: int | None
    signal: int | None


# Host -> zygote -----------------------------------------------------------------------------------------------------
class AddContext(Message):
    """Fork one more passive worker, or a stand-in of a control lane, into this slot."""

    slot: int


class LoadDriver(Message):
    """When every context has left: load one driver more, and bear a new generation.  Answered with DriverLoaded."""

    driver: DriverSpecification


# Zygote -> host -----------------------------------------------------------------------------------------------------
class Loaded(Message):
    """Every DriverEntry has returned; the names that a post-mortem needs lie in the memfd that comes along."""


class DriverLoaded(Message):
    """A driver that was loaded later: the number of its image, or why it was refused."""

    image: int
    refusal: str = ""


class LoadFailed(Message):
    """The drivers cannot be loaded: one clear line, and whose fault it is."""

    fault: str
    text: str
    step: str = ""
    mend: str = ""
    errno: int = 0


class ContextBorn(Message):
    """A context has been forked; its pidfd comes along."""

    slot: int
    pid: int


class AllBorn(Message):
    """Every context that the machine begins with has been forked."""


class ContextEnded(Message):
    """A context has been reaped."""

    slot: int
    pid: int
    code: int | None
    signal: int | None


ToHost = StartMachine | Control | EndMachine | KillMachine | AskStatistics | AskStatus | Enclosed
ToConsole = (
    MachineRunning
    | MachinePids
    | ControlDone
    | MachineStatus
    | Statistics
    | WireFinished
    | MachineFailed
    | MachineEnded
    | Enclosed
)
ToNursery = BearZygote | Enclosed
FromNursery = ZygoteBorn | ZygoteEnded | Enclosed
ToZygote = AddContext | LoadDriver | Enclosed
FromZygote = Loaded | DriverLoaded | LoadFailed | ContextBorn | AllBorn | ContextEnded | Enclosed


class Names(msgspec.Struct):
    """What numbers in the arena mean, in words: lets the host explain a black box without any driver's code."""

    images: list[str] = []
    """Names by image number; the first is number 1."""
    paths: list[str] = []
    routines: list[str] = []
    """``driver!Function`` by routine number; number 0 is none."""
    ddis: list[str] = []
    codes: list[CodeNames] = []
    roots: list[str] = []


class CodeNames(msgspec.Struct, array_like=True):
    """A code object: where it is, and which line each of its instructions is on."""

    path: str
    name: str
    first_line: int
    starts: list[int]
    lines: list[int]


class LogRecord(msgspec.Struct, array_like=True, tag="log"):
    """One record of a driver or a context; ``dropped`` counts those before it that found no room."""

    level: int
    logger: str
    text: str
    slot: int
    dropped: int


class Grow(msgspec.Struct, array_like=True, tag="grow"):
    """A context asks for one more passive worker."""

    slot: int


ToLog = LogRecord | Grow


def send(channel: Channel[Any], message: Message, fds: Sequence[int] = ()) -> None:
    """Send a message however long it is, waiting for room."""
    encoded = msgspec.msgpack.encode(message)
    if len(encoded) < ENCLOSED_FROM:
        channel.send(message, fds)
        return
    memory = enclose("message", encoded)
    try:
        channel.send(Enclosed(len(encoded)), [*fds, memory])
    finally:
        os.close(memory)


def try_send(channel: Channel[Any], message: Message) -> bool:
    """Send a message however long it is, without waiting; False when there is no room now."""
    encoded = msgspec.msgpack.encode(message)
    if len(encoded) < ENCLOSED_FROM:
        return channel.try_send(message)
    memory = enclose("message", encoded)
    try:
        return channel.try_send(Enclosed(len(encoded)), [memory])
    finally:
        os.close(memory)


def enclose(name: str, content: bytes) -> int:
    """Put bytes into a memfd; its descriptor."""
    memory = os.memfd_create(name, os.MFD_CLOEXEC)
    view = memoryview(content)
    while view:
        view = view[os.write(memory, view) :]
    return memory


def disclose(memory: int, limit: int = LARGEST_ENCLOSED) -> bytes:
    """The bytes of a memfd, at most ``limit``; closes it."""
    try:
        return os.pread(memory, min(os.fstat(memory).st_size, limit), 0)
    finally:
        os.close(memory)


def opened(message: Any, fds: list[int], accepted: Any) -> tuple[Any, list[int]]:
    """Take a message out of its enclosure when it came in one."""
    if not isinstance(message, Enclosed):
        return message, fds
    if not fds:
        raise descriptors.ChannelGarbage("an enclosed message without its memory")
    *rest, memory = fds
    try:
        return msgspec.msgpack.decode(disclose(memory), type=accepted), rest
    except msgspec.MsgspecError as error:
        descriptors.close_all(rest)
        raise descriptors.ChannelGarbage(f"an enclosed message is none of ours: {error}") from error
