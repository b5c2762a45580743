"""Run a benchmark in a forked process with a network namespace of its own and a limit on its time.

Law: the namespace is anonymous, held by the process alone, so that whatever happens to it, interfaces and
processes end with it; nothing of this computer's own network is touched or heard.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from emulator.rules.errors import EmulatorError, HostError
from tools.bench.processes import die_with_parent
from vnic.wires import linux

if TYPE_CHECKING:
    from collections.abc import Callable

_QUIET: Final = tuple(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6" for name in ("all", "default"))

T = TypeVar("T")


class _Envelope(msgspec.Struct):
    """What the confined process answers: a result, or what was missing, or what broke."""

    result: msgspec.Raw = msgspec.Raw(b"null")
    lacking: tuple[str, str, str] | None = None
    broken: str = ""


def enter_namespace() -> None:
    """Give this process an empty network namespace in which the kernel itself says nothing."""
    try:
        linux.unshare(linux.CLONE_NEWNET)
        linux.set_up("lo")
    except OSError as error:
        raise HostError("making a network namespace", "run as root, or with CAP_SYS_ADMIN", error) from error
    for path in _QUIET:
        with suppress(OSError):  # a kernel without IPv6 is quiet already
            Path(path).write_text("1")


def run_confined(job: Callable[[], T], answer: type[T], seconds: float, network: bool = True) -> T:
    """Run `job` in a confined process and return its result, which must be a msgspec record.

    A HostError inside comes back as a HostError. After `seconds` the process and its group are killed.
    """
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            os.setsid()
            die_with_parent(parent)
            _answer(job, writing, network)
        finally:
            os._exit(0)
    os.close(writing)
    try:
        content = _read_all(reading, time.monotonic() + seconds)
    finally:
        os.close(reading)
        # The child is not reaped yet, so its group number cannot belong to anybody else.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if content is None:
        raise EmulatorError(f"the benchmark did not end within {seconds:.0f} s and was killed")
    if not content:
        raise EmulatorError("the benchmark's process ended without an answer")
    envelope = msgspec.json.decode(content, type=_Envelope)
    if envelope.lacking is not None:
        step, mend, reason = envelope.lacking
        raise HostError(step, mend, reason)
    if envelope.broken:
        raise EmulatorError(f"the benchmark broke:\n{envelope.broken}")
    return msgspec.json.decode(envelope.result, type=answer)


def _answer(job: Callable[[], object], writing: int, network: bool) -> None:
    try:
        if network:
            enter_namespace()
        envelope = _Envelope(result=msgspec.Raw(msgspec.json.encode(job())))
    except HostError as error:
        envelope = _Envelope(lacking=(error.step, error.mend, error.reason))
    except BaseException:  # everything else is reported, whatever it was: this process has no other reader
        envelope = _Envelope(broken=traceback.format_exc())
    with os.fdopen(writing, "wb") as stream:
        stream.write(msgspec.json.encode(envelope))


def _read_all(descriptor: int, deadline: float) -> bytes | None:
    parts: list[bytes] = []
    while True:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        part = os.read(descriptor, 1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)
