"""What a test has left behind in the computer: processes, interfaces, namespaces, shared memory, descriptors, threads.

Law: a snapshot before and one after, compared by name.  What is only on its way out is waited for; what other processes
of the computer do is none of the test's business.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

NAMED_NAMESPACES: Final = Path("/run/netns")
SHARED_MEMORY: Final = Path("/dev/shm")
PATIENCE: Final = 10.0
# pytest itself exchanges what a test reads and writes as standard input and output.
_STANDARD: Final = ("0", "1", "2")
# multiprocessing's own helpers outlive whoever first made use of it, and end with the process.
_HELPERS: Final = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")


class Snapshot(NamedTuple):
    """What there is, each kind as {key: what to call it}."""

    processes: dict[object, str]
    interfaces: dict[object, str]
    namespaces: dict[object, str]
    shared_memory: dict[object, str]
    descriptors: dict[object, str]
    threads: dict[object, str]

    @classmethod
    def take(cls) -> Snapshot:
        """Look at everything."""
        return cls(_descendants(), _interfaces(), _listing(NAMED_NAMESPACES), _shared(), _descriptors(), _threads())


KINDS: Final = {
    "processes": "process",
    "interfaces": "network interface",
    "namespaces": "network namespace",
    "shared_memory": "entry of /dev/shm",
    "descriptors": "file descriptor",
    "threads": "thread",
}


def left_since(before: Snapshot, patience: float = PATIENCE) -> list[str]:
    """What is there and was not before, one line each; waits for what is just going away."""
    gc.collect()
    deadline = time.monotonic() + patience
    while True:
        found = _new(before, Snapshot.take())
        if not found or time.monotonic() > deadline:
            return found
        os.sched_yield()


def _new(before: Snapshot, after: Snapshot) -> list[str]:
    return [
        f"{what} left: {text}"
        for kind, what in KINDS.items()
        for key, text in getattr(after, kind).items()
        if key not in getattr(before, kind)
    ]


def alive(pid: int) -> bool:
    """Does the process exist, other than as a zombie?"""
    status = _status(pid)
    return status is not None and status[0] not in "ZX"


def _status(pid: int) -> tuple[str, int, str] | None:
    """(state, parent, start time) of a process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[1]), fields[19]


def _descendants() -> dict[object, str]:
    """Living processes below this one; a pid that is used again is another process."""
    children: dict[int, list[tuple[int, str]]] = {}
    for entry in os.listdir("/proc"):
        status = _status(int(entry)) if entry.isdigit() else None
        if status is not None and status[0] not in "ZX":
            children.setdefault(status[1], []).append((int(entry), status[2]))
    found: dict[object, str] = {}
    pending = [os.getpid()]
    while pending:
        for pid, started in children.get(pending.pop(), []):
            pending.append(pid)
            command = command_of(pid)
            if command and not any(helper in command for helper in _HELPERS):
                found[pid, started] = f"{pid} ({command})"
    return found


def command_of(pid: int) -> str:
    """What a process is called: its command line, and its name where that says more."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return name if name.startswith("ndis:") else (line or name)[:120]


def _interfaces() -> dict[object, str]:
    from vnic.wires.network import interfaces

    return {name: name for name in interfaces()}


def _listing(folder: Path) -> dict[object, str]:
    try:
        return {name: str(folder / name) for name in os.listdir(folder)}
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}


def _shared() -> dict[object, str]:
    """Entries of /dev/shm of this user that nobody but this process and its children could still be using."""
    mine = {}
    for name, path in _listing(SHARED_MEMORY).items():
        try:
            if os.stat(path).st_uid == os.geteuid():
                mine[name] = path
        except OSError:
            continue
    return mine


def _descriptors() -> dict[object, str]:
    """Open descriptors; a number that was closed and opened again for something else is another descriptor."""
    found: dict[object, str] = {}
    for entry in os.listdir("/proc/self/fd"):
        if entry in _STANDARD:
            continue
        try:
            target = os.readlink(f"/proc/self/fd/{entry}")
        except FileNotFoundError:
            continue  # the one that listed them
        found[entry, target] = f"{entry} ({target})"
    return found


def _threads() -> dict[object, str]:
    return {thread.ident: thread.name for thread in threading.enumerate()}
