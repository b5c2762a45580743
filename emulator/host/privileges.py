"""What this computer lacks for a machine, a TAP and real pings, and the one command that mends each.

Law: a check tries the thing itself wherever that leaves nothing behind, and never changes the computer; what cannot be
tried is read from where the kernel says it. `ndisemu doctor` prints these, and the demo chooses its wire by them.
"""

from __future__ import annotations

import ctypes
import enum
import errno
import functools
import importlib.util
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from emulator.host import own_namespace
from emulator.host.own_namespace import privilege_mend
from emulator.rules.errors import HostError
from emulator.sync import memory
from emulator.sync.libc import SYS_CLOSE_RANGE
from vnic.wires import steering, tap
from vnic.wires.network import Namespace
from vnic.wires.tap import Tap
from vnic.wires.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Refusal = Callable[[], HostError | None]

OLDEST_PYTHON: Final = (3, 11)
TRIAL_MEMORY: Final = 64 << 20  # bytes: more than a machine of the default size allocates
_CAP_NET_ADMIN: Final = 12
_CAP_SYS_ADMIN: Final = 21
_STATUS: Final = Path("/proc/self/status")


class Outcome(enum.StrEnum):
    """What a check found."""

    GOOD = "ok"
    LIMITED = "limited"  # works without it, less well
    MISSING = "missing"


class Need(enum.StrEnum):
    """What cannot be had while the check fails."""

    MACHINE = "any machine"
    TAP = "a TAP"
    PING = "pings by the kernel"
    COMFORT = "comfort"


class Check(msgspec.Struct, frozen=True):
    """One fact about this computer."""

    name: str
    need: Need
    outcome: Outcome
    detail: str
    mend: str = ""  # the command, empty when nothing is to be mended

    def __str__(self) -> str:
        line = f"{self.outcome:<7} {self.name}: {self.detail}"
        return f"{line}; to mend it: {self.mend}" if self.mend else line


def check_all() -> list[Check]:
    """Return all checks, in the order in which one would mend them."""
    refusal = functools.cache(own_namespace.refusal)  # is tried once, and not at all by the privileged
    return [
        *(check() for check in _MACHINE_CHECKS),
        *_tap_checks(refusal),
        _check_icmp(refusal),
        _check_user_namespaces(refusal),
        _check_pyroute2(),
        _check_steering(),
    ]


def tap_obstacle() -> Check | None:
    """Return the first thing that this computer lacks for a TAP in a network namespace of its own, or None."""
    checks = _tap_checks(functools.cache(own_namespace.refusal))
    return next((check for check in checks if check.outcome is Outcome.MISSING), None)


def may_make_taps() -> bool:
    """Return whether this process may make a TAP where it is."""
    return bool(effective_capabilities() >> _CAP_NET_ADMIN & 1)


def needs_own_namespace() -> bool:
    """Return whether this process may make TAPs and namespaces only after `own_namespace.enter`."""
    return not (may_make_taps() and effective_capabilities() >> _CAP_SYS_ADMIN & 1)


def _tap_checks(refusal: Refusal) -> Iterator[Check]:
    yield _check_pytun()
    yield _check_net_admin(refusal)  # before the device, since what mends this may mend a device that is shut, too
    yield _check_device()
    yield _check_trial(refusal)


def _check_processor() -> Check:
    system = os.uname()
    found = f"{system.sysname} {system.release} on {system.machine}"
    if (system.sysname, system.machine) == ("Linux", "x86_64"):
        return Check("system", Need.MACHINE, Outcome.GOOD, found)
    return Check(
        "system",
        Need.MACHINE,
        Outcome.MISSING,
        f"{found}; the order of plain stores is relied on, which x86-64 keeps",
        "use an x86-64 computer with Linux",
    )


def _check_python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return Check("python", Need.MACHINE, Outcome.GOOD, found)
    return Check("python", Need.MACHINE, Outcome.MISSING, f"{found}, need 3.11", "sudo apt-get install python3")


def _check_kernel() -> Check:
    lacking = []
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        lacking.append("pidfd_open")
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "pthread_mutexattr_setrobust"):
        lacking.append("robust mutexes")
    if lacking:
        mend = "boot Linux 5.10 or later, with glibc"
        return Check("kernel", Need.MACHINE, Outcome.MISSING, f"without {' and '.join(lacking)}", mend)
    # A range that holds no descriptor: harmless where the call exists.
    if library.syscall(SYS_CLOSE_RANGE, 0x7FFFFFFF, 0x7FFFFFFF, 0) != 0:
        detail = "without close_range, so that starting a process takes longer"
        return Check("kernel", Need.COMFORT, Outcome.LIMITED, detail, "boot Linux 5.10 or later")
    return Check("kernel", Need.MACHINE, Outcome.GOOD, "pidfd_open, close_range and robust mutexes")


def _check_memory() -> Check:
    megabytes = TRIAL_MEMORY >> 20
    try:
        os.close(memory.create("doctor", TRIAL_MEMORY))
    except HostError as error:
        return Check("shared memory", Need.MACHINE, Outcome.MISSING, f"{error.step}: {error.reason}", error.mend)
    return Check("shared memory", Need.MACHINE, Outcome.GOOD, f"{megabytes} MiB allocated and sealed")


def _check_atomic() -> Check:
    try:
        ctypes.CDLL("libatomic.so.1")
    except OSError:
        mend = "sudo apt-get install libatomic1"
        return Check("libatomic", Need.COMFORT, Outcome.LIMITED, "absent; interlocked calls take a lock instead", mend)
    return Check("libatomic", Need.COMFORT, Outcome.GOOD, "present")


def _check_pytun() -> Check:
    try:
        import pytun
    except ImportError as error:
        return Check(
            "python-pytun", Need.TAP, Outcome.MISSING, str(error), f"{sys.executable} -m pip install python-pytun"
        )
    return Check("python-pytun", Need.TAP, Outcome.GOOD, f"importable ({Path(pytun.__file__).name})")


def _check_device() -> Check:
    try:
        os.close(os.open(tap.DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        mend = tap.device_command(error.errno or 0)
        return Check("device", Need.TAP, Outcome.MISSING, f"{tap.DEVICE}: {error.strerror}", mend)
    return Check("device", Need.TAP, Outcome.GOOD, f"{tap.DEVICE} can be opened")


def _check_net_admin(refusal: Refusal) -> Check:
    if may_make_taps():
        return Check("CAP_NET_ADMIN", Need.TAP, Outcome.GOOD, "effective")
    found = refusal()
    if found is None:
        return Check("CAP_NET_ADMIN", Need.TAP, Outcome.GOOD, "not effective, save in a user namespace of one's own")
    detail = f"not effective, nor is there a user namespace for it: {_in_words(found)}"
    return Check("CAP_NET_ADMIN", Need.TAP, Outcome.MISSING, detail, found.mend)


def _check_trial(refusal: Refusal) -> Check:
    """Make a TAP where it can be in nobody's way: in a namespace that ends with it."""
    if needs_own_namespace() and refusal() is None:
        return Check("TAP", Need.TAP, Outcome.GOOD, "made and removed in a user namespace of its own")
    try:
        with Namespace.create() as namespace, namespace.entered():
            Tap.open("ndis0", "10.77.0.1/24").close()
    except WireError as error:
        mend = privilege_mend() if error.errno in (errno.EPERM, errno.EACCES) else error.mend
        return Check("TAP", Need.TAP, Outcome.MISSING, f"{error.step}: {error.reason}", mend)
    return Check("TAP", Need.TAP, Outcome.GOOD, "made, addressed and removed in a namespace of its own")


def _check_user_namespaces(refusal: Refusal) -> Check:
    if not needs_own_namespace():
        return Check("user namespaces", Need.COMFORT, Outcome.GOOD, "not needed with these privileges")
    found = refusal()
    if found is None:
        detail = "allowed: demo and run make a TAP in one"
        return Check("user namespaces", Need.COMFORT, Outcome.GOOD, detail)
    return Check("user namespaces", Need.COMFORT, Outcome.LIMITED, _in_words(found), found.mend)


def _in_words(error: HostError) -> str:
    return f"{error.step}: {error.reason}"


def _check_icmp(refusal: Refusal) -> Check:
    """Either kind of socket does: the raw one of the privileged, or the ping socket that the administrator allows."""
    if needs_own_namespace() and refusal() is None:
        return Check("ICMP", Need.PING, Outcome.GOOD, "raw ICMP socket, in a user namespace of its own")
    for kind, detail in ((socket.SOCK_RAW, "raw ICMP socket"), (socket.SOCK_DGRAM, "ping socket")):
        try:
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
        except OSError:
            continue
        return Check("ICMP", Need.PING, Outcome.GOOD, detail)
    mend = "sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'"
    return Check("ICMP", Need.PING, Outcome.MISSING, "no ICMP socket is permitted", mend)


def _check_pyroute2() -> Check:
    if importlib.util.find_spec("pyroute2") is not None:
        return Check("pyroute2", Need.COMFORT, Outcome.GOOD, "importable")
    mend = f"{sys.executable} -m pip install pyroute2"
    return Check("pyroute2", Need.COMFORT, Outcome.LIMITED, "absent; a TAP cannot be given an address", mend)


def _check_steering() -> Check:
    refused = steering.refusal()
    if not refused:
        return Check("eBPF", Need.COMFORT, Outcome.GOOD, "loadable: a TAP has a descriptor for each hardware queue")
    detail = f"not loadable ({refused}); a TAP has one descriptor, the host spreads its frames over hardware queues"
    return Check("eBPF", Need.COMFORT, Outcome.LIMITED, detail, privilege_mend())


def effective_capabilities() -> int:
    """Return the effective capabilities of this process as the kernel's bit mask."""
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


_MACHINE_CHECKS: Final[tuple[Callable[[], Check], ...]] = (
    _check_processor,
    _check_python,
    _check_kernel,
    _check_memory,
    _check_atomic,
)
