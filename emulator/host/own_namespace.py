"""A user and a network namespace of this process's own, in which an ordinary user may make a TAP.

Law: it is tried in a child process first, so that a computer that forbids it is left as it was. Who enters has one
thread and forks afterwards whatever shall be inside. There is no way back; inside the user is called 0, and outside he
is who he was.
"""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Final

from emulator.rules.errors import HostError
from vnic.wires import linux
from vnic.wires.tap import Tap

SWITCHES: Final = (
    # (file, value that forbids user namespaces or what can be done in one, the command that allows it)
    ("/proc/sys/user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=10000"),
    ("/proc/sys/user/max_net_namespaces", "0", "sudo sysctl -w user.max_net_namespaces=10000"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)
AS_ROOT: Final = "run the same command with sudo"
IN_A_CONTAINER: Final = "start the container with --cap-add NET_ADMIN --cap-add SYS_ADMIN --device /dev/net/tun"
_THREADS_SECONDS: Final = 1.0
_LONGEST: Final = 1 << 16


def enter() -> None:
    """Move this process into new namespaces, their loopback up.  HostError where the computer forbids it."""
    user, group, mend = os.geteuid(), os.getegid(), privilege_mend()
    deadline = time.monotonic() + _THREADS_SECONDS
    while len(os.listdir("/proc/self/task")) > 1 and time.monotonic() < deadline:
        os.sched_yield()  # a thread that has been joined takes a moment to be gone, and until then the kernel refuses
    try:
        linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNET)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            Path(f"/proc/self/{name}").write_text(text, encoding="ascii")
        linux.set_up("lo")
    except OSError as error:
        raise _explained(HostError("making a user namespace", mend, error)) from None


def refusal() -> HostError | None:
    """Try it in a child, with a TAP: what stands in the way, or None."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, "\0".join(_try()).encode(errors="replace")[:_LONGEST])
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as result:
        told = result.read().decode()
    os.waitpid(child, 0)
    if not told:
        return HostError("trying a user namespace", privilege_mend(), "the process that tried it has died")
    step, mend, reason, *_ = told.split("\0")
    return HostError(step, mend, reason) if step else None


def way_in() -> str:
    """The beginning of a command by which the same user runs a program inside, while this process lives."""
    return f"nsenter --user --net --preserve-credentials --target {os.getpid()}"


def privilege_mend() -> str:
    """What gives this user the privileges that he lacks."""
    return IN_A_CONTAINER if os.geteuid() == 0 else AS_ROOT


def _try() -> tuple[str, str, str]:
    """Make a TAP inside: the step that failed, what mends it and the reason, or nothing three times."""
    mend = privilege_mend()  # inside everybody seems to be root
    try:
        enter()
        try:
            Tap.open("ndis0").close()
        except HostError as error:
            if error.errno in (errno.EPERM, errno.EACCES) and not error.step.startswith("opening"):
                raise _explained(HostError(error.step, mend, error)) from None
            raise  # a device that is shut is as shut inside as outside
    except HostError as error:
        return error.step, error.mend, error.reason
    except Exception as error:
        return "trying a user namespace", mend, f"{type(error).__name__}: {error}"
    return "", "", ""


def _explained(error: HostError) -> HostError:
    """The same with the switch of the kernel that forbids it, if one does."""
    for path, forbidding, command in SWITCHES:
        try:
            value = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue  # This kernel does not have that switch.
        if value == forbidding:
            return HostError(error.step, command, f"{error.reason}, {path} is {value}")
    return error
