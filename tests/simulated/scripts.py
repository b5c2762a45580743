"""Scripts that run on both platforms: they know the console's names for a machine, and nothing of what is behind.

Law: a script yields where the machine is to come to rest before it goes on; whoever runs it sees to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.rules.control import ControlOperation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NETVMINI, HELLO, RESPONDER = "sample_drivers.netvmini", "sample_drivers.hello", "sample_drivers.responder"
STATION = bytes.fromhex("024e44010001")
OUTSIDE = bytes.fromhex("020000000002")
TYPE = b"\x88\xb5"
FEW_BUFFERS = {"NIC_RECEIVE_BUFFERS": 32, "NIC_FEW_BUFFERS": 8, "HELLO_ANSWERS": 32}
"""Constants of ``netvmini`` for machines that are made by the hundred."""


def frame(number: int, length: int = 60) -> bytes:
    """A frame for the machine's first adapter that no other one looks like."""
    return (STATION + OUTSIDE + TYPE + number.to_bytes(4, "big")).ljust(length, bytes((number & 0xFF,)))


def answer_to(sent: bytes) -> bytes:
    """What ``hello`` sends back: the same frame with its addresses swapped."""
    return sent[6:12] + sent[:6] + sent[12:]


def run(script: Callable[..., Iterator[None]], machine: Any) -> None:
    """Run a script on a simulated machine."""
    for _ in script(machine):
        machine.run_until_idle()
    machine.run_until_idle()


def run_for_a_moment(machine: Any) -> None:
    """Let a simulated machine run for some time, about as long as a frame takes, by its seed."""
    machine.run_for(100 * machine.choose(60))


def echo(machine: Any, count: int = 3) -> Iterator[None]:
    """Frames one by one, each answered before the next is sent."""
    machine.wait_running()
    assert machine.statuses == [0]
    cable = machine.cables[0]
    assert cable.wait_carrier(True, 5.0)
    for number in range(count):
        yield
        sent = frame(number, 60 + number * 100)
        assert cable.send(sent)
        assert cable.receive(5.0) == answer_to(sent)


def echo_burst(machine: Any, count: int = 12) -> Iterator[None]:
    """Frames at once; every one is answered, in whichever order."""
    machine.wait_running()
    cable = machine.cables[0]
    assert cable.wait_carrier(True, 5.0)
    yield
    sent = [frame(number) for number in range(count)]
    for one in sent:
        assert cable.send(one)
    answers = [cable.receive(5.0) for _ in sent]
    assert sorted(map(bytes, filter(None, answers))) == sorted(map(answer_to, sent))


def pause_and_restart(machine: Any) -> Iterator[None]:
    """An adapter is paused and restarted between two frames."""
    yield from echo(machine, 1)
    yield
    assert machine.control(ControlOperation.PAUSE, 0) == 0
    yield
    assert machine.control(ControlOperation.RESTART, 0) == 0
    yield
    sent = frame(7)
    assert machine.cables[0].send(sent)
    assert machine.cables[0].receive(5.0) == answer_to(sent)


def stop_adapter(machine: Any) -> Iterator[None]:
    """A frame, then the adapter is stopped."""
    yield from echo(machine, 1)
    yield
    assert machine.control(ControlOperation.STOP_ADAPTER, 0) == 0


SCRIPTS = [echo, pause_and_restart, stop_adapter]
