"""The laboratory itself: options, names, logs, frames on both wires, and what it costs whoever does not use it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator.rules.errors import ConfigurationError
from emulator.testing import packets
from tests.host.machines import DRIVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.testing import Lab, Nic

SMALL = {"loader": "tests.host.toy", "passive_workers": 1, "pool_bytes": 1 << 20, "frame_slots": 64, "work_items": 256}
ROOT = Path(__file__).resolve().parents[2]
FRAME = bytes.fromhex("020000000001 020000000002 88b5") + bytes(46)


def toy(lab: Lab, **options: Any) -> Nic:
    return lab.start(DRIVER, **{**SMALL, **options})


def test_every_adapter_has_a_wire_and_a_network_of_its_own(lab: Lab) -> None:
    first, second = toy(lab, adapters=2).machine.nics
    third = toy(lab)
    assert [nic.address for nic in (first, second, third)] == ["10.77.0.1", "10.77.1.1", "10.77.2.1"]
    assert first.peer == "10.77.0.2"
    assert len({nic.mac for nic in (first, second, third)}) == 3
    assert [machine.name for machine in lab.machines] == ["toy_driver", "toy_driver2"]
    assert all(nic.carrier for nic in (first, second, third))


def test_an_address_a_mac_and_a_name_of_one_s_own(lab: Lab) -> None:
    nic = toy(lab, mac="02:12:34:56:78:9a", address="192.0.2.1/30", name="mine")
    assert (nic.mac, nic.address, nic.peer, nic.machine.name) == ("02:12:34:56:78:9a", "192.0.2.1", "192.0.2.2", "mine")


def test_an_unknown_option_is_named(lab: Lab) -> None:
    with pytest.raises(TypeError, match=r"no option procesors; did you mean processors\?$"):
        toy(lab, procesors=2)
    with pytest.raises(TypeError, match=r"no option nothing_like_it; there are: .*, filters, .*, work_items"):
        toy(lab, nothing_like_it=2)


def test_what_drivers_say_is_there_and_can_be_waited_for(lab: Lab) -> None:
    nic = toy(lab, name="talker")
    nic.control(100, 41)
    record = lab.log.wait_for("work 41")
    assert (record.driver, record.context, record.machine) == ("toy_driver", "passive worker 0", "talker")
    assert "work 41" in lab.log
    assert "work 41" in lab.log.texts("toy_driver")
    with pytest.raises(AssertionError, match=r"'work 42' did not come within 0.01 s; said was:(?s:.*)work 41"):
        lab.log.wait_for("work 42", timeout=0.01)


def test_counters_can_be_waited_for(lab: Lab) -> None:
    nic = toy(lab)
    nic.control(100)
    nic.machine.wait(lambda found: found.counters["work_items_taken"] == 1)
    assert nic.machine.counter("work_items_queued") == 1
    with pytest.raises(AssertionError, match="a second item did not come to be"):
        nic.machine.wait(lambda found: found.counters["work_items_taken"] == 2, "a second item", timeout=0.01)


def test_the_link_goes_down_and_nothing_can_be_sent(lab: Lab) -> None:
    nic = toy(lab)
    nic.link(False)
    nic.wait_carrier(False)
    with pytest.raises(AssertionError, match="the link is down"):
        nic.send(FRAME)
    nic.link(True)
    nic.wait_carrier(True)
    nic.send([FRAME, FRAME])


def test_no_frame_is_said_so(lab: Lab) -> None:
    from emulator.testing import NothingReceived

    nic = toy(lab)
    nic.expect_silence(0.0)
    assert nic.srp1(FRAME, timeout=0.01) is None
    with pytest.raises(NothingReceived, match=r"within 0.01 s; its hardware has received 0 frames and sent 0, "):
        nic.receive(timeout=0.01)


def test_a_control_operation_that_fails_fails_the_test(lab: Lab) -> None:
    from emulator.testing.machine import ControlFailed

    nic = toy(lab)
    assert nic.control(400, 7) == 400
    nic.remove()
    lab.log.wait_for("was taken away")
    with pytest.raises(ControlFailed, match=r"start of adapter0 failed with .*ADAPTER_REMOVED: adapter0 is removed"):
        nic.start()
    with pytest.raises(ConfigurationError, match="there is no command fly"):
        nic.perform("fly")


@pytest.mark.tap
def test_a_tap_lies_in_a_namespace_of_the_laboratory(lab: Lab) -> None:
    from vnic.wires.network import interfaces

    nic = toy(lab, wire="tap")
    assert nic.interface == "ndis0"
    assert "ndis0" not in interfaces()
    assert nic.carrier
    nic.send(FRAME)
    nic.machine.end()
    assert lab.links.wait_for("ndis0", carrier=None) is None


def test_packets_and_bytes_are_frames() -> None:
    scapy = pytest.importorskip("scapy.layers.l2")
    packet = scapy.Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01", type=0x88B5) / bytes(46)
    assert packets.frames_of(packet) == [FRAME]
    assert packets.frames_of(FRAME) == [FRAME]
    assert packets.frames_of([packet, bytearray(FRAME)]) == [FRAME, FRAME]
    assert packets.packet_of(FRAME).dst == "02:00:00:00:00:01"
    with pytest.raises(ValueError, match="13 bytes has no Ethernet header"):
        packets.frames_of(bytes(13))


def test_without_scapy_a_frame_stays_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scapy.layers.inet", None)
    assert packets.packet_of(FRAME) == FRAME


def test_fixtures_can_be_built_upon_it(outcome: Callable[..., tuple[Any, str]]) -> None:
    counts, text = outcome(
        """
        import pytest

        @pytest.fixture
        def nic(lab):
            made = toy(lab)
            yield made
            assert made.control(400, 3) == 400  # it still runs
            print("after the test")

        def test_it(nic, lab):
            assert nic.machine.running
        """,
        "-rP",
    )
    assert counts == {"passed": 1}, text
    assert "after the test" in text


def test_whoever_does_not_ask_for_it_pays_nothing() -> None:
    script = """
        import sys, time, pytest
        before = set(sys.modules)
        start = time.process_time()
        import emulator.testing.plugin
        print(round((time.process_time() - start) * 1000, 1), *sorted(set(sys.modules) - before))
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr
    milliseconds, *modules = run.stdout.split()
    assert modules == ["emulator", "emulator.testing", "emulator.testing.plugin"]
    assert float(milliseconds) < 20


def test_several_at_once_do_not_see_each_other(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under pytest-xdist, in processes of their own."""
    pytest.importorskip("xdist")
    from tests.testing.toys import user_test

    monkeypatch.setenv("PYTEST_PLUGINS", "emulator.testing.plugin")
    monkeypatch.setenv("PYTHONPATH", ":".join(path for path in sys.path if path))
    functions = "\n\n".join(
        f"def test_{n}(lab):\n    nic = toy(lab)\n    nic.control(100, {n})\n    lab.log.wait_for('work {n}')"
        for n in range(6)
    )
    pytester.makepyfile(user_test(functions))
    result = pytester.runpytest_subprocess("-n", "2", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=6)


def test_sample_drivers_have_short_names(lab: Lab) -> None:
    nic = lab.start("netvmini", protocol="hello")
    frame = bytes.fromhex(nic.mac.replace(":", "")) + FRAME[6:]
    nic.send(frame)
    assert bytes(nic.receive()) == frame[6:12] + frame[:6] + frame[12:]
