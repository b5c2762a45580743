"""Whose fault is it: the kinds of error, their exit codes and their one line each."""

from __future__ import annotations

import errno

import pytest

from emulator.rules.errors import (
    EXIT_EMULATOR,
    EXIT_HOST,
    EXIT_INTERRUPTED,
    EXIT_STOP,
    EXIT_USAGE,
    BugCheck,
    ConfigurationError,
    EmulatorError,
    HostError,
    MachineStopped,
    NotImplementedByEmulator,
    first_line,
)


def test_the_first_line_is_the_one_of_windows() -> None:
    line = first_line(0xC4, (0x92003, 0xFFFFF80112345678, 0, 0))
    assert line == (
        "*** STOP: 0x000000C4 (0x0000000000092003,0xFFFFF80112345678,0x0000000000000000,0x0000000000000000)"
    )


def test_a_negative_parameter_is_shown_as_64_bits() -> None:
    assert "0xFFFFFFFFC0000001" in first_line(0x7C, (0x1C, 1, 2, -0x3FFFFFFF))


@pytest.mark.parametrize("stopping", [BugCheck, MachineStopped])
def test_a_driver_cannot_swallow_a_stop(stopping: type[BaseException]) -> None:
    assert issubclass(stopping, BaseException)
    assert not issubclass(stopping, Exception)


def test_exit_codes_tell_whose_fault_it_is() -> None:
    assert (EXIT_STOP, EXIT_USAGE, EXIT_HOST, EXIT_EMULATOR, EXIT_INTERRUPTED) == (1, 2, 3, 4, 130)
    kinds = (BugCheck, ConfigurationError, HostError, EmulatorError)
    assert [kind.exit_code for kind in kinds] == [EXIT_STOP, EXIT_USAGE, EXIT_HOST, EXIT_EMULATOR]


def test_a_host_error_is_one_line_with_step_reason_and_command() -> None:
    error = HostError("opening /dev/net/tun", "sudo modprobe tun", OSError(errno.EACCES, "Permission\ndenied"))
    assert str(error) == "opening /dev/net/tun failed (Permission denied); to mend it: sudo modprobe tun"
    assert error.errno == errno.EACCES
    assert isinstance(error, OSError)


def test_a_host_error_needs_no_reason() -> None:
    assert str(HostError("a step", "a command")) == "a step failed; to mend it: a command"


def test_what_is_not_implemented_is_named() -> None:
    assert str(NotImplementedByEmulator("NdisMAllocatePort", "driver.py:7")) == (
        "NdisMAllocatePort is not implemented by this emulator, called from driver.py:7"
    )


def test_a_bug_check_carries_what_the_screen_shows() -> None:
    report = object()
    error = BugCheck(0x7C, (0x14, 2, 0, 0), "BUGCODE_NDIS_DRIVER", report)
    assert (error.code, error.parameters, error.name, error.report) == (
        0x7C,
        (0x14, 2, 0, 0),
        "BUGCODE_NDIS_DRIVER",
        report,
    )
    assert str(error).startswith("*** STOP: 0x0000007C (")
