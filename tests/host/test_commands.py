"""The table of commands: what words come to, which adapter is meant, and the line that says how one ended."""

from __future__ import annotations

import pytest

from emulator.host.commands import COMMANDS, Outcome, adapter_number, command_of, data_of, in_words, oid_of
from emulator.host.messages import AdapterStatus, MachineStatus
from emulator.rules.control import ControlOperation
from emulator.rules.errors import ConfigurationError

NOT_ASKED_FOR = {ControlOperation.UNLOAD, ControlOperation.ADMIT_DRIVER}
"""What the host does by itself: at the end, and when a driver has been loaded."""


def status_name(status: int) -> str:
    return f"STATUS_{status}"


def test_every_operation_has_a_command_and_every_command_a_name_of_its_own() -> None:
    asked_for = {command.operation for command in COMMANDS if command.operation is not None}
    assert asked_for == set(ControlOperation) - NOT_ASKED_FOR
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)
    assert all(command.help for command in COMMANDS)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("11", b"\x0b\0\0\0"),
        ("0x0000002B", b"\x2b\0\0\0"),
        ("01:00:5e:00:00:01", b"\x01\0\x5e\0\0\x01"),
        ("de ad-be:ef", b"\xde\xad\xbe\xef"),
        ("hex:12", b"\x12"),
        ("", b""),
    ],
)
def test_a_value_is_a_number_or_bytes(text: str, data: bytes) -> None:
    assert data_of(text) == data


@pytest.mark.parametrize("text", ["0x1ffffffff", "zz", "abc", "ff" * 2049])
def test_what_is_no_value_is_one_line(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^[^\n]+$"):
        data_of(text)


def test_an_oid_has_a_name_or_a_number() -> None:
    for text in ("0x00010106", "OID_GEN_MAXIMUM_FRAME_SIZE", "oid_gen_maximum_frame_size"):
        assert oid_of(text) == 0x10106
    with pytest.raises(ConfigurationError, match="did you mean OID_GEN_STATISTICS"):
        oid_of("OID_GEN_STATISTIC")
    with pytest.raises(ConfigurationError, match="32 bits"):
        oid_of("0x1ffffffff")


def test_an_interface_has_an_index_and_is_asked_by_oid() -> None:
    query, set_ = command_of("interface query"), command_of("interface set")
    assert query.given(["3", "OID_GEN_STATISTICS", "64"]) == (3 << 48 | 64 << 32 | 0x20106, b"")
    assert set_.given(["0x3", "0x20106", "7"]) == (3 << 48 | 0x20106, b"\7\0\0\0")
    for words, told in (
        (["0", "1", "64"], "an interface's index is 1 to 65535"),
        (["65536", "1", "64"], "an interface's index is 1 to 65535"),
        (["adapter0", "1", "64"], "adapter0 is no number"),
        (["3", "OID_GEN_STATISTIC", "64"], "did you mean OID_GEN_STATISTICS"),
        (["3", "1", "4096"], "a buffer has 0 to 2048 bytes"),
    ):
        with pytest.raises(ConfigurationError, match=told):
            query.given(words)


def test_an_adapter_has_a_name_or_a_number_or_is_the_only_one() -> None:
    assert adapter_number(["red"], "") == adapter_number(["red"], "red") == adapter_number(["red"], "0") == 0
    assert adapter_number(["red", "green"], "green") == adapter_number(["red", "green"], "1") == 1
    for names, wanted, told in (
        (["red", "green"], "", "name one with --adapter: red, green"),
        (["red"], "blue", "there is no adapter blue; there are red"),
        (["red"], "1", "there is no adapter 1"),
        ([], "", "this machine has none"),
    ):
        with pytest.raises(ConfigurationError, match=told):
            adapter_number(names, wanted)


def test_an_unknown_command_is_told_which_one_was_meant() -> None:
    with pytest.raises(ConfigurationError, match="did you mean restart"):
        command_of("restrat")


@pytest.mark.parametrize(
    ("name", "state", "outcome", "told"),
    [
        ("pause", "paused", Outcome(seconds=0.0125), "red: pause done in 12.5 ms, it is paused"),
        ("pause", "paused", Outcome(status=7), "pause of red failed with STATUS_7: red is paused already"),
        ("pause", "halted", Outcome(status=7), "red is halted; first: ndisemu ctl start"),
        ("start", "removed", Outcome(status=7), "comes back with a new `ndisemu run` only"),
        ("oid query", "running", Outcome(data=b"\x01\x02"), "01 02"),
        ("oid query", "running", Outcome(status=7, needed=4), "failed with STATUS_7 (4 bytes are needed)"),
        (
            "filter attach",
            "running",
            Outcome(status=7, data=b"it is there"),
            "filter attach of red failed: it is there",
        ),
        ("pause", "pausing", Outcome(late=True, seconds=0.5), "has not ended within 0.5 s and goes on; blocked: A; B"),
        ("shutdown", "running", Outcome(), "shutdown: done"),
        ("interface query", "running", Outcome(data=b"\x01\x02"), "01 02"),
        ("interface query", "running", Outcome(status=7, needed=4), "interface query: STATUS_7 (4 bytes are needed)"),
        ("interface set", "running", Outcome(status=7, data=b"there is none"), "interface set failed: there is none"),
        ("driver uninstall", "running", Outcome(late=True, seconds=0.5), "has not ended within 0.5 s"),
        ("pause", "pausing", Outcome(ended="machine m has ended"), "pause: machine m has ended"),
    ],
)
def test_how_a_command_ended_is_one_line(name: str, state: str, outcome: Outcome, told: str) -> None:
    red = AdapterStatus(0, "red", state, blocked_by=["A", "  B"])
    outcome.machine = MachineStatus(1, 1, "m", "running", [], [red])
    assert told in in_words(command_of(name), outcome, "red", status_name)
