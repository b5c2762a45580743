"""`ndisemu run` as a program: what it prints, how it ends, and that nothing of it is left."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
from random import Random
from typing import TYPE_CHECKING

import pytest

from emulator.rules.errors import EXIT_EMULATOR, EXIT_HOST, EXIT_INTERRUPTED, EXIT_STOP, EXIT_USAGE
from tests.cli.command import (
    ROOT,
    TOY,
    TOY_DRIVER,
    UNPRIVILEGED,
    complaint,
    in_namespace,
    ndisemu,
    ordinary,
    running,
)
from tests.patience import DEADLINE, eventually
from tests.vnic.test_wires_captures import pcap
from vnic.wires.captures import check_capture
from vnic.wires.network import Namespace, interfaces
from vnic.wires.tap import Tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOY_RUN = ("run", "--miniport", TOY_DRIVER)
DRIVERS = ("--miniport", "netvmini", "--protocol", "hello")
DIES = """
from tests.host import toy
def DriverEntry(driver_object, registry_path):
    return 0
@toy.role
def Work(value):
    toy.log("last words")
    return 1 / 0
@toy.role
def Control(operation, target, argument):
    if operation == 1:
        toy.queue_work(Work, 1)
    return 0
"""
REFUSES = """
from tests.host import toy
def DriverEntry(driver_object, registry_path):
    return 0
@toy.role
def Control(operation, target, argument):
    return 0xC0000001 if operation == 1 else 0
"""
STAYS = """
from tests.host import toy
def DriverEntry(driver_object, registry_path):
    return 0
@toy.role
def Control(operation, target, argument):
    if operation == 2:
        toy.log("asked to stop")
        toy.wait_for_ever()
    return 0
"""
BREAKS = """
from emulator.ndis import *
def DriverEntry(DriverObject, RegistryPath):
    breakpoint()
    return NDIS_STATUS_FAILURE
"""


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    with Namespace.create() as made:
        yield made


def driver(folder: Path, source: str) -> str:
    path = folder / "plugin.py"
    path.write_text(source, encoding="utf-8")
    return str(path)


# -- how it goes -----------------------------------------------------------------------------------------------------


def test_real_drivers_run_and_end_when_their_time_is_up() -> None:
    ended = ndisemu("run", *DRIVERS, "--duration", "0.5", "--interval", "0.1")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert "ndis: netvmini loaded from sample_drivers/netvmini.py" in lines
    assert "adapter 0 on cable: started" in lines
    counters = [line for line in lines if " s  cable up in 0 (0/s) out 0 (0/s)  lost 0  work items 0 queued" in line]
    assert len(counters) >= 2
    assert lines[-1].startswith("ended after 0.")
    assert ": 0 frames in, 0 out, none lost, " in lines[-1]
    assert lines[-1].endswith("(its time was up)")


def test_a_machine_without_a_miniport_says_that_nothing_will_bind() -> None:
    ended = ndisemu("run", "--protocol", "hello", "--duration", "0.1")
    assert ended.code == 0
    assert "no adapter, since no --miniport was named: nothing will bind" in ended.out


def test_programs_read_one_object_a_line() -> None:
    ended = ndisemu("run", *DRIVERS, "--duration", "0.5", "--interval", "0.2", "--json", "--processors", "2")
    assert (ended.code, ended.err) == (0, "")
    started = ended.event("started")
    assert [adapter["status_name"] for adapter in started["adapters"]] == ["NDIS_STATUS_SUCCESS"]
    assert len(started["contexts"]) == 1 + 2 + 2 + 2
    counters = [event for event in ended.events if event["event"] == "counters"]
    assert counters[-1]["counters"]["contexts"] == 6
    assert [event["seconds"] for event in counters] == sorted(event["seconds"] for event in counters)
    assert ended.events[-1]["event"] == "ended"
    assert any(event["event"] == "log" and event["driver"] == "ndis" for event in ended.events)


def test_a_file_is_run(tmp_path: Path) -> None:
    (tmp_path / "drivers").mkdir()
    path = tmp_path / "lab.toml"
    path.write_text(
        f'[machine]\nname = "lab"\nduration = 0.1\n[[driver]]\nkind = "miniport"\npath = "{TOY_DRIVER}"\n[[adapter]]\n',
        encoding="utf-8",
    )
    ended = ndisemu("run", str(path), program=TOY)
    assert (ended.code, ended.err) == (0, "")
    assert "lab runs: 1 processor, 2 passive workers, checked build" in ended.out


def test_a_capture_file_is_replayed_and_the_run_ends_with_it(tmp_path: Path) -> None:
    source, out, kept = (tmp_path / name for name in ("in.pcap", "out.pcapng", "all.pcapng"))
    frames = [bytes.fromhex("024e4401000102000000000288b5") + bytes([n] * 46) for n in range(100)]
    source.write_bytes(pcap("<", False, frames=frames))
    wire = f"pcap:{source},out={out},speed=asap,end=exit"
    arguments = ("run", *DRIVERS, "--wire", wire, "--capture", str(kept), "--faults", "in.loss=0.1,seed=7")
    ended = ndisemu(*arguments)
    assert (ended.code, ended.err) == (0, "")
    chance = Random("7/in/loss").random
    heard = sum(chance() >= 0.1 for _ in frames[:59])
    assert (
        f"adapter 0 on pcap:in.pcap: 59 frames replayed; in {59 - heard} lost; "
        f"{2 * heard} frames captured in {kept}; {heard} frames written in {out}\n" in ended.out
    )
    assert re.search(r", \d+ frames cut into several MDLs \(replayed\)\n$", ended.out)
    assert check_capture(str(out)) == heard
    ended = ndisemu(*arguments, "--json")
    assert ended.event("ended")["last"]["counters"]["frames_cut"] > 0
    last = ended.event("ended")["last"]["adapters"][0]
    assert (last["replayed"], last["in_lost"], last["captured"], last["written"]) == (59, 59 - heard, 2 * heard, heard)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--wire", "pcap:/dev/null"), EXIT_USAGE, "/dev/null: is no file, so it cannot be replayed"),
        (("--capture", "/dev/full"), EXIT_HOST, "wire cable to /dev/full failed (No space left on device)"),
        (("--capture", "/nowhere/a.pcapng"), EXIT_HOST, "to /nowhere/a.pcapng failed (No such file or directory)"),
        (("--faults", "loss=2"), EXIT_USAGE, "loss=2: expected a part of all frames"),
    ],
)
def test_files_and_faults_that_cannot_be_are_one_line(arguments: tuple[str, ...], code: int, told: str) -> None:
    ended = ndisemu("run", *DRIVERS, *arguments)
    assert told in complaint(ended, code)


@pytest.mark.parametrize(("option", "shown"), [("-v", True), ("-q", False)])
def test_more_and_fewer_words(option: str, shown: bool) -> None:
    ended = ndisemu(*TOY_RUN, "--duration", "0.1", option, program=TOY)
    assert (ended.code, ended.err) == (0, "")
    assert ("toy_driver (zygote) info: entry 1" in ended.out) is shown
    assert shown or ended.out == ""


def test_a_log_file_has_every_record(tmp_path: Path) -> None:
    path = tmp_path / "drivers.log"
    for _ in range(2):
        assert ndisemu(*TOY_RUN, "--duration", "0", "-q", "--log-file", str(path), program=TOY).code == 0
    assert path.read_text(encoding="utf-8").count(" INFO driver.toy_driver (zygote): entry 1\n") == 2


def test_a_terminal_has_one_line_of_counters_and_gets_its_cursor_back() -> None:
    ours, theirs = pty.openpty()
    with running(*TOY_RUN, "--duration", "0.6", program=TOY, stdout=theirs) as run:
        os.close(theirs)
        seen = b""
        while True:
            try:
                seen += os.read(ours, 4096)
            except OSError:  # nobody writes any more
                break
        assert run.end().code == 0
    os.close(ours)
    text = seen.decode()
    assert text.count("\n") < 10
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert "cable in 0 0/s out 0 0/s  items 0/0" in text
    assert "ended after 0." in text.splitlines()[-1]


@pytest.mark.tap
def test_a_tap_is_made_addressed_and_taken_away(namespace: Namespace) -> None:
    arguments = ("run", *DRIVERS, "--wire", "tap:ndis0", "--address", "10.77.0.1/24")
    with running(*arguments, **in_namespace(namespace)) as run:
        run.wait_for("adapter 0 on tap:ndis0 at 10.77.0.1/24: started")
        with namespace.entered():
            assert sorted(interfaces()) == ["lo", "ndis0"]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
                made.bind(("10.77.0.1", 0))
        run.process.send_signal(signal.SIGINT)
        ended = run.end()
    assert (ended.code, ended.err) == (EXIT_INTERRUPTED, "")
    with namespace.entered():
        assert interfaces() == ["lo"]


@pytest.mark.tap
def test_a_wire_that_is_taken_away_is_told_and_the_machine_goes_on(namespace: Namespace) -> None:
    from vnic.wires.network import delete_link

    arguments = ("run", *DRIVERS, "--wire", "tap:ndis0", "--address", "10.77.0.1/24")
    with running(*arguments, **in_namespace(namespace)) as run:
        run.wait_for("started")
        with namespace.entered():
            delete_link("ndis0")
        run.wait_for("the wire tap:ndis0 was taken away")
        run.wait_for("tap:ndis0 down")
        run.process.send_signal(signal.SIGINT)
        assert run.end().code == EXIT_INTERRUPTED


# -- how it is interrupted --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(number: signal.Signals) -> None:
    with running("run", *DRIVERS) as run:
        run.wait_for("adapter 0 on cable: started")
        run.process.send_signal(number)
        ended = run.end()
    assert (ended.code, ended.err) == (EXIT_INTERRUPTED, "")
    assert ended.out.splitlines()[-1].endswith("(interrupted)")


def test_a_second_interrupt_ends_what_does_not_end_in_order(tmp_path: Path) -> None:
    with running("run", "--miniport", driver(tmp_path, STAYS), program=TOY) as run:
        run.wait_for("adapter 0 on cable: started")
        run.process.send_signal(signal.SIGINT)
        run.wait_for("asked to stop")
        run.process.send_signal(signal.SIGINT)
        ended = run.end()
    assert (ended.code, ended.err) == (EXIT_INTERRUPTED, "")


def test_the_program_killed_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = tmp_path / "ndisemu"
    names = ["machine.ctl", "machine.devices", "machine.devices/Ndisprot"]
    with running("run", *DRIVERS, "--protocol", "ndisprot") as run:
        run.wait_for("adapter 0 on cable: started")
        assert eventually(lambda: sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) == names)
        assert len(run.left()) == 1 + 2 + 6
        run.process.kill()
    assert list(folder.iterdir()) == []


def test_a_host_that_dies_is_told(tmp_path: Path) -> None:
    import json

    with running("run", *DRIVERS, "--json") as run:
        started = json.loads(run.wait_for('"started"'))
        os.kill(started["pids"]["host"], signal.SIGKILL)
        ended = run.end()
    assert "the emulator is broken: the host process ended: " in complaint(ended, EXIT_EMULATOR)
    assert "SIGKILL" in ended.err


# -- how it fails ----------------------------------------------------------------------------------------------------


def test_a_stop_is_shown_on_standard_error_as_it_is_rendered(tmp_path: Path) -> None:
    ended = ndisemu("run", "--miniport", driver(tmp_path, DIES), program=TOY)
    assert ended.code == EXIT_STOP
    assert ended.err.startswith("*** STOP: 0x0000007E (")
    assert "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED" in ended.err
    assert "What the others were doing:" in ended.err
    assert "plugin: last words" in ended.out


def test_a_stop_for_programs_is_its_report(tmp_path: Path) -> None:
    ended = ndisemu("run", "--json", "--miniport", driver(tmp_path, DIES), program=TOY)
    assert (ended.code, ended.err) == (EXIT_STOP, "")
    stop = ended.event("stop")
    assert stop["stop"]["name"] == "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED"
    assert stop["contexts"]


def test_a_driver_that_refuses_its_adapter(tmp_path: Path) -> None:
    ended = ndisemu("run", "--miniport", driver(tmp_path, REFUSES), program=TOY)
    assert complaint(ended, EXIT_STOP).startswith("no adapter could be started")
    assert "adapter 0 on cable: NDIS_STATUS_FAILURE" in ended.out


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import nowhere\n", "plugin.py does not import: "),
        ("def DriverEntry(:\n", "SyntaxError"),
        (
            "from emulator.ndis import *\nclass A(NONPAGED):\n    x: int\n",
            "plugin.py:2: LayoutError: A.x: int is pageable",
        ),
        ("x = 1\n", "it has no DriverEntry(DriverObject, RegistryPath)"),
        ("def DriverEntry(a, b):\n    return 0xC0000001\n", "DriverEntry of plugin returned NDIS_STATUS_FAILURE"),
        ("def DriverEntry(a, b):\n    pass\n", "DriverEntry of plugin returned None, which is no NDIS_STATUS"),
    ],
)
def test_a_driver_that_does_not_load_is_one_line(tmp_path: Path, source: str, told: str) -> None:
    ended = ndisemu("run", "--miniport", driver(tmp_path, source))
    assert told in complaint(ended, EXIT_USAGE)


def test_a_module_that_does_not_exist_is_one_line() -> None:
    told = complaint(ndisemu("run", "--miniport", "no_such_driver"), EXIT_USAGE)
    assert "driver no_such_driver: there is no such module" in told


def test_no_permission_is_one_line_with_what_mends_it() -> None:
    arguments = ("run", *DRIVERS, "--wire", "tap:ndis0", "--address", "10.77.0.1/24")
    told = complaint(ndisemu(*arguments, program=(*UNPRIVILEGED, "-m", "emulator.cli")), EXIT_HOST)
    assert "; to mend it: " in told


_PING_INSIDE = """
import sys
from vnic.wires import linux
from vnic.wires.ping import ping
for kind, name in ((linux.CLONE_NEWUSER, "user"), (linux.CLONE_NEWNET, "net")):
    with open(f"/proc/{sys.argv[1]}/ns/{name}") as place:
        linux.set_namespace(place.fileno(), kind)
print([ping(address, count=20).clean for address in ("10.77.0.2", "fd00:77::2")])
"""


def test_an_ordinary_user_s_tap_is_in_a_namespace_of_its_own_where_he_can_go() -> None:
    before = interfaces()
    arguments = ("run", "--miniport", "netvmini", "--protocol", "responder", "--wire", "tap:ndis0")
    addresses = ("--address", "10.77.0.1/24,fd00:77::1/64")
    with running(*arguments, *addresses, program=(*ordinary(), "-m", "emulator.cli")) as run:
        way_in = run.wait_for("no TAP may be made here, so in a network namespace of its own; to run a program there: ")
        assert way_in.endswith(f": nsenter --user --net --preserve-credentials --target {run.process.pid} PROGRAM\n")
        run.wait_for("adapter 0 on tap:ndis0 at 10.77.0.1/24,fd00:77::1/64: started")
        assert interfaces() == before
        pinged = ndisemu("-c", _PING_INSIDE, str(run.process.pid), program=ordinary())
        assert (pinged.code, pinged.out, pinged.err) == (0, "[True, True]\n", "")
        run.process.send_signal(signal.SIGINT)
        ended = run.end()
    assert (ended.code, ended.err) == (EXIT_INTERRUPTED, "")


def test_the_way_into_an_ordinary_user_s_namespace_for_programs() -> None:
    arguments = ("run", *DRIVERS, "--wire", "tap:ndis0", "--duration", "0.1", "--json")
    ended = ndisemu(*arguments, program=(*ordinary(), "-m", "emulator.cli"))
    assert ended.event("namespace")["enter"].startswith("nsenter --user --net --preserve-credentials --target ")


@pytest.mark.tap
def test_a_name_that_is_taken_is_one_line(namespace: Namespace) -> None:
    with namespace.entered():
        taken = Tap.open("ndis0")
    arguments = ("run", *DRIVERS, "--wire", "tap:ndis0", "--address", "10.77.0.1/24")
    told = complaint(ndisemu(*arguments, **in_namespace(namespace)), EXIT_HOST)
    taken.close()
    assert "another program uses the TAP ndis0" in told
    assert "--wire tap:ndis1" in told


@pytest.mark.tap
def test_an_address_that_is_taken_is_one_line(namespace: Namespace) -> None:
    with namespace.entered():
        taken = Tap.open("other0", "10.77.0.1/24")
    arguments = ("run", *DRIVERS, "--wire", "tap:ndis0", "--address", "10.77.0.1/24")
    told = complaint(ndisemu(*arguments, **in_namespace(namespace)), EXIT_HOST)
    taken.close()
    assert "other0 has it already" in told
    with namespace.entered():
        assert interfaces() == ["lo"]


def test_a_full_disk_under_standard_output_is_one_line() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        told = complaint(ndisemu(*TOY_RUN, program=TOY, stdout=full), EXIT_HOST)
    assert told.startswith("writing to standard output failed (No space left on device)")


def test_a_full_disk_under_the_log_file_is_one_line() -> None:
    ended = ndisemu(*TOY_RUN, "--log-file", "/dev/full", program=TOY)
    assert complaint(ended, EXIT_HOST).startswith("writing to /dev/full failed (No space left on device)")


def test_a_log_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    ended = ndisemu(*TOY_RUN, "--log-file", str(tmp_path / "nowhere/x.log"), program=TOY)
    assert complaint(ended, EXIT_HOST).startswith("opening the log file ")


def test_a_reader_that_goes_away_is_one_line() -> None:
    reader, writer = os.pipe()
    with running(*TOY_RUN, "--interval", "0.1", program=TOY, stdout=writer) as run:
        os.close(writer)
        assert os.read(reader, 1)
        os.close(reader)
        ended = run.end()
    assert complaint(ended, EXIT_HOST).startswith("writing to standard output failed (Broken pipe)")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_descriptors_harm_nobody(closed: str) -> None:
    import subprocess
    import sys

    words = " ".join([sys.executable, *TOY, *TOY_RUN, "--duration", "0.1"])
    ended = subprocess.run(
        ["/bin/sh", "-c", f"exec {words} {closed}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert ended.returncode == (EXIT_HOST if " >&-" in f" {closed}" else 0)
    assert ended.stderr.count("\n") == (1 if closed == ">&-" else 0)


def test_a_breakpoint_in_a_driver_reads_the_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with running("run", "--debug", "--miniport", driver(tmp_path, BREAKS), stdin=theirs, stdout=theirs) as run:
        os.close(theirs)
        seen = b""
        while b"(Pdb)" not in seen:
            seen += os.read(ours, 4096)
        os.write(ours, b"continue\n")
        ended = run.end()
    os.close(ours)
    assert "plugin.py(5)DriverEntry()" in seen.decode() or "plugin.py(4)DriverEntry()" in seen.decode()
    assert "NDIS_STATUS_FAILURE" in complaint(ended, EXIT_USAGE)


@pytest.mark.tap
def test_two_adapters_of_a_file_answer_each_on_its_own_wire(tmp_path: Path, namespace: Namespace) -> None:
    from vnic.wires.ping import Pinger

    path = tmp_path / "two.toml"
    path.write_text(
        '[[driver]]\nkind = "miniport"\nmodule = "netvmini"\n[[driver]]\nkind = "protocol"\nmodule = "responder"\n'
        '[[adapter]]\nwire = "tap:left0"\naddress = "10.78.0.1/24"\n'
        '[[adapter]]\nwire = "tap:right0"\naddress = "10.79.0.1/24"\n',
        encoding="utf-8",
    )
    with running("run", str(path), "--json", **in_namespace(namespace)) as run:
        run.wait_for('"started"')
        with namespace.entered():
            pingers = [Pinger(f"10.{net}.0.2", count=5, timeout=DEADLINE) for net in (78, 79)]
        for pinger in pingers:
            with pinger:
                assert pinger.run().clean
        run.process.send_signal(signal.SIGINT)
        ended = run.end()
    assert (ended.code, ended.err) == (EXIT_INTERRUPTED, "")
    sent = [adapter["sent"] for adapter in ended.event("ended")["last"]["adapters"]]
    assert all(count >= 6 for count in sent)  # an ARP reply and five echo replies


@pytest.mark.parametrize("most", [24, 40, 60])
def test_too_few_descriptors_are_one_line(most: int) -> None:
    words = f"ulimit -n {most}; exec {sys.executable} -m emulator.cli run -q --miniport netvmini --duration 0"
    ended = subprocess.run(["/bin/sh", "-c", words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (EXIT_HOST, "")
    assert re.fullmatch(r"ndisemu: .* failed \(Too many open files\); to mend it: ulimit -n 4096\n", ended.stderr)
