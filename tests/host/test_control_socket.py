"""The socket for commands: its place, its rights, what a killed run has left, and clients that misbehave."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING, Any

import pytest

from emulator.host import control_socket
from emulator.host.commands import adapter_number
from emulator.host.control_socket import ControlServer, Order, listen
from emulator.host.listening import Listening
from emulator.host.messages import AskStatus, Control, ControlDone, MachineStatus
from emulator.rules.control import ControlOperation
from emulator.rules.errors import ConfigurationError, HostError
from emulator.sync.descriptors import Channel
from tests.patience import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Machine:
    """A machine's proxy, as far as a server looks at it: it answers when it is told to."""

    number = 1
    over = False
    adapter_names = ("red", "green")

    def __init__(self) -> None:
        self.asked: list[tuple[Any, Callable[[Any], None]]] = []

    def ask(self, question: Callable[[int], Any], answered: Callable[[Any], None]) -> None:
        asked = question(len(self.asked))
        if isinstance(asked, AskStatus):
            answered(MachineStatus(1, asked.request, "m", "running", [], []))
        else:
            self.asked.append((asked, answered))

    def may_be_virtual(self, adapter: str) -> bool:
        return adapter == "red.10"

    def number_of(self, adapter: str) -> int:
        return 2 if adapter == "red.10" else adapter_number(self.adapter_names, adapter)

    def described_end(self) -> str:
        return "it has ended"


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "ndisemu"


@pytest.fixture
def served() -> Iterator[tuple[ControlServer, Machine]]:
    machine = Machine()
    listening = listen("m")
    server = ControlServer(machine, listening)  # type: ignore[arg-type]
    yield server, machine
    server.close()
    assert not listening.path.exists()


def client(server: ControlServer) -> Channel[Any]:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.connect(str(control_socket.directory() / f"{server.name}.ctl"))
    sock.settimeout(10)
    return Channel(sock, control_socket.Done | control_socket.Refused)


def order(name: str = "pause", adapter: str = "green", timeout: float = 10.0) -> Order:
    return Order(name, adapter, 0, b"", timeout)


def asked_for(server: ControlServer, machine: Machine) -> bool:
    def served() -> bool:
        server.serve()
        return bool(machine.asked)

    return eventually(served)


def test_it_is_this_user_s_alone_and_goes_with_the_run(runtime: Path) -> None:
    listening = listen("my machine/1")
    assert listening.path == runtime / "my_machine_1.ctl"
    assert stat.S_IMODE(os.stat(listening.path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(runtime).st_mode) == 0o700
    assert control_socket.machines() == {"my_machine_1": listening.path}
    listening.close()
    listening.close()
    assert list(runtime.iterdir()) == []


def test_two_runs_of_one_name_have_two_sockets() -> None:
    first, second = listen("m"), listen("m")
    assert (first.name, second.name) == ("m", "m-2")
    assert control_socket.devices_of(first.path) != control_socket.devices_of(second.path)
    with pytest.raises(ConfigurationError, match="which machine"):
        control_socket.find("")
    assert control_socket.find("m-2") == second.path
    first.close()
    assert control_socket.find("") == second.path
    second.close()
    with pytest.raises(ConfigurationError, match="start one with ndisemu run"):
        control_socket.find("")


def test_what_a_killed_run_has_left_is_taken_over(runtime: Path) -> None:
    runtime.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
        dead.bind(str(runtime / "m.ctl"))
    assert control_socket.machines() == {}
    with pytest.raises(ConfigurationError, match="no machine m runs"):
        control_socket.find("m")
    listening = listen("m")
    assert listening.name == "m"
    listening.close()


def test_what_killed_runs_have_left_goes_with_the_next_and_what_lives_stays(runtime: Path) -> None:
    living = listen("living")
    devices = [control_socket.devices_of(runtime / f"{name}.ctl") for name in ("living", "dead")]
    for folder in devices:
        folder.mkdir()
    talks = Listening(devices[0] / "Talks", "Talks", 1)
    for left in (devices[1] / "Talks", runtime / "dead.ctl"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
            dead.bind(str(left))
    listen("other").close()
    assert sorted(path.name for path in runtime.iterdir()) == ["living.ctl", "living.devices"]
    assert os.listdir(devices[0]) == ["Talks"]
    talks.close()
    living.close()


def test_a_place_of_one_s_own(tmp_path: Path) -> None:
    path = str(tmp_path / "here")
    listening = listen("m", path)
    assert listening.name == path
    assert str(control_socket.find(path)) == path
    with pytest.raises(HostError, match="somebody listens there already"):
        listen("m", path)
    listening.close()
    with pytest.raises(ConfigurationError, match=f"--control {path}"):
        control_socket.find(path)
    with pytest.raises(HostError, match="--control PATH"):
        listen("m", str(tmp_path / ("long" * 40)))
    with pytest.raises(HostError, match="No such file"):
        listen("m", str(tmp_path / "nowhere" / "here"))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(HostError):
        listen("m", str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


def test_a_directory_of_somebody_else_is_refused(runtime: Path) -> None:
    runtime.mkdir(mode=0o755)
    runtime.chmod(0o755)
    with pytest.raises(HostError, match="it is not a directory of this user alone"):
        listen("m")


def test_a_command_is_handed_over_and_answered(served: tuple[ControlServer, Machine]) -> None:
    server, machine = served
    channel = client(server)
    channel.send(order())
    assert asked_for(server, machine)
    asked, answered = machine.asked[0]
    assert isinstance(asked, Control)
    assert (asked.operation, asked.target) == (ControlOperation.PAUSE, 1)
    channel.send(order("restart"))
    server.serve()
    refused, _ = channel.receive()
    assert refused == control_socket.Refused("one command at a time")
    answered(ControlDone(1, 0, 7, b"data"))
    done, _ = channel.receive()
    assert (done.outcome.status, done.outcome.data, done.adapter, done.outcome.done) == (7, b"data", "green", False)
    assert done.outcome.machine.name == "m"
    channel.close()


def test_a_command_for_an_adapter_of_an_intermediate_driver_asks_for_its_number_first(
    served: tuple[ControlServer, Machine],
) -> None:
    server, machine = served
    channel = client(server)
    channel.send(Order("pause", "red.10", 0, b"", 5.0))
    assert asked_for(server, machine)
    asked, answered = machine.asked[0]
    assert (asked.operation, asked.target) == (ControlOperation.PAUSE, 2)
    answered(ControlDone(1, 0, 0, b""))
    done, _ = channel.receive()
    assert done.adapter == "red.10"
    channel.close()


def test_a_command_that_takes_too_long_is_late(served: tuple[ControlServer, Machine]) -> None:
    server, machine = served
    channel = client(server)
    channel.send(order(timeout=0.0))
    assert asked_for(server, machine)
    server.serve()
    done, _ = channel.receive()
    assert done.outcome.late
    machine.asked[0][1](ControlDone(1, 0, 0))
    assert server.due() == float("inf")
    channel.close()


def test_the_end_of_a_machine_is_told(served: tuple[ControlServer, Machine]) -> None:
    server, machine = served
    channel = client(server)
    channel.send(order())
    assert asked_for(server, machine)
    machine.over = True
    machine.asked[0][1](None)
    done, _ = channel.receive()
    assert done.outcome.ended == "it has ended"
    channel.close()


@pytest.mark.parametrize(
    ("name", "adapter", "told"), [("fly", "red", "no command fly"), ("pause", "blue", "no adapter")]
)
def test_what_is_not_understood_is_refused(
    served: tuple[ControlServer, Machine], name: str, adapter: str, told: str
) -> None:
    server, _ = served
    channel = client(server)
    channel.send(order(name, adapter))
    server.serve()
    server.serve()
    refused, _ = channel.receive()
    assert told in refused.text
    channel.close()


def test_clients_that_send_nonsense_or_leave_are_dropped(served: tuple[ControlServer, Machine]) -> None:
    server, machine = served
    nonsense, gone = client(server), client(server)
    nonsense.sock.send(b"\xff" * 100)
    gone.send(order())
    gone.close()
    assert asked_for(server, machine)
    server.serve()
    assert nonsense.sock.recv(100) == b""
    machine.asked[0][1](ControlDone(1, 0, 0))
    nonsense.close()
    assert server.due() == float("inf")
