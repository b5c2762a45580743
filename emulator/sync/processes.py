"""How a process is forked, watched and ended here, so that nothing of a machine outlives whoever started it.

Law: a child holds only the descriptors that were named, dies with its parent (or is sent the signal that its parent
chose), is deaf to Ctrl-C, and leaves only by os._exit, so that no frame of its parent is ever unwound in it. The parent
is the only reaper of its children: between the fork and the pidfd nobody else can make the pid another process's. Forks
are made from the main thread alone, because the kernel ties a child's life to the thread that forked it.

What a child must not do: close or drop an object of its parent that owns a descriptor. The number is no longer that
object's. Objects that its parent's frames refer to are safe, since those frames never end here.
"""

from __future__ import annotations

import faulthandler
import fcntl
import gc
import operator
import os
import select
import signal
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Final, NamedTuple

from emulator.rules.errors import EXIT_EMULATOR
from emulator.sync import libc
from emulator.sync.errors import SharedMemoryError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

#: The exit code of a child that found its parent gone before the kernel had been told to end it with its parent.
EXIT_ORPHANED: Final = 128 + signal.SIGKILL

_NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
_LEAVING_THREAD_NS: Final = 250 * _NANOSECONDS_PER_MILLISECOND
_STANDARD: Final = (0, 1, 2)
#: A little more than half of the piece of a megabyte that a frame of this size gets; Python's recursion limit fits in.
_ROOM_WORDS: Final = 70_000
#: The signals that a faulthandler takes when it is enabled; it refuses to be asked about them one by one.
_FATAL: Final = {signal.SIGSEGV, signal.SIGFPE, signal.SIGABRT, signal.SIGBUS, signal.SIGILL}
#: The scheduler's clock of a whole process, in the low bits of a clock's number (clock_getcpuclockid(3)).
_PROCESS_CLOCK: Final = 2

#: The standard streams that a child replaced; collecting one would flush what its parent had written into it.
_inherited: list[object] = []


class ForkedChild(NamedTuple):
    """A child, by number and by a descriptor that stays its own even after the number has been given to another."""

    pid: int
    pidfd: int


class Exit(NamedTuple):
    """How a process ended: by a code of its own, or by a signal."""

    pid: int
    code: int | None
    signal: int | None

    @property
    def description(self) -> str:
        """The end in words: `exit code 3`, or the name of the signal."""
        if self.signal is None:
            return f"exit code {self.code}"
        try:
            return signal.Signals(self.signal).name
        except ValueError:
            return f"signal {self.signal}"


class ThreadsRunning(RuntimeError):
    """A process that was about to fork has more than one thread."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"{len(names)} threads in a process that must have one: {', '.join(names)}")
        self.names = names


def fork_child(
    main: Callable[[], int],
    *,
    keep: Collection[int],
    name: str,
    report: Callable[[BaseException], None] = traceback.print_exception,
    session: bool = True,
    single_thread: bool = False,
    freeze: bool = False,
    death: int = signal.SIGKILL,
) -> ForkedChild:
    """Fork a process that runs main and ends with its return value.

    keep names every descriptor that the child shall have; of 0, 1 and 2 those that are not named become /dev/null.
    An exception that escapes from main goes to report, in the child, which then ends with EXIT_EMULATOR. With
    single_thread the fork is refused (ThreadsRunning) while this process has a second thread; with freeze the collector
    leaves alone what exists now, so that the child does not copy pages merely by collecting. death is the signal with
    which the kernel tells the child that its parent has ended.
    """
    if threading.get_native_id() != os.getpid():
        raise RuntimeError("only the main thread forks: the child would be killed when the forking thread ends")
    if single_thread:
        require_single_thread()
    for descriptor in keep:
        fcntl.fcntl(descriptor, fcntl.F_GETFD)  # a wrong one is found here, in the parent, where it can be told
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, the kernel would reap in our place
    _flush_standard_streams()
    if freeze:
        gc.freeze()
    parent = os.getpid()
    # No handler of the parent may run in the child: an exception from it would climb up the parent's frames there.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _run_child(main, report, parent=parent, keep=keep, name=name, session=session, death=death)
        return ForkedChild(pid, _pidfd_of(pid))
    except OSError as error:
        raise SharedMemoryError(f"forking the process {name}", error) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _run_child(
    main: Callable[[], int],
    report: Callable[[BaseException], None],
    *,
    parent: int,
    keep: Collection[int],
    name: str,
    session: bool,
    death: int,
) -> None:
    """Become what the law asks for, run main and leave. Never returns."""
    code = EXIT_EMULATOR
    try:
        die_with(parent, death)
        try:
            if session:
                os.setsid()
            _reset_signals()
            _keep_descriptors(keep)
            libc.set_process_name(name)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            code = operator.index(with_room(main)) & 0xFF
        except BaseException as error:
            report(error)
        _flush_standard_streams()
    finally:
        os._exit(code)


def with_room(main: Callable[[], int]) -> int:
    """Call main where there is room for the frames of all that it calls.

    CPython keeps frames in pieces of 16 KiB; a loop whose calls cross the end of one has the next one mapped and
    unmapped with each call, which costs many times what the call does. This frame claims to be so large that it gets a
    piece of its own, which has as much room again; what is not used of it is never touched.
    """
    return main()


with_room.__code__ = with_room.__code__.replace(co_stacksize=_ROOM_WORDS)


def die_with(parent: int, number: int = signal.SIGKILL) -> None:
    """Let the kernel send this process a signal when its parent ends; leave at once if that has happened already.

    Called in each child by fork_child; again by whoever changes its user or enters a user namespace, which clears it.
    """
    libc.prctl(libc.PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(EXIT_ORPHANED)


def become_subreaper() -> None:
    """Make this process the parent of every descendant whose own parent ends, so that it can reap them."""
    libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 1)


def require_single_thread() -> None:
    """Raise ThreadsRunning unless the kernel counts one thread in this process, Python's or not."""
    deadline = time.monotonic_ns() + _LEAVING_THREAD_NS
    while thread_count(os.getpid()) > 1:
        # A thread that has been joined is still leaving the kernel for a moment; one that Python knows is not.
        if threading.active_count() > 1 or time.monotonic_ns() > deadline:
            raise ThreadsRunning(_thread_names())
        os.sched_yield()


def thread_count(pid: int) -> int:
    """How many threads a process has, as the kernel counts them."""
    return len(os.listdir(f"/proc/{pid}/task"))


def wait_exit(pidfd: int, timeout_ns: int | None = None) -> bool:
    """Wait until the process has ended; False when the timeout passes first. Anybody may ask, not only the parent."""
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    milliseconds = None if timeout_ns is None else -(-max(timeout_ns, 0) // _NANOSECONDS_PER_MILLISECOND)
    return bool(poller.poll(milliseconds))


def kill(pidfd: int, number: int = signal.SIGKILL) -> bool:
    """Send a signal to exactly that process; False when it has been reaped already."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    return True


def reap(pid: int) -> Exit:
    """Wait for a child of this process to end, and say how it did; its number is free from then on."""
    ended = _wait(pid, 0)
    assert ended is not None
    return ended


def reap_if_ended(pid: int) -> Exit | None:
    """Reap a child if it has ended; None while it lives."""
    return _wait(pid, os.WNOHANG)


def process_cpu_ns(pid: int) -> int:
    """How much processor time all threads of a process have used; ProcessLookupError when there is no such process."""
    try:
        return time.clock_gettime_ns((~pid << 3) | _PROCESS_CLOCK)
    except OSError as error:
        raise ProcessLookupError(error.errno, f"no process {pid}") from error


def descriptors(pid: int) -> dict[int, str]:
    """What a process has open: each descriptor with what it refers to, as /proc names it."""
    found: dict[int, str] = {}
    folder = f"/proc/{pid}/fd"
    for entry in os.listdir(folder):
        try:
            found[int(entry)] = os.readlink(f"{folder}/{entry}")
        except FileNotFoundError:
            continue  # the one that the listing itself had open, or closed since
    return found


def _pidfd_of(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except OSError:
        # Unreaped, so the number is still the child's; nobody could watch it without the pidfd.
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def _wait(pid: int, options: int) -> Exit | None:
    result = os.waitid(os.P_PID, pid, os.WEXITED | options)
    if result is None:
        return None
    if result.si_code == os.CLD_EXITED:
        return Exit(pid, result.si_status, None)
    return Exit(pid, None, result.si_status)


def _reset_signals() -> None:
    """Undo what the parent arranged for itself.

    Its wake-up descriptor and the file of its faulthandler are numbers of descriptors that are about to be closed; a
    child that wants a faulthandler enables its own, on a descriptor that it keeps.
    """
    signal.set_wakeup_fd(-1)
    faulthandler.disable()
    for number in signal.valid_signals() - _FATAL:
        faulthandler.unregister(number)
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _keep_descriptors(keep: Collection[int]) -> None:
    libc.close_all_but(keep)
    null = os.open(os.devnull, os.O_RDWR)
    for number in _STANDARD:
        if number not in keep and number != null:
            os.dup2(null, number)
    if null not in _STANDARD:
        os.close(null)
    _inherited.extend((sys.stdin, sys.stdout, sys.stderr))
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)


def _flush_standard_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # none, broken or closed: then there is nothing that could be printed twice


def _thread_names() -> list[str]:
    """Each thread by the name that Python gave it, or else by the kernel's."""
    known = {thread.native_id: thread.name for thread in threading.enumerate()}
    names = []
    for entry in sorted(os.listdir("/proc/self/task"), key=int):
        name = known.get(int(entry))
        if name is None:
            try:
                with open(f"/proc/self/task/{entry}/comm", encoding="utf-8") as comm:
                    name = comm.read().strip()
            except (FileNotFoundError, ProcessLookupError):
                continue
        names.append(name)
    return names
