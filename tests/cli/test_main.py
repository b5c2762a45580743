"""The command line itself: help, versions, mistakes, and that starting it is cheap."""

from __future__ import annotations

import subprocess
import sys

import pytest

from emulator.rules.errors import EXIT_HOST, EXIT_USAGE
from tests.cli.command import ROOT, UNPRIVILEGED, complaint, ndisemu, ordinary


def test_help_names_every_command_and_exit_code() -> None:
    ended = ndisemu("--help")
    assert (ended.code, ended.err) == (0, "")
    for word in ("run", "ctl", "demo", "doctor", "explain", "exit codes", "130 interrupted"):
        assert word in ended.out


def test_the_version() -> None:
    ended = ndisemu("--version")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("ndisemu ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "a command is missing: run, ctl, demo, doctor, explain"),
        (("walk",), "invalid choice: 'walk'"),
        (("doctor", "--what"), "unrecognized arguments: --what; see 'ndisemu doctor --help'"),
        (("ctl", "oid", "query", "OID_NONE", "--length", "4", "lab"), "OID_NONE is no OID's name"),
        (("run", "--miniport", "\udcff.py"), "is no text in this locale's encoding"),
        (("demo", "--pings", "0"), "0: 1 to 100000"),
        (("demo", "--wire", "tun"), "invalid choice: 'tun'"),
        (("explain", "NdisQueueIoWorkItme"), "did you mean NdisQueueIoWorkItem"),
        (("explain", "NDIS_LINK_STAT"), "did you mean NDIS_LINK_STATE"),
        (
            ("explain", "NdisCmActivateVc"),
            "NdisCmActivateVc is absent (CoNDIS), left out on purpose: connection-oriented",
        ),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], told: str) -> None:
    assert told in complaint(ndisemu(*arguments), EXIT_USAGE)


def test_starting_the_command_imports_next_to_nothing() -> None:
    code = "import sys, emulator.cli.main; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(ended.stdout.split())
    assert loaded.isdisjoint({"rich", "msgspec", "pyroute2", "logging", "emulator.host", "emulator.ndis", "vnic"})


@pytest.mark.parametrize(
    "arguments", [("--help",), ("run", "--help"), ("--version",), ("doctor",), ("explain", "DbgPrint")]
)
def test_a_full_disk_is_one_line(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        told = complaint(ndisemu(*arguments, stdout=full), EXIT_HOST)
    assert told.startswith("writing to standard output failed (No space left on device)")


def test_no_descriptor_of_ours_takes_the_place_of_a_closed_standard_one() -> None:
    code = "import os; from emulator.cli.streams import occupy_standard_descriptors as act; act(); print(os.dup(2) > 2)"
    words = f"exec {sys.executable} -c '{code}' <&- 2>&-"
    ended = subprocess.run(["/bin/sh", "-c", words], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "True\n"


def test_explain_says_what_is_declared() -> None:
    ended = ndisemu("explain", "ndisqueueioworkitem")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("NdisQueueIoWorkItem(")
    assert "IRQL      <= DISPATCH_LEVEL" in ended.out
    assert "callers   miniport, filter\n" in ended.out
    assert "nf-ndis-ndisqueueioworkitem" in ended.out
    assert "may return NDIS_STATUS_PENDING" in ndisemu("explain", "MINIPORT_PAUSE").out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("SendNetBufferListsHandler", "VOID MINIPORT_SEND_NET_BUFFER_LISTS("),
        ("0xC4/0x62", "0x62  unload with pool not freed\n  parameter 2: driver (here: whose it is)"),
        ("worker_invalid", "0xE4 WORKER_INVALID: "),
        ("NdisTimedOidComplete", "stop      0xC4/0x92003\n  limit     12 s\n"),
        (
            "oid_gen_receive_scale_parameters",
            "  query     NDIS answers\n  set       the miniport answers\n  needed    if RSS\n",
        ),
        ("VNIC_NO_STATUS", "what to do: return a status in every way out"),
        ("NDIS_POLL_DATA", "NDIS_POLL_DATA: What NDIS passes to NdisPoll.\n"),
    ],
)
def test_explain_says_what_a_stop_screen_names(name: str, told: str) -> None:
    ended = ndisemu("explain", name)
    assert (ended.code, ended.err) == (0, "")
    assert told in ended.out


@pytest.mark.tap
def test_doctor_finds_that_a_tap_can_be_had() -> None:
    ended = ndisemu("doctor")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-1].startswith("A TAP can be had")
    assert ndisemu("doctor", "--json").event("verdict") == {"event": "verdict", "tap": True, "mend": ""}


def test_doctor_tells_an_ordinary_user_of_user_namespaces() -> None:
    ended = ndisemu("doctor", program=(*ordinary(), "-m", "emulator.cli"))
    assert (ended.code, ended.err) == (0, "")
    assert "ok      user namespaces: allowed: demo and run make a TAP in one" in ended.out
    assert ended.out.splitlines()[-1].startswith("A TAP can be had")
    ended = ndisemu("doctor", program=(*ordinary("600"), "-m", "emulator.cli"))
    assert ended.code == EXIT_HOST
    assert "limited user namespaces: opening /dev/net/tun: Permission denied; to mend it: sudo chmod" in ended.out


def test_doctor_names_what_is_lacking_and_what_mends_it() -> None:
    ended = ndisemu("doctor", program=(*UNPRIVILEGED, "-m", "emulator.cli"))
    assert (ended.code, ended.err) == (EXIT_HOST, "")
    lacking = [line for line in ended.out.splitlines() if line.startswith("missing")]
    assert lacking
    assert all("; to mend it: " in line for line in lacking)
    assert ended.out.splitlines()[-1].startswith("No TAP can be had (")
    events = ndisemu("doctor", "--json", program=(*UNPRIVILEGED, "-m", "emulator.cli")).events
    assert events[-1]["tap"] is False
    assert events[-1]["mend"] == next(event["mend"] for event in events if event["outcome"] == "missing")
