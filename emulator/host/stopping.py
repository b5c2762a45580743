"""How a machine is stopped: everybody says where he is, the culprit is found, everything of the machine is killed.

Law: no step waits; each has a deadline after which the next begins with what is known.  The arena's stop record, when
it is whole, is the verdict; else the black box of whoever ended or overran.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from emulator.host import blackbox, stack_status, stopscreen
from emulator.host.watchdog import Overrun
from emulator.host.worker import DUMP_SIGNAL, EXIT_LEFT, POSSESSIONS
from emulator.kernel.stop import (
    BROKEN_NAME,
    STOP_CLAIMED,
    STOP_NONE,
    CallSite,
    Possession,
    StopReport,
    cut_in_words,
    read_stop,
)
from emulator.layout.arena import PNP_SLOT
from emulator.layout.machine import SlotState
from emulator.rules.bugchecks import bugcheck_name
from emulator.rules.limits import VnicLimit
from emulator.sync import processes

if TYPE_CHECKING:
    from emulator.host.supervisor import Member, Supervisor

MILLISECOND: Final = 1_000_000
LOOK_NS: Final = 2 * MILLISECOND
DUMP_NS: Final = 200 * MILLISECOND
VERDICT_NS: Final = 250 * MILLISECOND
KILL_NS: Final = 2000 * MILLISECOND
LONGEST_DUMP: Final = 64 * 1024
ZYGOTE_SLOT: Final = 1


class Killed(NamedTuple):
    """The machine is ended on request, or could not be started: there is no screen."""


class TooLate(NamedTuple):
    """A step of the orderly end did not come to its end."""

    text: str
    operation: bool
    """Was it a control operation, which drivers take part in, or the leaving of a context, which is ours alone?"""


class Fault(NamedTuple):
    """The hardware found what no driver may do to it."""

    text: str
    adapter: int


class Broken(NamedTuple):
    """The host failed while it served this machine."""

    lines: list[str]


Cause = Killed | TooLate | Fault | Broken | Overrun | None


class Outcome(NamedTuple):
    """What the console is told."""

    encoded: bytes
    screen: str


def too_late(machine: Supervisor) -> TooLate:
    """The orderly end has passed its deadline."""
    device = machine.devices.under_way()
    if device:
        return TooLate(f"The device {device} could not be closed: its driver does not complete what it has.", False)
    at = machine.lane.under_way()
    if at:
        text = f"The PnP thread did not come to the end of {at}: something in it waits for what never comes."
        return TooLate(text, True)
    slow = [m for m in machine.members.values() if m.alive and m.slot != ZYGOTE_SLOT]
    names = blackbox.read(machine.arena, machine.names, slow[0].slot, 0).name if slow else "a context"
    return TooLate(f"{names} did not leave when the machine was shut down.", False)


def possessions_in(dump: str) -> list[Possession] | None:
    """What a context said in its dump that it had in hand; None while it has said nothing that can be read."""
    _, found, rest = dump.rpartition(POSSESSIONS.decode())
    if not found:
        return None
    try:
        return msgspec.json.decode(rest, type=list[Possession])
    except msgspec.MsgspecError:
        return None


class Stopping:
    """The end of one machine."""

    def __init__(self, machine: Supervisor, cause: Cause) -> None:
        self.machine = machine
        self.cause = cause
        self.outcome: Outcome | None = None
        self.killing = False
        self._begun = 0
        self._asked: set[int] = set()
        self._found: blackbox.BlackBox | None = None

    def step(self, now: int) -> int:
        """Go on; when to come back."""
        if not self._begun:
            self._begun = now
            if isinstance(self.cause, Overrun):
                # The signal that asks for its stack may bring it out of what it blocks in, and back from its callback.
                self._found = blackbox.read(self.machine.arena, self.machine.names, self.cause.slot, now)
            if not isinstance(self.cause, Killed):
                self._ask()
        if not self.killing and not self._conclude(now):
            return now + LOOK_NS
        return self._bury(now)

    def _ask(self) -> None:
        """Let every living context write its stack into its memfd."""
        for member in self.machine.members.values():
            # Before it runs, and the zygote once it has loaded, it has nothing to say and may not know the signal.
            if member.alive and self.machine.arena.slots[member.slot].state == SlotState.RUNNING:
                self._asked.add(member.slot)
                processes.kill(member.pidfd, DUMP_SIGNAL)

    def _answered(self) -> bool:
        """Has everybody who was asked and lives written his stack to its end?"""
        for slot in list(self._asked):
            member = self.machine.members.get(slot)
            if member is None or not member.alive or self._has_answered(member):
                self._asked.discard(slot)
        return not self._asked

    def _has_answered(self, member: Member) -> bool:
        if os.fstat(self.machine.dumps[member.slot]).st_size == 0:
            return False
        # The kernel keeps a signal blocked while its handler runs: neither pending nor blocked, it has been served.
        try:
            with open(f"/proc/{member.pid}/status", encoding="ascii", errors="replace") as lines:
                masks = dict(line.split(":", 1) for line in lines)
        except OSError:
            return True
        bit = 1 << DUMP_SIGNAL - 1
        return not any(int(masks[mask], 16) & bit for mask in ("SigPnd", "ShdPnd", "SigBlk"))

    def _conclude(self, now: int) -> bool:
        """Reach a verdict and begin to kill; False while something is still to come."""
        if not isinstance(self.cause, Killed):
            if not self._answered() and now < self._begun + DUMP_NS:
                return False
            report = self._verdict(now >= self._begun + VERDICT_NS, now)
            if report is None:
                return False
            self.outcome = self._outcome(report, now)
        self.killing = True
        head = self.machine.arena.machine
        if head.stop_word == STOP_NONE:
            head.stop_word = STOP_CLAIMED
        for member in self.machine.members.values():
            if member.alive:
                processes.kill(member.pidfd)
        return True

    def _bury(self, now: int) -> int:
        machine = self.machine
        ended = machine.zygote_exit is not None or not machine.host.nursery_lives
        gone = ended and not any(member.alive for member in machine.members.values())
        if gone or now >= self._begun + KILL_NS:
            machine.finish(self.outcome)
        return now + 20 * MILLISECOND

    # -- the verdict ---------------------------------------------------------------------------------------------------

    def _verdict(self, at_last: bool, now: int) -> StopReport | None:
        machine = self.machine
        recorded = read_stop(machine.arena)
        if recorded is not None:
            return recorded if at_last or self._told(recorded, now) else None
        if machine.arena.machine.stop_word != STOP_NONE and not at_last:
            return None
        if isinstance(self.cause, Overrun):
            return self._overrun(self.cause, now)
        if isinstance(self.cause, TooLate):
            if self.cause.operation:
                slot = machine.lane.slot
                frames = stopscreen.all_frames(self._dump(slot), machine.names)
                return self._report(slot, now, text=self.cause.text, code=VnicLimit.VNIC_DEADLOCK, frames=frames)
            return self._report(PNP_SLOT, now, text=self.cause.text, name=BROKEN_NAME, family="broken")
        if isinstance(self.cause, Fault):
            # No context: the hardware finds it when the one that did it is elsewhere.
            text = f"The hardware of adapter {self.cause.adapter} refuses what its driver did: {self.cause.text}."
            return self._report(0, now, text=text, code=VnicLimit.VNIC_ARENA_DAMAGED)
        if isinstance(self.cause, Broken):
            text = f"The emulator's host failed while it served this machine: {self.cause.lines[-1]}"
            return self._report(0, now, text=text, frames=self.cause.lines, name=BROKEN_NAME, family="broken")
        culprit = self._culprit()
        if culprit is not None:
            return self._terminated(culprit, now)
        if not at_last:
            return None
        dead = next((member for member in machine.members.values() if not member.alive), None)
        if dead is not None:
            return self._terminated(dead, now)
        return self._report(ZYGOTE_SLOT, now, text="The zygote's channel closed.", name=BROKEN_NAME, family="broken")

    def _told(self, report: StopReport, now: int) -> bool:
        """Have all contexts said whose lists they have?  They write it when they leave; nobody waits long for it."""
        if now >= self._begun + DUMP_NS:
            return True
        members = self.machine.members
        asked = {row.slot for row in report.lists if row.slot in members and members[row.slot].alive}
        return all(possessions_in(self._dump(slot)) is not None for slot in asked)

    def _lists(self, report: StopReport) -> list[Possession]:
        """The lists in use by owner: what the stop's context knew, and what those who left have said of theirs."""
        counts: Counter[tuple[str, str]] = Counter()
        for row in report.lists:
            told = possessions_in(self._dump(row.slot)) if 0 < row.slot < len(self.machine.dumps) else None
            for found in (row,) if told is None else told:
                counts[found.owner, found.where] += found.count
        return [Possession(count, owner, where) for (owner, where), count in counts.most_common()]

    def _culprit(self) -> Member | None:
        """The process whose end was the first cause, as far as it is known yet."""
        members = self.machine.members
        zygote = members.get(ZYGOTE_SLOT)
        if zygote is not None and zygote.exit is not None:
            return zygote
        known = [member for member in members.values() if member.exit is not None]
        by_signal = next((m for m in known if m.exit is not None and m.exit.signal is not None), None)
        return by_signal or next((m for m in known if m.exit is not None and m.exit.code != EXIT_LEFT), None)

    def _terminated(self, member: Member, now: int) -> StopReport:
        box = blackbox.read(self.machine.arena, self.machine.names, member.slot, now)
        how = member.exit.description if member.exit is not None else "an end that nobody saw"
        if not self.machine.host.nursery_lives:
            how = "the end of the nursery"
        number = 0
        if member.exit is not None:
            number = (member.exit.signal if member.exit.signal is not None else member.exit.code) or 0
        doing = f"in {box.routine}" if box.routine else "in no callback"
        frames = stopscreen.driver_frames(self._dump(member.slot), self.machine.names)
        return self._report(
            member.slot,
            now,
            code=VnicLimit.VNIC_CONTEXT_TERMINATED,
            parameters=(member.slot, number, 0, 0),
            text=f"{box.name} (pid {member.pid}) was ended by {how} while it was {doing}.",
            frames=frames,
        )

    def _overrun(self, overrun: Overrun, now: int) -> StopReport:
        box = self._box(overrun.slot, now)
        dump = self._dump(overrun.slot)
        frames = stopscreen.driver_frames(dump, self.machine.names) or stopscreen.all_frames(dump, self.machine.names)
        clock = "of processor time" if overrun.clock == "processor" else "on the clock"
        used, allowed = overrun.used_ms, overrun.allowed_ms
        parameters = (0, used, allowed, 0) if overrun.code == 0x133 else (overrun.slot, 0, 0, 1)
        report = self._report(
            overrun.slot,
            now,
            code=overrun.code,
            parameters=parameters,
            text=f"{box.routine or 'A callback'} ran for {used} ms {clock}; {allowed} ms are allowed.",
            frames=frames,
            family="windows",
        )
        # A callback that waits in a pause may wait for what another driver has.
        report.holders += stack_status.in_hand(self.machine, overrun.slot, now)
        return report

    def _report(
        self,
        slot: int,
        now: int,
        *,
        text: str,
        code: int = 0,
        parameters: tuple[int, int, int, int] = (0, 0, 0, 0),
        name: str = "",
        family: str = "emulator",
        frames: list[str] | None = None,
    ) -> StopReport:
        machine = self.machine
        box = self._box(slot, now)
        sites = [CallSite(f"last DDI call, {box.ddi}" if box.ddi else "last DDI call", box.site)] if box.site else []
        # The host takes no lock: its number is what stands in the table of holders for nobody.
        holders = [f"{box.name} holds {lock}" for lock in box.held] if slot else []
        if box.wanted:
            holders.append(f"{box.name} waits for {box.wanted}")
        if box.item:
            holders.append(f"{box.name} has {box.item} in hand")
        return StopReport(
            code=code,
            parameters=parameters,
            name=name or bugcheck_name(code),
            family=family,
            text=text,
            ddi=box.ddi,
            context=box.name,
            slot=slot,
            irql=box.irql,
            processor=box.processor,
            driver=box.driver,
            callback=box.routine,
            traceback=frames or [],
            sites=sites,
            holders=holders,
            cut=cut_in_words(machine.arena),
            time=max(0, now - machine.arena.machine.started) if machine.arena.machine.started else 0,
        )

    def _box(self, slot: int, now: int) -> blackbox.BlackBox:
        """A context's black box; the culprit's as it was when it was found out."""
        if self._found is not None and self._found.slot == slot:
            return self._found
        return blackbox.read(self.machine.arena, self.machine.names, slot, now)

    def _outcome(self, report: StopReport, now: int) -> Outcome:
        machine = self.machine
        boxes = []
        for slot, member in sorted(machine.members.items()):
            if slot == ZYGOTE_SLOT and machine.all_born and member.exit is None:
                continue
            box = self._box(slot, now)
            box.pid = member.pid
            dump = self._dump(slot)
            box.stack = stopscreen.driver_frames(dump, machine.names)
            if not box.stack and (box.routine or slot == report.slot):
                box.stack = stopscreen.all_frames(dump, machine.names)
            if member.exit is not None and member.exit.code != EXIT_LEFT:
                box.exit = member.exit.description
            boxes.append(box)
        whole = stopscreen.MachineReport(
            machine=machine.specification.name,
            stop=report,
            contexts=boxes,
            waiting_items=blackbox.waiting_items(machine.arena, machine.names),
            control=machine.lane.under_way(),
            lists=self._lists(report),
            hand_offs=blackbox.hand_offs(machine.arena, machine.names, report.slot),
            owner_deaths=machine.arena.machine.owner_deaths,
        )
        return Outcome(msgspec.json.encode(whole), stopscreen.render(whole))

    def _dump(self, slot: int) -> str:
        return os.pread(self.machine.dumps[slot], LONGEST_DUMP, 0).decode(errors="replace")
