"""Stops in a user's test: the screen is the failure's text, an expected stop is compared, a missing one is missed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def test_an_unexpected_stop_is_the_text_of_the_failure(outcome: Callable[..., tuple[Any, str]]) -> None:
    counts, text = outcome("nic = toy(lab); nic.control(104); nic.receive()")
    assert counts == {"failed": 1}
    assert "UnexpectedStop: machine toy_driver stopped:" in text
    assert "*** STOP: 0x0000007E (" in text
    assert "ZeroDivisionError" in text
    failure = text.partition("short test summary info")[0]  # where CI is set the summary repeats all of it
    assert failure.count("*** STOP: 0x0000007E (") == 1
    assert "def receive" not in text  # the test's own lines are shown, and none of the laboratory's


def test_a_stop_that_the_test_did_not_notice_fails_it_all_the_same(outcome: Callable[..., tuple[Any, str]]) -> None:
    counts, text = outcome("nic = toy(lab); nic.control(104); nic.machine.proxy.wait_ended()")
    assert counts == {"failed": 1}
    assert "*** STOP: 0x0000007E (" in text


def test_a_test_that_fails_by_itself_shows_the_stop_beside_its_own_fault(
    outcome: Callable[..., tuple[Any, str]],
) -> None:
    counts, text = outcome("nic = toy(lab); nic.control(104); nic.machine.proxy.wait_ended(); assert 1 == 2")
    assert counts == {"failed": 1}
    assert "assert 1 == 2" in text
    assert "*** STOP: 0x0000007E (" in text


def test_an_expected_stop_is_no_failure(outcome: Callable[..., tuple[Any, str]]) -> None:
    counts, _ = outcome(
        """
        nic = toy(lab)
        with lab.expect_stop(0x7E, 0xC0000144) as stop:
            nic.control(104)
        assert stop.report.driver == "toy_driver"
        assert "1 / value" in stop.screen
        """
    )
    assert counts == {"passed": 1}


def test_one_of_two_machines_stops_and_the_other_is_ended_in_order(outcome: Callable[..., tuple[Any, str]]) -> None:
    counts, _ = outcome(
        """
        first, second = toy(lab), toy(lab)
        with lab.expect_stop(0x7E):
            first.control(104)
        assert second.control(400, 3) == 400
        assert [machine.running for machine in lab.machines] == [False, True]
        """
    )
    assert counts == {"passed": 1}


def test_another_stop_than_the_expected_one(outcome: Callable[..., tuple[Any, str]]) -> None:
    counts, text = outcome(
        """
        nic = toy(lab)
        with lab.expect_stop(0xE4, 1):
            nic.control(104)
        """
    )
    assert counts == {"failed": 1}
    assert "stop 0xE4 WORKER_INVALID (0x1) was expected; came: 0x7E" in text


def test_another_parameter_or_rule_than_the_expected_one(outcome: Callable[..., tuple[Any, str]]) -> None:
    counts, text = outcome(
        """
        nic = toy(lab)
        with lab.expect_stop(0x7E, rule="SpinLock", parameters=(5, None)):
            nic.control(104)
        """
    )
    assert counts == {"failed": 1}
    assert "parameter 1 is 0xC0000144; the rule is none" in text


def test_a_stop_that_does_not_come(outcome: Callable[..., tuple[Any, str]]) -> None:
    counts, text = outcome(
        """
        nic = toy(lab)
        with lab.expect_stop(0x7E, timeout=0.05):
            nic.control(100)
        """
    )
    assert counts == {"failed": 1}
    assert "did not come within 0.05 s: every machine lives" in text


def test_a_failure_of_the_test_itself_is_not_taken_for_the_stop(outcome: Callable[..., tuple[Any, str]]) -> None:
    counts, text = outcome(
        """
        nic = toy(lab)
        with lab.expect_stop(0x7E):
            raise KeyError("mine")
        """
    )
    assert counts == {"failed": 1}
    assert "KeyError: 'mine'" in text


def test_a_driver_that_does_not_load_is_said_in_one_line(outcome: Callable[..., tuple[Any, str]]) -> None:
    counts, text = outcome("lab.start('no.such.driver', loader='emulator.ndis.loader')")
    assert counts == {"failed": 1}
    assert "ConfigurationError: driver no.such.driver does not import" in text
    assert "def wait_running" not in text


def test_a_ping_that_nobody_answers_any_more_tells_of_the_stop(outcome: Callable[..., tuple[Any, str]]) -> None:
    counts, text = outcome(
        """
        def test_it(lab, monkeypatch):
            from contextlib import suppress
            from types import SimpleNamespace
            from emulator.host.console import MachineStop
            nic = toy(lab)
            proxy = nic.machine.proxy

            def ping(*given):
                with suppress(MachineStop):  # the operation may come to its end before the stop that it is for
                    proxy.control(104, 0)
                proxy.wait_ended()
                return SimpleNamespace(lost=1)

            monkeypatch.setattr("emulator.testing.ends.ping", ping)
            nic.ping("192.0.2.2")
            assert "it was noticed" == "before"
        """
    )
    assert counts == {"failed": 1}
    assert "UnexpectedStop: machine toy_driver stopped:" in text
    assert ">       nic.ping(" in text
