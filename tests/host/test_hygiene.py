"""What each process holds, and how many threads it has: exactly what the design says, asked of /proc."""

from __future__ import annotations

import os
import re
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.host.specification import AdapterSpecification
from emulator.sync.processes import descriptors, thread_count
from tests.host.machines import provoke, started
from tests.patience import eventually

if TYPE_CHECKING:
    from emulator.host.console import Console, MachineProxy

SLOTS = 4 + 1 + 16 + 4  # host, zygote, PnP, requests; one processor; sixteen passive workers; four I/O threads


def held(pid: int) -> Counter[str]:
    """A process's descriptors by kind."""
    kinds: Counter[str] = Counter()
    for what in descriptors(pid).values():
        kind = re.sub(r"^/memfd:", "memfd ", what)
        kind = re.sub(r":?\[[0-9]+\]$|:[0-9]+( \(deleted\))?$| \(deleted\)$", "", kind).replace("anon_inode:", "")
        kinds[kind.strip("[]")] += 1
    return kinds


def all_pids(console: Console, *machines: MachineProxy) -> list[int]:
    return [console.host_pid, console.nursery_pid, *(pid for machine in machines for pid in machine.pids().values())]


def test_no_process_but_the_console_has_a_second_thread(console: Console) -> None:
    machine, other = started(console), started(console, name="other")
    machine.control(100, 10, 1)  # workers and host have logged
    machine.control(400, 0, 1)
    assert eventually(lambda: machine.statistics().counters["work_items_taken"] == 10)
    pids = all_pids(console, machine, other)
    assert len(pids) == 2 + 2 * 6
    assert {pid: thread_count(pid) for pid in pids} == dict.fromkeys(pids, 1)
    for pid in pids:
        assert "Threads:\t1\n" in Path(f"/proc/{pid}/status").read_text(encoding="ascii")


def test_a_context_holds_doorbells_the_log_and_its_own_dump(console: Console) -> None:
    machine = started(console, adapters=[AdapterSpecification()])
    expected = Counter({"/dev/null": 3, "eventfd": SLOTS, "socket": 1, "memfd stack": 1})
    for slot, pid in machine.pids().items():
        if slot == 1:
            continue
        # A process that has just been forked may still be about to close what it does not keep.
        assert eventually(partial(holds, pid, expected)), held(pid)
        assert any(what.startswith(f"/memfd:stack:{slot} ") for what in descriptors(pid).values())


def holds(pid: int, expected: Counter[str]) -> bool:
    return without_number(held(pid)) == expected


def without_number(kinds: Counter[str]) -> Counter[str]:
    merged: Counter[str] = Counter()
    for kind, count in kinds.items():
        merged[re.sub(r"stack.*", "stack", kind)] += count
    return merged


def test_a_zygote_holds_what_it_lends_and_its_children(console: Console) -> None:
    machine = started(console)
    expected = Counter({"/dev/null": 3, "eventfd": SLOTS, "socket": 2, "memfd stack": SLOTS, "pidfd": 5})
    pid = machine.pids()[1]
    assert eventually(partial(holds, pid, expected)), held(pid)


def test_the_nursery_holds_its_channel_and_a_pidfd_for_each_zygote(console: Console) -> None:
    started(console)
    started(console, name="other")
    standard = Counter(descriptors(console.nursery_pid)[fd] for fd in (0, 1, 2))
    assert standard == Counter(descriptors(os.getpid())[fd] for fd in (0, 1, 2))
    others = {fd: what for fd, what in descriptors(console.nursery_pid).items() if fd > 2}
    assert Counter(what.partition(":")[0].strip("[]") for what in others.values()) in (
        Counter({"socket": 3, "anon_inode": 2}),
        Counter({"socket": 3, "pidfd": 2}),
    )


def test_the_host_holds_two_channels_the_log_and_each_machines_own(console: Console) -> None:
    def expected(machines: int) -> Counter[str]:
        own = {"socket": 3, "eventpoll": 1}
        each = {"eventfd": SLOTS, "memfd stack": SLOTS, "socket": 2, "pidfd": 6}
        return Counter(own) + Counter({kind: count * machines for kind, count in each.items()})

    def now() -> Counter[str]:
        kinds = held(console.host_pid)
        return without_number(Counter({kind: n for kind, n in kinds.items() if fd_is_not_standard(kind)}))

    def fd_is_not_standard(kind: str) -> bool:
        return not kind.startswith(("/dev/null", "/tmp", "pipe", "/dev/pts"))

    first = started(console)
    assert now() == expected(1)
    second = started(console, name="second")
    assert now() == expected(2)
    first.stop()
    assert now() == expected(1)
    provoke(second, 101)
    second.wait_ended()
    assert eventually(lambda: now() == expected(0)), now()


def test_a_wire_is_held_by_the_host_alone(console: Console) -> None:
    machine = started(console, adapters=[AdapterSpecification()])
    assert held(console.host_pid)["socket"] == 3 + 2 + 1  # the host's own, the machine's, and the wire
    for pid in (console.nursery_pid, *machine.pids().values()):
        assert not any("cable" in what for what in descriptors(pid).values())
        assert held(pid)["socket"] <= 3
    assert machine.cables[0].carrier
    machine.stop()
    assert not machine.cables[0].carrier


def test_the_memory_of_an_ended_machine_is_given_back(console: Console) -> None:
    def mapped() -> int:
        return Path(f"/proc/{console.host_pid}/maps").read_text(encoding="ascii").count("memfd:ndis")

    machine = started(console, adapters=[AdapterSpecification()])
    assert mapped() == 1
    provoke(machine, 101)
    machine.wait_ended()
    assert eventually(lambda: mapped() == 0)
    started(console).stop()
    assert eventually(lambda: mapped() == 0)


def test_contexts_are_deaf_to_the_terminal_and_sessions_of_their_own(console: Console) -> None:
    machine = started(console)
    for pid in machine.pids().values():
        assert os.getsid(pid) not in (os.getsid(0), 0)
        ignored = re.search(r"SigIgn:\s+([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
        assert ignored is not None
        assert int(ignored[1], 16) & 1 << 1  # SIGINT


@pytest.mark.parametrize("signal_name", ["SIGINT"])
def test_a_signal_to_the_group_of_the_console_leaves_machines_alone(console: Console, signal_name: str) -> None:
    machine = started(console)
    assert {os.getpgid(pid) for pid in all_pids(console, machine)}.isdisjoint({os.getpgid(0)})
