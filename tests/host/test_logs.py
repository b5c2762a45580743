"""Logs of drivers and of the host: they arrive, the last one too, and nothing that a driver writes is unpickled."""

from __future__ import annotations

import logging
import queue
import socket
from typing import TYPE_CHECKING

import pytest

from emulator.host import logs
from emulator.host.platform import enlarge
from tests.host.machines import provoke, started

if TYPE_CHECKING:
    from emulator.host.console import Console


def messages(caplog: pytest.LogCaptureFixture, name: str = "driver.toy_driver") -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == name]


def last_words(console: Console, caplog: pytest.LogCaptureFixture, trials: int) -> None:
    caplog.set_level(logging.INFO)
    for trial in range(trials):
        machine = started(console)
        provoke(machine, 101, 0, trial)  # logs its last words and kills itself with SIGKILL
        machine.wait_ended()
    console.close()
    assert [text for text in messages(caplog) if text.startswith("last words")] == [
        f"last words {trial}" for trial in range(trials)
    ]


def test_the_last_record_before_a_sigkill_arrives(console: Console, caplog: pytest.LogCaptureFixture) -> None:
    last_words(console, caplog, 5)


@pytest.mark.soak
def test_the_last_record_before_a_sigkill_arrives_fifty_times(
    console: Console, caplog: pytest.LogCaptureFixture
) -> None:
    last_words(console, caplog, 50)


def test_print_in_a_driver_is_a_record(console: Console, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    started(console).control(400, 0, 77)
    console.close()
    assert "printed 77" in messages(caplog)


def test_the_consoles_levels_decide_what_is_shown(console: Console, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    started(console).control(400, 0, 78)
    console.close()
    assert messages(caplog) == []


def test_a_flood_of_records_blocks_nobody_and_drops_are_counted(
    console: Console, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    machine = started(console)
    machine.control(302, 0, 20_000)
    for _ in range(100):  # the channel may still be full: a record that finds no room is dropped, and never waits
        machine.control(400, 0, 1)
    dropped = machine.statistics().counters["log_records_dropped"]
    machine.stop()
    console.close()
    arrived = sum(text.startswith("flood") for text in messages(caplog))
    assert arrived + dropped <= 20_000
    assert arrived > 100
    assert "printed 1" in messages(caplog)


def test_names_of_loggers_are_tamed_and_bounded(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    loggers = logs.DriverLoggers("toy")
    loggers.emit(20, "../..\nroot", "hello %s", "a context")
    for number in range(200):
        loggers.emit(20, f"name{number}", "x", "")
    names = {record.name for record in caplog.records}
    assert "driver._root" in names
    assert len(names) <= logs.MOST_LOGGERS + 1
    assert caplog.records[0].getMessage() == "hello %s"


def test_the_queue_of_the_trusted_processes_has_no_thread_and_never_blocks() -> None:
    records = logs.RecordQueue()
    record = logging.makeLogRecord({"msg": "x" * 1000, "name": "host"})
    for _ in range(5000):
        records.put_nowait(record)
    assert records.dropped > 0
    assert records.get(1).getMessage() == "x" * 1000
    while records.qsize():
        records.get(1)
    with pytest.raises(queue.Empty):
        records.get(0)
    records.put_nowait(logging.makeLogRecord({"msg": "y" * 1_000_000, "name": "host"}))
    assert len(records.get(1).getMessage()) < 20_000
    records.close()


def test_room_for_records_is_made_without_privileges() -> None:
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    enlarge(writer)
    assert writer.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) >= 100_000
    reader.close()
    writer.close()
