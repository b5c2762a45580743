"""The ways in which Python programs hand work to another process, each made in the producer's process.

Law: each is used as its documentation recommends for speed, and what was chosen for it is written in its docstring;
items are 64 bytes, queued one by one, because that is how a driver queues work items.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from emulator.rules.errors import HostError
from tools.bench.cells import CONSUMER, Consumer
from tools.bench.processes import Forked, die_with_parent

if TYPE_CHECKING:
    from concurrent.futures import Future

IN_FLIGHT: Final = 1024  # how many items may wait, where the peer leaves that to its user
STOP_ITEM: Final = b"."
FINISH_SECONDS: Final = 10.0

MakeConsumer = Callable[[memoryview], Consumer]


class Pipeline(Protocol):
    """A peer's own transport with its consumer process."""

    name: ClassVar[str]

    def __init__(self, words: memoryview, make_consumer: MakeConsumer) -> None: ...

    @property
    def put(self) -> Callable[[bytes], object]:
        """Queue one item; may wait while the queue is full."""

    @staticmethod
    def look() -> None:
        """Raise HostError when the peer is not installed."""

    def finish(self) -> None:
        """Tell the consumer that no more comes, and wait until it has run everything."""


def _fork_consumer(words: memoryview, make_consumer: MakeConsumer, take: Callable[[Consumer], None]) -> Forked:
    def consume(ready: Callable[[], None]) -> None:
        words[CONSUMER] = os.getpid()
        consumer = make_consumer(words)
        ready()
        take(consumer)
        consumer.end()

    forked = Forked(consume)
    forked.wait_ready()
    return forked


class MultiprocessingQueue:
    """put and get, one by one: it has no other way. Bounded to 1024 items, so that no backlog grows."""

    name: ClassVar[str] = "multiprocessing.Queue"

    def __init__(self, words: memoryview, make_consumer: MakeConsumer) -> None:
        self._queue: multiprocessing.Queue[bytes] = multiprocessing.get_context("fork").Queue(IN_FLIGHT)
        self.put: Callable[[bytes], object] = self._queue.put
        self._consumer = _fork_consumer(words, make_consumer, self._take)

    @staticmethod
    def look() -> None:
        """Do nothing: it belongs to Python."""

    def _take(self, consumer: Consumer) -> None:
        callback = consumer.callback
        for item in iter(self._queue.get, STOP_ITEM):
            callback(item)

    def finish(self) -> None:
        """Send the stop item; it comes last, since this process is the only one that puts."""
        self.put(STOP_ITEM)
        self._consumer.wait(FINISH_SECONDS)
        self._queue.close()
        self._queue.join_thread()


class FasterFifo:
    """Bytes as they are, without pickle; put one by one, taken with get_many; its default size of a megabyte."""

    name: ClassVar[str] = "faster-fifo"

    def __init__(self, words: memoryview, make_consumer: MakeConsumer) -> None:
        import faster_fifo

        self._queue: Any = faster_fifo.Queue(loads=bytes, dumps=bytes)
        self.put: Callable[[bytes], object] = self._queue.put
        self._consumer = _fork_consumer(words, make_consumer, self._take)

    @staticmethod
    def look() -> None:
        """Try the import."""
        try:
            import faster_fifo  # noqa: F401
        except ImportError as error:
            raise HostError("importing faster_fifo", "pip install faster-fifo", str(error)) from error

    def _take(self, consumer: Consumer) -> None:
        callback, get_many = consumer.callback, self._queue.get_many
        while True:
            for item in get_many():
                if item == STOP_ITEM:
                    return
                callback(item)

    def finish(self) -> None:
        """Send the stop item."""
        self.put(STOP_ITEM)
        self._consumer.wait(FINISH_SECONDS)


_consumer_of_pool: Consumer | None = None  # of the pool's worker: submit can only name a function of a module


def _begin_worker(producer: int, words: memoryview, make_consumer: MakeConsumer) -> None:
    global _consumer_of_pool  # noqa: PLW0603
    die_with_parent(producer)  # a worker of a pool does not notice by itself that its pool was killed
    words[CONSUMER] = os.getpid()
    _consumer_of_pool = make_consumer(words)


def _run_item(item: bytes) -> None:
    assert _consumer_of_pool is not None
    _consumer_of_pool.callback(item)


def _end_worker() -> None:
    assert _consumer_of_pool is not None
    _consumer_of_pool.end()


class ProcessPool:
    """ProcessPoolExecutor.submit on one worker; at most 1024 futures are open, the oldest is waited for.

    submit answers with a future, so a result travels back for each item: that is part of what it is.
    """

    name: ClassVar[str] = "ProcessPoolExecutor.submit"

    def __init__(self, words: memoryview, make_consumer: MakeConsumer) -> None:
        self._pool = ProcessPoolExecutor(
            1,
            multiprocessing.get_context("fork"),
            initializer=_begin_worker,
            initargs=(os.getpid(), words, make_consumer),
        )
        self._open: deque[Future[None]] = deque()
        self._pool.submit(os.getpid).result(FINISH_SECONDS)

    @staticmethod
    def look() -> None:
        """Do nothing: it belongs to Python."""

    def put(self, item: bytes) -> None:
        """Submit, and wait for the oldest future when too many are open."""
        self._open.append(self._pool.submit(_run_item, item))
        if len(self._open) >= IN_FLIGHT:
            self._open.popleft().result()

    def finish(self) -> None:
        """Run what is open, then end the worker."""
        self._pool.submit(_end_worker).result(FINISH_SECONDS)
        self._pool.shutdown()


PIPELINES: Final[tuple[type[Pipeline], ...]] = (ProcessPool, MultiprocessingQueue, FasterFifo)
