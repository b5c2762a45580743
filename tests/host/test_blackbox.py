"""Reading a machine's memory and messages without trust: every word may be anything."""

from __future__ import annotations

import functools
import os
import random
from typing import Any

import msgspec
import pytest

from emulator.host import blackbox, messages, stopscreen
from emulator.host.control import ControlLane
from emulator.kernel.stop import CallSite, StopReport, read_stop
from emulator.kernel.workqueue import starved
from emulator.layout.arena import CONTROL_ENTRIES, PNP_SLOT, Arena, Geometry, offsets_of
from emulator.layout.handles import HandleKind, make_handle
from emulator.layout.machine import JOURNAL_ENTRIES, JOURNAL_INDEX, ContextKind, SlotState, SystemLock
from emulator.rules.control import ControlOperation
from emulator.rules.nbl import INDICATE, SEND
from emulator.sync import descriptors

GEOMETRY = Geometry(work_items=64, frame_slots=64, pool_bytes=1 << 20, timers=32)
NAMES = messages.Names(
    images=["netvmini"],
    paths=["/drivers/netvmini.py"],
    routines=["", "netvmini!MPInitialize"],
    ddis=["", "NdisMSleep"],
    codes=[
        messages.CodeNames("", "", 0, [], []),
        messages.CodeNames("/drivers/netvmini.py", "MPInitialize", 10, [0, 4, 8], [10, 11, 13]),
    ],
    roots=["/drivers/"],
)


def arena() -> Arena:
    return Arena(bytearray(offsets_of(GEOMETRY)["size"]), GEOMETRY)


def test_a_black_box_in_words() -> None:
    made = arena()
    box = made.slots[4]
    box.kind, box.state, box.pid, box.irql = ContextKind.PROCESSOR, SlotState.RUNNING, 99, 2
    box.routine, box.driver, box.entered, box.ddi = 1, 1, 1_000_000, 1
    box.site = 4 << 16 | 3
    made.sites(4)[3] = 1 << 16 | 5 // 2
    box.lock_wanted = SystemLock.FIRST_DRIVER + 3
    made.lock_holders[SystemLock.FIRST_DRIVER + 1] = 4 << 16 | 3
    made.lock_holders[SystemLock.FIRST_DRIVER + 2] = 5 << 16 | 3
    box.item = make_handle(HandleKind.WORK_ITEM, 1, 5)
    words = blackbox.read(made, NAMES, 4, 3_000_000).in_words()
    assert words == (
        "processor 0 (pid 99), DISPATCH_LEVEL; in netvmini!MPInitialize for 2.0 ms; last DDI NdisMSleep; "
        "last at netvmini.py:11 in MPInitialize; holds spin lock 1; waits for spin lock 3; "
        "has work item 0x3100000100000005 in hand"
    )


def test_the_last_hand_offs_in_words() -> None:
    made = arena()
    assert blackbox.hand_offs(made, NAMES, 4) == []
    made.sites(4)[3] = 1 << 16 | 5 // 2
    journal = made.journal(4)
    for place, operation in ((JOURNAL_ENTRIES - 1, INDICATE), (0, SEND), (1, 0xEE)):
        journal[place] = 2 << 56 | 7 << 32 | 3 << 8 | operation
    journal[1] ^= 3 << 8
    journal[JOURNAL_INDEX] = 1
    assert blackbox.hand_offs(made, NAMES, 4) == [
        "indicated NET_BUFFER_LIST 7 of pool 2 at netvmini.py:11 in MPInitialize",
        "sent NET_BUFFER_LIST 7 of pool 2 at netvmini.py:11 in MPInitialize",
        "operation 238 NET_BUFFER_LIST 7 of pool 2",
    ]
    assert len(blackbox.hand_offs(made, NAMES, 4, 2)) == 2


@pytest.mark.parametrize("seed", range(20))
def test_garbage_in_the_arena_is_read_without_harm(seed: int) -> None:
    made = arena()
    noise = random.Random(seed)
    start = made.offsets["machine"]
    made.view[start : made.offsets["hardware"]] = noise.randbytes(made.offsets["hardware"] - start)
    for slot in range(GEOMETRY.slots):
        assert blackbox.read(made, NAMES, slot, 5).in_words()
        assert len(blackbox.hand_offs(made, NAMES, slot)) <= 8
    assert len(blackbox.waiting_items(made, NAMES)) <= 20
    assert starved(made, 0) in (True, False)
    assert read_stop(made) is None


def test_a_control_lane_believes_only_what_it_handed_over() -> None:
    made = arena()
    rings: list[int] = []
    lane = ControlLane(made, lambda: rings.append(1))
    answers: list[int] = []
    made.control.finished = 12345
    lane.service()  # nothing was handed over: nothing is done
    lane.submit(ControlOperation.START_ADAPTER, 3, 7, answers.append)
    assert (made.control.put, len(rings)) == (1, 1)
    entry = made.control_entry(0)
    assert (entry.operation, entry.target, entry.argument) == (1, 3, 7)
    assert lane.under_way() == "START_ADAPTER of adapter 3"
    entry.slot = 77
    assert lane.slot == PNP_SLOT  # no such context
    made.control.finished = 5
    lane.service()
    assert lane.busy  # whatever was counted, the entry says no such thing
    entry.status, entry.finished = 0xC0000001, 1
    made.control.finished = 6
    assert lane.finished
    lane.service()
    assert answers == [0xC0000001]
    assert not lane.busy


def test_a_control_lane_hears_operations_in_whatever_order_they_end() -> None:
    made = arena()
    lane = ControlLane(made, lambda: None)
    answers: list[int] = []
    for number in range(3):
        lane.submit(ControlOperation.PAUSE, number, 0, answers.append)
    for place in (2, 0):
        made.control_entry(place).status, made.control_entry(place).finished = 100 + place, 1
    made.control.finished = 2
    lane.service()
    assert answers == [100, 102]
    assert lane.under_way() == "PAUSE of adapter 1"


def test_a_control_lane_keeps_the_order_and_never_overruns_the_ring() -> None:
    made = arena()
    lane = ControlLane(made, lambda: None)
    answers: list[int] = []

    def note(number: int, status: int) -> None:
        answers.append(number)

    for number in range(CONTROL_ENTRIES * 3):
        lane.submit(1, number, 0, functools.partial(note, number))
    for done in range(CONTROL_ENTRIES * 3):
        assert 0 < made.control.put - done <= CONTROL_ENTRIES // 2
        made.control_entry(done).finished = 1
        made.control.finished = done + 1
        lane.service()
    assert not lane.busy
    assert answers == list(range(CONTROL_ENTRIES * 3))


def report(**fields: Any) -> StopReport:
    given: dict[str, Any] = {
        "code": 0x7C,
        "parameters": (0x25, 1, 2, 3),
        "name": "BUGCODE_NDIS_DRIVER",
        "text": "A driver did it.",
        "context": "processor 0",
        "slot": 4,
        "irql": 2,
        "driver": "netvmini",
        "callback": "netvmini!MPInterruptDpc",
        "time": 1_500_000_000,
        **fields,
    }
    return StopReport(**given)


def test_a_stop_screen_begins_as_on_windows_and_says_everything() -> None:
    whole = stopscreen.MachineReport(
        machine="demo",
        stop=report(
            traceback=["netvmini.py:12 in MPInterruptDpc: x()"],
            sites=[CallSite("allocated", "netvmini.py:3 in MPInitialize", "PnP thread")],
            rule="SpinLock",
            ddi="NdisQueueIoWorkItem",
            remedy="Do not.",
            holders=["processor 0 holds spin lock 3"],
        ),
        contexts=[
            blackbox.BlackBox(slot=4, name="processor 0", pid=1, state="RUNNING", irql=2, processor=0),
            blackbox.BlackBox(
                slot=5, name="passive worker 0", pid=2, state="RUNNING", irql=0, processor=0, stack=["a.py:1"]
            ),
        ],
        waiting_items=["work queue 0: work item"],
        control="PAUSE of adapter 0",
        owner_deaths=1,
    )
    screen = stopscreen.render(whole)
    lines = screen.splitlines()
    assert lines[0] == (
        "*** STOP: 0x0000007C (0x0000000000000025,0x0000000000000001,0x0000000000000002,0x0000000000000003)"
    )
    for needed in (
        "BUGCODE_NDIS_DRIVER",
        "Machine demo, 1.500 s after it started",
        "Context: processor 0, DISPATCH_LEVEL, in netvmini!MPInterruptDpc",
        "Rule: SpinLock",
        "DDI: NdisQueueIoWorkItem",
        "A driver did it.",
        "  netvmini.py:12 in MPInterruptDpc: x()",
        "  allocated: netvmini.py:3 in MPInitialize (PnP thread)",
        "  passive worker 0 (pid 2), PASSIVE_LEVEL\n",
        "      a.py:1",
        "Do not.",
        "PAUSE of adapter 0",
        "Locks whose owner died: 1",
    ):
        assert needed in screen, needed
    assert "processor 0 (pid 1)" not in screen  # the culprit is not one of the others
    assert msgspec.json.decode(msgspec.json.encode(whole), type=stopscreen.MachineReport) == whole


def test_a_limit_and_a_fault_of_ours_look_different() -> None:
    limit = report(family="emulator", name="VNIC_PRIVATE_DATA", code=0x564E0001)
    assert stopscreen.headline(limit) == "*** VNIC_PRIVATE_DATA (a limit of the emulator)"
    ours = report(family="broken", name="EMULATOR_ERROR", code=0)
    assert stopscreen.headline(ours) == "*** EMULATOR_ERROR (the emulator is broken)"


DUMP = """Current thread 0x00007f00 (most recent call first):
  File "/emulator/kernel/waits.py", line 40 in sleep_until
  File "/drivers/netvmini.py", line 30 in inner
  File "/drivers/netvmini.py", line 20 in outer
  File "/emulator/kernel/loops.py", line 9 in run_context
"""
LEFT = """Traceback (most recent call last):
  File "/emulator/kernel/loops.py", line 9, in run_context
    call()
  File "/drivers/netvmini.py", line 21, in later
    sleep()
"""


def test_a_dumped_stack_is_shown_oldest_call_first_and_the_drivers_frames_alone() -> None:
    assert stopscreen.driver_frames(DUMP, NAMES) == ["netvmini.py:20 in outer", "netvmini.py:30 in inner"]
    assert stopscreen.innermost(DUMP, NAMES) == "/emulator/kernel/waits.py:40 in sleep_until"
    assert stopscreen.all_frames("", NAMES) == []
    assert stopscreen.driver_frames(LEFT, NAMES) == ["netvmini.py:21 in later"]
    assert stopscreen.driver_frames(LEFT + DUMP, NAMES) == ["netvmini.py:20 in outer", "netvmini.py:30 in inner"]
    assert stopscreen.driver_frames(DUMP + LEFT, NAMES) == ["netvmini.py:21 in later"]


def test_a_message_of_any_length_crosses_a_channel() -> None:
    near, far = descriptors.pair()
    sender: descriptors.Channel[Any] = descriptors.Channel(near, messages.ToHost)
    receiver: descriptors.Channel[Any] = descriptors.Channel(far, messages.ToConsole)
    for size in (10, 1 << 20):
        ended = messages.MachineEnded(1, b"x" * size, "screen")
        messages.send(sender, ended)
        message, fds = messages.opened(*receiver.receive(), messages.ToConsole)
        assert message == ended
        assert fds == []
        assert messages.try_send(sender, ended)
        assert messages.opened(*receiver.receive(), messages.ToConsole)[0] == ended
    near.close()
    far.close()


def test_an_enclosure_that_lies_is_garbage() -> None:
    with pytest.raises(descriptors.ChannelGarbage, match="without its memory"):
        messages.opened(messages.Enclosed(5), [], messages.ToConsole)
    memory = messages.enclose("test", b"nonsense")
    with pytest.raises(descriptors.ChannelGarbage, match="none of ours"):
        messages.opened(messages.Enclosed(8), [memory], messages.ToConsole)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(memory)
