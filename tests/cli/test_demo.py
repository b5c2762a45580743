"""`ndisemu demo`: with privileges on a TAP, else on the cable; its closing line and exit code are true."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from emulator.rules.errors import EXIT_EMULATOR, EXIT_HOST, EXIT_INTERRUPTED, EXIT_STOP
from tests.cli.command import UNPRIVILEGED, complaint, ndisemu, ordinary, running
from vnic.wires.network import interfaces

BROKEN = (str(Path(__file__).with_name("broken_command.py")),)
DEAF = (str(Path(__file__).with_name("deaf_command.py")),)
CLOSING = re.compile(
    r"ok: (\d+) pings, \1 answered, p50 \d+ us, p99 \d+ us; [1-9]\d* work items, queue to callback p50 \d+ us; "
    r"nothing left behind"
)
REQUEST = re.compile(r"--> 10\.77\.0\.1 > 10\.77\.0\.2 ICMP echo request \d+, \d+ bytes")
REPLY = re.compile(r"<-- 10\.77\.0\.2 > 10\.77\.0\.1 ICMP echo reply \d+, \d+ bytes")


def shows_everything(out: str) -> None:
    lines = out.splitlines()
    assert CLOSING.fullmatch(lines[-1]), out
    assert REQUEST.search(out)
    assert REPLY.search(out)
    assert "ARP who has 10.77.0.2? tell 10.77.0.1" in out
    assert re.search(r"pings: 10\.77\.0\.2: (\d+) sent, \1 answered, 0 lost, round trip p50 ", out)
    assert re.search(
        r"work items: (\d+) queued at DISPATCH_LEVEL, [1-9]\d* of them critical, "
        r"\1 run at PASSIVE_LEVEL in other processes",
        out,
    )


@pytest.mark.tap
def test_with_privileges_it_pings_through_a_tap_of_its_own() -> None:
    before = interfaces()
    ended = ndisemu("demo")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("netvmini on tap:ndis0, in a network namespace of its own")
    shows_everything(ended.out)
    assert interfaces() == before


def test_an_ordinary_user_has_a_tap_in_a_user_namespace_of_his_own() -> None:
    ended = ndisemu("demo", program=(*ordinary(), "-m", "emulator.cli"))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("netvmini on tap:ndis0, in a user and network namespace of its own")
    shows_everything(ended.out)


def test_an_ordinary_user_before_a_shut_device_pings_on_the_cable() -> None:
    ended = ndisemu("demo", "--pings", "10", program=(*ordinary("600"), "-m", "emulator.cli"))
    assert (ended.code, ended.err) == (0, "")
    first = ended.out.splitlines()[0]
    assert first.startswith("no TAP here, so on the cable (CAP_NET_ADMIN: not effective, nor is there a user namespace")
    assert "opening /dev/net/tun: Permission denied; to mend it: sudo chmod a+rw /dev/net/tun)" in first


def test_without_privileges_it_says_so_and_pings_on_the_cable() -> None:
    ended = ndisemu("demo", program=(*UNPRIVILEGED, "-m", "emulator.cli"))
    assert (ended.code, ended.err) == (0, "")
    first, second, *_ = ended.out.splitlines()
    assert first.startswith("no TAP here, so on the cable (")
    assert "; to mend it: " in first
    assert second.startswith("netvmini on the cable")
    shows_everything(ended.out)


def test_the_figures_for_programs() -> None:
    ended = ndisemu("demo", "--json", "--wire", "cable", "--pings", "150")
    assert (ended.code, ended.err) == (0, "")
    (demo,) = ended.events
    assert (demo["verdict"], demo["exit_code"], demo["faults"]) == ("ok", 0, [])
    assert (demo["wire"], demo["obstacle"]) == ("cable", "on the cable, as asked for")
    assert (demo["pings"]["sent"], demo["pings"]["answered"]) == (150, 150)
    assert demo["work_items"]["run"] == demo["work_items"]["queued"] > demo["work_items"]["critical"] > 0
    assert 0 < demo["work_items"]["queue_to_callback_p50_us"] <= demo["work_items"]["queue_to_callback_p99_us"]


def test_a_tap_that_is_asked_for_and_cannot_be_had_is_one_line() -> None:
    ended = ndisemu("demo", "--wire", "tap", program=(*UNPRIVILEGED, "-m", "emulator.cli"))
    assert "; to mend it: " in complaint(ended, EXIT_HOST)


def test_lost_pings_are_told_and_are_no_success() -> None:
    ended = ndisemu("demo", "--wire", "cable", "--pings", "2", program=DEAF)
    assert (ended.code, ended.err) == (EXIT_STOP, "")
    assert ended.out.splitlines()[-1].startswith("lost: 2 pings, 0 answered")
    assert ended.out.splitlines()[-1].endswith("; pings were lost, no work item went through the critical queue")


def test_a_broken_emulator_is_not_the_drivers_fault() -> None:
    ended = ndisemu("demo", "--wire", "cable", "--pings", "5", program=BROKEN)
    assert ended.code == EXIT_EMULATOR
    assert ended.err.startswith("*** EMULATOR_ERROR (the emulator is broken)\n")
    assert "planted for demo" in ended.err


def test_an_interrupt_ends_it_in_order() -> None:
    with running("demo", "--wire", "cable", "--pings", "100000", program=DEAF) as run:
        run.wait_for("ARP who has")
        run.process.send_signal(signal.SIGINT)
        ended = run.end()
    assert (ended.code, ended.err) == (EXIT_INTERRUPTED, "")
    assert ended.out.splitlines()[-1].startswith("interrupted")


def test_a_full_disk_is_one_line() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        told = complaint(ndisemu("demo", "--wire", "cable", stdout=full), EXIT_HOST)
    assert told.startswith("writing to standard output failed (No space left on device)")
