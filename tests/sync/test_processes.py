"""Children: what they hold, what they hear, how they end, and how whoever forked them knows it."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.sync import processes
from emulator.sync.errors import SharedMemoryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sync.conftest import Fork, Isolated

LONG_NS = 10_000_000_000
NULL = "/dev/null"


class Pipe:
    """A pipe by which a child tells its state."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def say(self, word: bytes = b"x") -> None:
        os.write(self.writing, word)

    def hear(self) -> bytes:
        return os.read(self.reading, 4096)

    def close(self) -> None:
        os.close(self.reading)
        os.close(self.writing)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def sleep_for_ever() -> int:
    while True:
        signal.pause()


def signal_set(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1], 16)
    raise AssertionError(field)


def test_the_return_value_is_the_exit_code(fork: Fork) -> None:
    child = fork(lambda: 7)
    assert processes.reap(child.pid) == processes.Exit(child.pid, 7, None)
    assert processes.reap(fork(lambda: 0).pid).description == "exit code 0"


def small() -> None:
    a = b = c = d = e = f = g = h = i = j = k = m = n = o = p = q = r = s = t = u = None
    del a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s, t, u


def pages_of_a_loop(depth: int) -> int:
    """How many pages 300 calls have touched for the first time, at a depth."""
    if depth:
        return pages_of_a_loop(depth - 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(300):
        small()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_a_loop_costs_the_same_at_every_depth(isolated: Isolated) -> None:
    """Elsewhere there are depths at which each of its calls gets new memory for its frame, and gives it back."""

    def look() -> None:
        assert max(pages_of_a_loop(depth) for depth in range(400)) < 100

    isolated(look)
    if sys.version_info < (3, 14):
        assert max(pages_of_a_loop(depth) for depth in range(400)) >= 300


def test_a_child_holds_only_what_was_kept(fork: Fork, pipe: Pipe) -> None:
    extra = [os.open(NULL, os.O_RDONLY) for _ in range(5)]
    os.set_inheritable(extra[0], True)

    def main() -> int:
        pipe.say()
        return sleep_for_ever()

    child = processes.fork_child(main, keep={pipe.writing, extra[3]}, name="holder")
    assert pipe.hear()
    held = processes.descriptors(child.pid)
    assert set(held) == {0, 1, 2, pipe.writing, extra[3]}
    assert [held[number] for number in (0, 1, 2)] == [NULL, NULL, NULL]
    processes.kill(child.pidfd)
    assert processes.reap(child.pid).description == "SIGKILL"
    os.close(child.pidfd)
    for descriptor in extra:
        os.close(descriptor)


@pytest.mark.parametrize("kept", [{0}, {1}, {2}, {0, 1, 2}, {1, 2}])
def test_standard_streams_are_kept_one_by_one(kept: set[int], isolated: Isolated) -> None:
    def body() -> None:
        report = Pipe()
        file = os.open("/dev/zero", os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(file, number)

        def main() -> int:
            held = processes.descriptors(os.getpid())
            report.say(repr({number: held[number] for number in (0, 1, 2)}).encode())
            print("to wherever it goes", flush=True)
            return len(held)

        child = processes.fork_child(main, keep={*kept, report.writing}, name="streams")
        assert report.hear().decode() == repr({number: "/dev/zero" if number in kept else NULL for number in (0, 1, 2)})
        assert processes.reap(child.pid).code == 4

    isolated(body)


def test_what_the_parent_had_not_flushed_is_written_once(isolated: Isolated) -> None:
    def body() -> None:
        output = Pipe()
        os.dup2(output.writing, 1)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stdout.write("parent ")

        def main() -> int:
            print("child", end=" ")
            return 0

        processes.reap(processes.fork_child(main, keep={1}, name="printer").pid)
        sys.stdout.flush()
        assert output.hear() == b"parent child "

    isolated(body)


def test_a_child_is_deaf_to_control_c_and_ends_on_request(fork: Fork, isolated: Isolated, pipe: Pipe) -> None:
    def body() -> None:
        # Whatever the parent does with its signals, the child starts from the same state.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, lambda *_: os._exit(9))
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        told = Pipe()

        def main() -> int:
            told.say()
            return sleep_for_ever()

        child = processes.fork_child(main, keep={told.writing}, name="deaf")
        assert told.hear()
        assert signal_set(child.pid, "SigIgn") & 1 << signal.SIGINT - 1
        assert signal_set(child.pid, "SigBlk") == 0
        assert not signal_set(child.pid, "SigCgt") & (1 << signal.SIGUSR1 - 1 | 1 << signal.SIGTERM - 1)
        assert processes.kill(child.pidfd, signal.SIGINT)
        assert processes.kill(child.pidfd, signal.SIGTERM)
        assert processes.reap(child.pid).description == "SIGTERM"
        # The parent's own mask is what it was.
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == {signal.SIGTERM}

    isolated(body)


def test_no_handler_of_the_parent_runs_in_the_child(isolated: Isolated) -> None:
    def body() -> None:
        def handler(*_: object) -> None:
            os._exit(9)

        signal.signal(signal.SIGINT, handler)
        # The first moment of the child, before anything of ours could have been done there.
        os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGINT))
        child = processes.fork_child(lambda: 5, keep={2}, name="interrupted")
        assert processes.reap(child.pid).code == 5

    isolated(body)


def test_a_child_has_a_session_and_a_name_of_its_own(fork: Fork, pipe: Pipe) -> None:
    def main() -> int:
        pipe.say(f"{os.getsid(0)} {Path('/proc/self/comm').read_text(encoding='utf-8').strip()}".encode())
        return 0

    child = processes.fork_child(main, keep={2, pipe.writing}, name="ndis:processor 0 of many")
    assert pipe.hear() == f"{child.pid} ndis:processor ".encode().strip()
    processes.reap(child.pid)
    os.close(child.pidfd)
    child = processes.fork_child(main, keep={2, pipe.writing}, name="guest", session=False)
    assert pipe.hear() == f"{os.getsid(0)} guest".encode()
    processes.reap(child.pid)
    os.close(child.pidfd)


def test_an_escaping_exception_is_reported_and_is_exit_code_4(pipe: Pipe) -> None:
    def report(error: BaseException) -> None:
        pipe.say(repr(error).encode())

    def code_of(error: BaseException) -> int | None:
        def main() -> int:
            raise error

        child = processes.fork_child(main, keep={pipe.writing}, name="raiser", report=report)
        os.close(child.pidfd)
        return processes.reap(child.pid).code

    for error in (ValueError("no"), SystemExit(0), KeyboardInterrupt()):
        assert code_of(error) == 4
        assert pipe.hear() == repr(error).encode()


def test_a_report_that_fails_and_a_result_that_is_no_number_still_end_the_child() -> None:
    def broken(_: BaseException) -> None:
        raise RuntimeError("the report is broken too")

    for main in (lambda: None, lambda: 1 // 0):
        child = processes.fork_child(main, keep=(), name="broken", report=broken)  # type: ignore[arg-type]
        os.close(child.pidfd)
        assert processes.reap(child.pid).code == 4


def test_a_child_never_unwinds_its_parents_frames(pipe: Pipe) -> None:
    parent = os.getpid()
    try:
        child = processes.fork_child(lambda: 1 // 0, keep={pipe.writing}, name="raiser", report=lambda _: None)
    finally:
        if os.getpid() != parent:
            pipe.say(b"the child is here")
    processes.reap(child.pid)
    os.close(child.pidfd)
    os.set_blocking(pipe.reading, False)
    with pytest.raises(BlockingIOError):
        pipe.hear()


def test_a_whole_line_of_descendants_dies_with_the_first(isolated: Isolated) -> None:
    def body() -> None:
        processes.become_subreaper()
        told = Pipe()

        def generation(number: int) -> int:
            if number < 3:
                child = processes.fork_child(
                    lambda: generation(number + 1), keep={2, told.writing}, name=f"generation {number}"
                )
                told.say(f"{child.pid} ".encode())
            else:
                told.say(b"end ")
            return sleep_for_ever()

        first = processes.fork_child(lambda: generation(0), keep={2, told.writing}, name="first")
        heard = b""
        while heard.count(b" ") < 4:
            heard += told.hear()
        later = [int(word) for word in heard.split() if word != b"end"]
        watched = [os.pidfd_open(pid) for pid in later]
        processes.kill(first.pidfd)
        assert processes.reap(first.pid).description == "SIGKILL"
        for pid, pidfd in zip(later, watched, strict=True):
            assert processes.wait_exit(pidfd, LONG_NS)
            assert processes.reap(pid).description == "SIGKILL"
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, 0)

    isolated(body)


def test_a_child_whose_parent_died_before_it_could_ask_leaves_at_once(isolated: Isolated) -> None:
    def body() -> None:
        processes.become_subreaper()
        told, gone, ran = Pipe(), Pipe(), Pipe()

        def run() -> int:
            ran.say()
            return 0

        def parent() -> int:
            # The child stands still at its first moment until its parent is dead and reaped.
            os.register_at_fork(after_in_child=gone.hear)
            child = processes.fork_child(run, keep={2, ran.writing}, name="orphan")
            told.say(str(child.pid).encode())
            return 0

        first = processes.fork_child(parent, keep={2, told.writing, gone.reading, ran.writing}, name="parent")
        orphan = int(told.hear())
        assert processes.reap(first.pid).code == 0
        gone.say()
        assert processes.reap(orphan) == processes.Exit(orphan, processes.EXIT_ORPHANED, None)
        os.close(ran.writing)
        assert ran.hear() == b"", "the orphan ran its main"

    isolated(body)


def test_threads_are_counted_and_named(isolated: Isolated) -> None:
    def body() -> None:
        assert processes.thread_count(os.getpid()) == 1
        release = threading.Event()
        thread = threading.Thread(target=release.wait, name="feeder of somebody")
        thread.start()
        assert processes.thread_count(os.getpid()) == 2
        with pytest.raises(processes.ThreadsRunning, match=r"2 threads .*feeder of somebody") as caught:
            processes.fork_child(lambda: 0, keep=(), name="refused", single_thread=True)
        assert "feeder of somebody" in caught.value.names
        release.set()
        thread.join()
        child = processes.fork_child(lambda: 0, keep=(), name="accepted", single_thread=True, freeze=True)
        assert processes.reap(child.pid).code == 0

    isolated(body)


def test_only_the_main_thread_forks() -> None:
    caught: list[Exception] = []

    def attempt() -> None:
        try:
            processes.fork_child(lambda: 0, keep=(), name="refused")
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert "main thread" in str(caught[0])


def test_a_descriptor_that_is_not_open_is_found_before_the_fork() -> None:
    closed = os.dup(0)
    os.close(closed)
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        processes.fork_child(lambda: 0, keep={closed}, name="refused")
    assert caught.value.errno == errno.EBADF


def test_no_descriptor_for_the_pidfd_leaves_no_child(isolated: Isolated) -> None:
    def body() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        with pytest.raises(SharedMemoryError, match="forking the process test") as caught:
            processes.fork_child(sleep_for_ever, keep=(), name="test")
        assert caught.value.mend == "ulimit -n 4096"
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, 0)

    isolated(body)


def test_a_parent_that_ignored_its_children_can_reap_them(isolated: Isolated) -> None:
    def body() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        child = processes.fork_child(lambda: 3, keep=(), name="quick")
        assert processes.wait_exit(child.pidfd, LONG_NS)
        assert processes.reap(child.pid).code == 3

    isolated(body)


def test_a_living_child_is_watched_and_a_reaped_one_cannot_be_hit(fork: Fork) -> None:
    child = fork(sleep_for_ever)
    assert not processes.wait_exit(child.pidfd, 1_000_000)
    assert processes.reap_if_ended(child.pid) is None
    assert processes.kill(child.pidfd, signal.SIGSEGV)
    assert processes.wait_exit(child.pidfd, LONG_NS)
    ended = processes.reap_if_ended(child.pid)
    assert ended == processes.Exit(child.pid, None, signal.SIGSEGV)
    assert processes.wait_exit(child.pidfd)
    assert not processes.kill(child.pidfd)
    with pytest.raises(ProcessLookupError):
        processes.process_cpu_ns(child.pid)


def test_an_end_is_said_in_words() -> None:
    assert processes.Exit(1, 4, None).description == "exit code 4"
    assert processes.Exit(1, None, signal.SIGKILL).description == "SIGKILL"
    assert processes.Exit(1, None, 40).description == "signal 40"


def test_processor_time_counts_work_and_not_sleep(fork: Fork, pipe: Pipe) -> None:
    def work() -> int:
        while time.process_time_ns() < 30_000_000:
            pass
        pipe.say()
        return sleep_for_ever()

    child = fork(work, keep={pipe.writing})
    assert pipe.hear()
    assert processes.process_cpu_ns(child.pid) >= 30_000_000
    assert processes.process_cpu_ns(os.getpid()) == pytest.approx(time.process_time_ns(), abs=1_000_000_000)
