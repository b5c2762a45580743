"""Bug checks: the stop record, the stop word, and what a dying context leaves for the screen.

Law: the record is written and the stop word set before BugCheck is raised, so swallowing it changes nothing.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from emulator.kernel.meant import meant
from emulator.kernel.platform import current
from emulator.kernel.sites import describe_site
from emulator.layout.cells import ULONG_CELL
from emulator.layout.machine import CUT_COUNTER, MACHINE, STOP_TEXT_BYTES
from emulator.rules.bugchecks import bugcheck_name
from emulator.rules.errors import BugCheck, MachineStopped, NotImplementedByEmulator
from emulator.rules.limits import VnicLimit, limit_entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

    from emulator.kernel.context import Context
    from emulator.kernel.machine import Machine
    from emulator.layout.arena import Arena

STOP_NONE, STOP_CLAIMED, STOP_WRITTEN = 0, 1, 2
BROKEN_NAME = "EMULATOR_ERROR"
"""The name of a stop for which neither the driver nor a limit is to blame: we are broken."""
DEEPEST_RECURSION = 12
"""How many lines of an endless recursion a screen shows: the innermost ones."""
exception_looks: list[Callable[[Context, BaseException], None]] = []
"""What the floor above looks for in an exception that left a driver; a look stops the machine or returns."""


class CallSite(msgspec.Struct, frozen=True):
    """A place in a driver: what happened there, and where it is."""

    what: str
    where: str
    context: str = ""


class Possession(msgspec.Struct, frozen=True):
    """NET_BUFFER_LISTs of one owner, last handed on at one place."""

    count: int
    owner: str
    where: str = ""
    slot: int = 0
    """Not 0: the lists are at home in that context, which alone knows their owners."""


BEYOND_THE_CONTRACT = (
    "Beyond the contract, perhaps: this machine cuts frames into MDLs anywhere, also inside headers, which no driver "
    "of Windows does (split_frames = anywhere). With split_frames = allowed it keeps to what is documented."
)


class StopReport(msgspec.Struct, kw_only=True):
    """Everything that a stop screen shows; written by the context that stops, or by the host for a dead one."""

    code: int
    parameters: tuple[int, int, int, int]
    name: str
    family: str = "windows"
    rule: str = ""
    text: str = ""
    remedy: str = ""
    ddi: str = ""
    context: str = ""
    slot: int = 0
    irql: int = 0
    processor: int = 0
    driver: str = ""
    callback: str = ""
    traceback: list[str] = []
    sites: list[CallSite] = []
    holders: list[str] = []
    lists: list[Possession] = []
    """Every NET_BUFFER_LIST that is in use, as far as the context that wrote the report knows."""
    cut: str = ""
    """How many frames NDIS had cut into several MDLs, and what cuts them so again; empty: none."""
    time: int = 0


def raise_if_stopped(context: Context) -> None:
    """Leave with MachineStopped when somebody else has stopped the machine."""
    if context.stop_word[0]:
        raise MachineStopped


def stop(
    code: int,
    parameter1: int = 0,
    parameter2: int = 0,
    parameter3: int = 0,
    parameter4: int = 0,
    *,
    text: str,
    rule: str = "",
    remedy: str = "",
    ddi: str = "",
    sites: list[CallSite] | None = None,
    holders: list[str] | None = None,
    frames: list[str] | None = None,
    name: str = "",
    family: str = "windows",
) -> NoReturn:
    """Stop the machine: write the record, set the stop word, wake everybody, raise BugCheck.

    ``text`` says in one or two sentences what the driver did and what the rule is; ``sites`` are the call sites that
    matter beside the current one.  The first stop of a machine wins; a later one leaves with MachineStopped.
    """
    context = current.context
    report = StopReport(
        code=code,
        parameters=(int(parameter1), int(parameter2), int(parameter3), int(parameter4)),
        name=name or bugcheck_name(code),
        family=family,
        rule=rule,
        text=text,
        remedy=remedy,
        ddi=ddi or called_function(context),
        context=context.name,
        slot=context.slot,
        irql=context.irql,
        processor=context.processor,
        driver=context.machine.images.driver_name(context.driver),
        callback=context.machine.images.routine_name(context.callback),
        traceback=frames if frames is not None else driver_frames(context),
        sites=sites or [],
        holders=holders or [],
        time=context.platform.now() - context.machine.arena.machine.started,
    )
    if not write_stop(context.machine, context, report):
        raise MachineStopped
    if family == "windows":
        context.machine.services.crashed(context)
    raise BugCheck(code, report.parameters, report.name, report)


def stop_limit(
    limit: VnicLimit,
    text: str,
    parameter1: int = 0,
    parameter2: int = 0,
    *,
    remedy: str = "",
    sites: list[CallSite] | None = None,
    frames: list[str] | None = None,
    ddi: str = "",
) -> NoReturn:
    """Stop for a limit of the emulator (VNIC_*): said as such, never as a Windows bug check."""
    entry = limit_entry(limit)
    stop(
        limit,
        parameter1,
        parameter2,
        text=text,
        remedy=remedy or (entry.remedy if entry else ""),
        sites=sites,
        frames=frames,
        ddi=ddi,
        name=limit.name,
        family="emulator",
    )


def stop_for_exception(context: Context, error: BaseException) -> NoReturn:
    """A Python exception left a callback: the bug check for an unhandled exception in kernel mode.

    Python's recursion limit is no such exception: our stack is the smaller.
    """
    lines = exception_frames(context, error.__traceback__)
    if isinstance(error, RecursionError):
        name = context.machine.images.routine_name(context.callback)
        stop_limit(
            VnicLimit.VNIC_RECURSION_LIMIT,
            f"The calls below {name or 'DriverEntry'} were nested too deep for Python: {error}.",
            frames=lines[-DEEPEST_RECURSION:],
        )
    for look in exception_looks:
        look(context, error)
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    text = f"The driver raised {words}{meant(error)}; nothing in it caught the exception."
    stop_unhandled(context, text, lines)


def stop_unhandled(context: Context, text: str, frames: list[str], ddi: str = "") -> NoReturn:
    """At DISPATCH_LEVEL and above 0x1E KMODE_EXCEPTION_NOT_HANDLED, in a system thread 0x7E.

    Our choice; the first parameter is STATUS_UNHANDLED_EXCEPTION.
    """
    code = 0x1E if context.irql >= 2 else 0x7E
    stop(code, 0xC0000144, context.callback, text=text, frames=frames, ddi=ddi)


def stop_not_implemented(context: Context, error: NotImplementedByEmulator) -> NoReturn:
    """VNIC_NOT_IMPLEMENTED: a driver called a DDI that this emulator does not have."""
    entry = limit_entry(VnicLimit.VNIC_NOT_IMPLEMENTED)
    stop(
        VnicLimit.VNIC_NOT_IMPLEMENTED,
        text=" ".join((f"{error}.", *getattr(error, "__notes__", ()))),
        ddi=error.ddi,
        frames=exception_frames(context, error.__traceback__),
        name=VnicLimit.VNIC_NOT_IMPLEMENTED.name,
        family="emulator",
        remedy=entry.remedy if entry else "",
    )


def stop_broken(error: BaseException) -> NoReturn:
    """EMULATOR_ERROR: neither the driver nor a limit is to blame, we are broken."""
    stop(
        0,
        text=f"The emulator itself is broken: {type(error).__name__}: {error}",
        frames=[line.strip() for line in traceback.format_exception(error)],
        name=BROKEN_NAME,
        family="broken",
        remedy="Report it with this screen; the driver is not to blame.",
    )


def write_stop(machine: Machine, context: Context, report: StopReport) -> bool:
    """Claim the stop and write its record; False when another stop was first."""
    arena = machine.arena
    place = arena.offsets["machine"] + MACHINE.stop_word.offset  # type: ignore[attr-defined]
    cell = ULONG_CELL.from_buffer(arena.memory, place)  # type: ignore[attr-defined]
    if context.platform.compare_exchange(cell, STOP_NONE, STOP_CLAIMED) != STOP_NONE:
        return False
    context.watch_releases()
    report.lists = machine.services.possessions(context, everything=True)
    report.cut = cut_in_words(arena)
    if arena.geometry.split_frames == "anywhere" and report.family == "windows":
        report.remedy = f"{BEYOND_THE_CONTRACT} {report.remedy}".rstrip()
    encoded = msgspec.json.encode(report)
    if len(encoded) > STOP_TEXT_BYTES:
        report.traceback = report.traceback[-20:]
        report.holders = report.holders[:20]
        report.lists = report.lists[:20]
        report.text = report.text[:2000]
        encoded = msgspec.json.encode(report)[:STOP_TEXT_BYTES]
    arena.stop_text[: len(encoded)] = encoded
    record = arena.stop
    record.slot = report.slot
    record.code = report.code
    for number, value in enumerate(report.parameters):
        record.parameters[number] = value & 0xFFFF_FFFF_FFFF_FFFF
    record.length = len(encoded)
    record.time = report.time
    record.sequence = 1
    arena.machine.stop_word = STOP_WRITTEN
    context.platform.fence()
    for slot in range(arena.geometry.slots):
        if arena.sleeping[slot] or slot == 0:
            context.platform.ring(slot)
    return True


def cut_in_words(arena: Arena) -> str:
    """StopReport.cut."""
    geometry = arena.geometry
    count = arena.counted(range(geometry.all_adapters))[CUT_COUNTER]
    return f"{count} (split_frames = {geometry.split_frames}, split_seed = {geometry.split_seed})" if count else ""


def read_stop(arena: Any) -> StopReport | None:
    """The report of a stopped machine, once it is whole; None before."""
    record = arena.stop
    if record.sequence != 1 or record.length > STOP_TEXT_BYTES:
        return None
    try:
        return msgspec.json.decode(bytes(arena.stop_text[: record.length]), type=StopReport)
    except msgspec.DecodeError:
        return None


def site_of(context: Context, what: str, site: int) -> CallSite:
    """A stored call site (slot << 16 | number) as a line of the stop screen."""
    where, who = describe_site(context.machine, site)
    return CallSite(what, where, who)


def driver_frames(context: Context) -> list[str]:
    """The stack of the current context, driver frames only, as ``file:line in function: source``."""
    import sys

    frame: FrameType | None = sys._getframe(1)
    found: list[tuple[Any, int]] = []
    while frame is not None:
        found.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return _format(context, reversed(found))


def called_function(context: Context) -> str:
    """The function of ours that the driver in charge called and that has not returned; empty when it called none."""
    import sys

    frame: FrameType | None = sys._getframe(1)
    owner_of_code = context.machine.images.owner_of_code
    name = ""
    while frame is not None:
        owner = owner_of_code(frame.f_code)
        if owner:
            return name if owner == context.driver and name[:1].isupper() else ""
        name = frame.f_code.co_name
        frame = frame.f_back
    return ""


def exception_frames(context: Context, trace: TracebackType | None) -> list[str]:
    """The driver's frames of a traceback, oldest first."""
    found = []
    while trace is not None:
        found.append((trace.tb_frame.f_code, trace.tb_lineno))
        trace = trace.tb_next
    return _format(context, found)


def _format(context: Context, places: Any) -> list[str]:
    images = context.machine.images
    lines = []
    for code, line in places:
        if not images.owns(code):
            continue
        text = traceback.linecache.getline(code.co_filename, line).strip()  # type: ignore[attr-defined]
        lines.append(
            f"{images.short_path(code.co_filename)}:{line} in {code.co_qualname}" + (f": {text}" if text else "")
        )
    return lines


def owner_death(context: Context, lock: int) -> NoReturn:
    """A lock's owner died: count it for the post-mortem and leave; nothing is repaired."""
    context.machine.arena.machine.owner_deaths += 1
    del lock
    raise MachineStopped
