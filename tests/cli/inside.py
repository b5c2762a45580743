"""Becomes the command after it has entered a network namespace, or has given up what privileges it has.

`inside.py namespace FD ...` and `inside.py unprivileged ...`, followed by the arguments of the interpreter.
"""

from __future__ import annotations

import ctypes
import os
import sys

from vnic.wires.network import Namespace

_CAPBSET_DROP = 24
_CAP_NET_ADMIN, _CAP_NET_RAW, _CAP_SYS_ADMIN = 12, 13, 21


def without_privileges() -> None:
    """Give up what a TAP and a namespace need."""
    library = ctypes.CDLL(None, use_errno=True)
    for capability in (_CAP_NET_ADMIN, _CAP_NET_RAW, _CAP_SYS_ADMIN):
        library.prctl(_CAPBSET_DROP, capability, 0, 0, 0)  # refused to those who have not got it anyway


if __name__ == "__main__":
    _, where, *rest = sys.argv
    if where == "namespace":
        descriptor, *rest = rest
        Namespace(int(descriptor)).enter()
    else:
        without_privileges()
    os.execv(sys.executable, [sys.executable, *rest])
