"""What a running machine has at a moment of rest, read from outside, and whether it comes to have more and more.

Law: read from /proc and from the arena, as a spectator: nothing is asked of the machine's processes, nothing is locked.
The second quarter of a run, when pools and caches are warm, is compared with its last. A process's memory is what it
has asked the kernel for: its private memory, which cannot be more, also grows when it first writes to a page that it
shares with the process it was forked from, and is printed beside.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from emulator.kernel.objects import ObjectTable
from emulator.kernel.pool import POOL_STATE
from emulator.layout.arena import OBJECT_TABLES, Arena
from emulator.layout.machine import ContextKind
from emulator.sync import memory
from tools.bench.length import private_kib

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emulator.testing.machine import LabMachine

KIB: Final = "KiB of "
PRIVATE: Final = "private KiB of "
KIB_MORE: Final = 3 << 10
"""By which memory may differ between two moments: three arenas of the interpreter, of 1 MiB each."""
MORE: Final = {"pool blocks": 16, "pool bytes": 1 << 20}
"""The same of what follows the most lists that were ever under way at once: their pools grow by segments of 64."""
Look = dict[str, int]


class Growth(NamedTuple):
    """What was more at the end than in the beginning."""

    what: str
    before: int
    after: int


class Upkeep:
    """A spectator of a machine; workers and stand-ins, which come and go with the load, are left out."""

    def __init__(self, machine: LabMachine) -> None:
        self._proxy = machine.proxy
        self._geometry = machine.proxy.specification.geometry
        self._mapping = memory.map(descriptor := _arena_of(machine.proxy.console.host_pid))
        os.close(descriptor)

    def __enter__(self) -> Upkeep:
        return self

    def __exit__(self, *_: object) -> None:
        self._mapping.close()

    def processes(self) -> dict[str, list[int]]:
        """The lasting processes by what they are."""
        found = {"host": [self._proxy.console.host_pid], "nursery": [self._proxy.console.nursery_pid]}
        workers = self._geometry.passive_workers
        lasting = {ContextKind.PASSIVE_WORKER: workers, ContextKind.PNP: 1, ContextKind.REQUESTS: 1}
        for slot, pid in self._proxy.pids().items():
            kind, index = self._geometry.place_of(slot)
            if index < lasting.get(kind, index + 1):
                found.setdefault(kind.name.lower(), []).append(pid)
        return found

    def look(self) -> Look:
        """Everything at this moment."""
        arena = Arena(self._mapping.view, self._geometry)
        pool = POOL_STATE.at(arena.memory, arena.offsets["pool_state"])
        tables = {count: record for record, count in OBJECT_TABLES.values()}
        processes = self.processes()
        return {
            **{KIB + kind: sum(map(_asked_kib, pids)) for kind, pids in processes.items()},
            **{PRIVATE + kind: private_kib(pids) for kind, pids in processes.items()},
            "processes": sum(map(len, processes.values())),
            "descriptors": sum(len(os.listdir(f"/proc/{pid}/fd")) for pids in processes.values() for pid in pids),
            "handles": sum(
                ObjectTable(arena, record, count, number).in_use
                for number, (count, record) in enumerate(tables.items())
            ),
            "pool blocks": pool.blocks,
            "pool bytes": pool.bytes,
            "shared memory slots": arena.geometry.frame_slots - _used(arena).count(0),
        }


def _asked_kib(pid: int) -> int:
    """The size of a process's private writable mappings: heap, arenas of the interpreter, data."""
    (line,) = [
        line for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines() if "VmData" in line
    ]
    return int(line.split()[1])


def _used(arena: Arena) -> bytes:
    start = arena.offsets["frame_used"]
    return bytes(arena.view[start : start + arena.geometry.frame_slots])


def _arena_of(pid: int) -> int:
    """A descriptor of the one arena that a host has mapped."""
    mapped = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    (where,) = {line.split(maxsplit=1)[0] for line in mapped if "/memfd:ndis:" in line}
    return os.open(f"/proc/{pid}/map_files/{where}", os.O_RDWR | os.O_CLOEXEC)


def growths(looks: Sequence[Look]) -> list[Growth]:
    """What grew after the first quarter of at least four looks."""
    quarter = len(looks) // 4
    early, late = looks[quarter : 2 * quarter], looks[-quarter:]
    found = []
    for what in [what for what in looks[0] if not what.startswith(PRIVATE)]:
        before, after = max(look[what] for look in early), max(look[what] for look in late)
        if after - before > (KIB_MORE if what.startswith(KIB) else MORE.get(what, 0)):
            found.append(Growth(what, before, after))
    return found


def told(looks: Sequence[Look]) -> str:
    """First, after the warm-up, and last, of everything."""
    first, warm, last = looks[0], looks[len(looks) // 4], looks[-1]
    return "\n".join(f"  {what}: {first[what]:,}, {warm[what]:,}, {last[what]:,}" for what in first)
