"""What this computer lacks for a machine, a TAP and real pings, and the one command that mends each.

Law: a check tries the thing itself wherever that leaves nothing behind, and never changes the computer; what cannot be
tried is read from where the kernel says it. `ndisemu doctor` prints these, and the demo chooses its wire by them.
"""

from __future__ import annotations

import ctypes
import enum
import errno
import importlib.util
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from emulator.rules.errors import HostError
from emulator.sync import memory
from emulator.sync.libc import SYS_CLOSE_RANGE
from vnic.wires import tap
from vnic.wires.network import Namespace
from vnic.wires.tap import Tap
from vnic.wires.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

OLDEST_PYTHON: Final = (3, 11)
TRIAL_MEMORY: Final = 64 << 20  # bytes: more than a machine of the default size allocates
_CAP_NET_ADMIN: Final = 12
_STATUS: Final = Path("/proc/self/status")
_USER_NAMESPACES: Final = (
    # (file, value that forbids them, the command that allows them)
    ("/proc/sys/user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=10000"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)
_IN_A_CONTAINER: Final = "start the container with --cap-add NET_ADMIN --cap-add SYS_ADMIN --device /dev/net/tun"


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
    return [check() for check in (*_MACHINE_CHECKS, *_TAP_CHECKS, *_OTHER_CHECKS)]


def tap_obstacle() -> Check | None:
    """Return the first thing that this computer lacks for a TAP in a network namespace of its own, or None."""
    return next((found for check in _TAP_CHECKS if (found := check()).outcome is Outcome.MISSING), None)


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


def _check_net_admin() -> Check:
    if effective_capabilities() >> _CAP_NET_ADMIN & 1:
        return Check("CAP_NET_ADMIN", Need.TAP, Outcome.GOOD, "effective")
    return Check("CAP_NET_ADMIN", Need.TAP, Outcome.MISSING, "not effective", _privilege_mend())


def _check_trial() -> Check:
    """Make a TAP where it can be in nobody's way: in a namespace that ends with it."""
    try:
        with Namespace.create() as namespace, namespace.entered():
            Tap.open("ndis0", "10.77.0.1/24").close()
    except WireError as error:
        mend = _privilege_mend() if error.errno in (errno.EPERM, errno.EACCES) else error.mend
        return Check("TAP", Need.TAP, Outcome.MISSING, f"{error.step}: {error.reason}", mend)
    return Check("TAP", Need.TAP, Outcome.GOOD, "made, addressed and removed in a namespace of its own")


def _check_user_namespaces() -> Check:
    for path, forbidding, mend in _USER_NAMESPACES:
        try:
            value = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue  # This kernel does not have that switch.
        if value == forbidding:
            return Check("user namespaces", Need.COMFORT, Outcome.LIMITED, f"{path} is {value}", mend)
    return Check("user namespaces", Need.COMFORT, Outcome.GOOD, "allowed")


def _check_icmp() -> Check:
    """Either kind of socket does: the raw one of the privileged, or the ping socket that the administrator allows."""
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


def effective_capabilities() -> int:
    """Return the effective capabilities of this process as the kernel's bit mask."""
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def _privilege_mend() -> str:
    return _IN_A_CONTAINER if os.geteuid() == 0 else "run the same command with sudo"


_MACHINE_CHECKS: Final[tuple[Callable[[], Check], ...]] = (
    _check_processor,
    _check_python,
    _check_kernel,
    _check_memory,
    _check_atomic,
)
_TAP_CHECKS: Final[tuple[Callable[[], Check], ...]] = (
    _check_pytun,
    _check_net_admin,  # before the device, since what mends this mends a device that is shut to ordinary users too
    _check_device,
    _check_trial,
)
_OTHER_CHECKS: Final[tuple[Callable[[], Check], ...]] = (
    _check_icmp,
    _check_user_namespaces,
    _check_pyroute2,
)
