"""Becomes the command after it has entered a network namespace, or has given up what privileges it has.

`inside.py namespace FD ...`, `inside.py unprivileged ...` and `inside.py ordinary MODE ...`, followed by the arguments
of the interpreter. Unprivileged is who may make no TAP and no namespace of any kind; ordinary is a user other than
root, on a computer where /dev/net/tun has this mode.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path

from vnic.wires import linux
from vnic.wires.network import Namespace

ORDINARY = 65534
_CAPBSET_DROP, _SET_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 24, 38, 22, 2
_CAP_NET_ADMIN, _CAP_NET_RAW, _CAP_SYS_ADMIN = 12, 13, 21
_UNSHARE, _EPERM = 272, 1
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_CLONE_NEWNS, _BIND, _RECURSIVE, _PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000


def library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def without_privileges() -> None:
    """Give up what a TAP and a namespace need, and forbid user namespaces, as the filter of a container does."""
    for capability in (_CAP_NET_ADMIN, _CAP_NET_RAW, _CAP_SYS_ADMIN):
        library().prctl(_CAPBSET_DROP, capability, 0, 0, 0)  # refused to those who have not got it anyway
    instructions = (
        (_LOAD, 0, 0, 0),
        (_JUMP_EQUAL, 0, 1, _UNSHARE),
        (_RETURN, 0, 0, _ERROR | _EPERM),
        (_RETURN, 0, 0, _ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in instructions))
    program = struct.pack("HxxxxxxP", len(instructions), ctypes.addressof(code))
    assert library().prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
    assert library().prctl(_SET_SECCOMP, _FILTER, program) == 0


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount something."""
    if library().mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), f"mounting {target}")


def as_ordinary_user(mode: int) -> None:
    """Become another user who can read what Python needs, in a mount namespace of his own; who is one, stays."""
    if os.geteuid():
        return
    linux.unshare(_CLONE_NEWNS)
    mount("none", "/", "", _RECURSIVE | _PRIVATE)
    mount("tmpfs", "/dev/net", "tmpfs", 0, "mode=755")
    os.mknod("/dev/net/tun", 0o20666, os.makedev(10, 200))
    os.chmod("/dev/net/tun", mode)
    # Folders behind a closed one, such as an interpreter in root's home, are shown in an open one of the same name.
    needed = {path: os.open(path, os.O_PATH) for path in {sys.base_prefix, sys.prefix, str(Path(__file__).parents[2])}}
    closed = {str(up) for path in needed for up in Path(path).parents if not up.stat().st_mode & 1}
    for folder in sorted(closed):
        mount("tmpfs", folder, "tmpfs", 0, "mode=755")
    for path, descriptor in needed.items():
        if any(path.startswith(f"{folder}/") for folder in closed):
            os.makedirs(path, exist_ok=True)
            mount(f"/proc/self/fd/{descriptor}", path, "", _BIND)
    os.chdir(Path(__file__).parents[2])
    os.setgroups([])
    os.setgid(ORDINARY)
    os.setuid(ORDINARY)


if __name__ == "__main__":
    _, where, *rest = sys.argv
    if where == "namespace":
        descriptor, *rest = rest
        Namespace(int(descriptor)).enter()
    elif where == "ordinary":
        mode, *rest = rest
        as_ordinary_user(int(mode, 8))
    else:
        without_privileges()
    os.execv(sys.executable, [sys.executable, *rest])
