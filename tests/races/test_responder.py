"""A thousand seeds of ``responder`` run clean; the race planted in its twin is found, and found again by its seed."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, Any

import pytest

from emulator.kernel.pointers import decode
from emulator.rules.control import ControlOperation
from emulator.simulated import explore, replay
from emulator.simulated.machine import SimulatedMachine
from tests.simulated.scripts import FEW_BUFFERS, NETVMINI, RESPONDER, STATION

if TYPE_CHECKING:
    from collections.abc import Callable

MILLISECOND = 1_000_000
AGING_MS, AGE_MS = 20, 10
OWN = bytes((10, 77, 0, 2))
OWN6 = bytes.fromhex("fd000077000000000000000000000002")
GROUP = bytes.fromhex("ff0200000000000000000001ff000002")
BUGGY = "tests.races.buggy_responder"
HEARD = (3, 4, 5)
"""Neighbours by the last byte of their addresses."""


def hardware(number: int) -> bytes:
    return bytes((2, 0, 0, 0, 1, number))


def address(number: int) -> bytes:
    return bytes((10, 77, 0, number))


def arp_request(number: int) -> bytes:
    who = pack("!6s4s6s4s", hardware(number), address(number), bytes(6), OWN)
    return (STATION + hardware(number) + b"\x08\x06" + pack("!HHBBH", 1, 0x0800, 6, 4, 1) + who).ljust(60, b"\0")


def arp_reply(number: int) -> bytes:
    who = pack("!6s4s6s4s", STATION, OWN, hardware(number), address(number))
    return hardware(number) + STATION + b"\x08\x06" + pack("!HHBBH", 1, 0x0800, 6, 4, 2) + who


def checksum(data: bytes) -> int:
    total = sum(int.from_bytes(data[place : place + 2], "big") for place in range(0, len(data), 2))
    return 0xFFFF - (total % 0xFFFF or 0xFFFF)


def echo_request(number: int, sequence: int) -> bytes:
    message = pack("!BBHHH", 8, 0, 0, 1, sequence) + bytes(range(20))
    message = message[:2] + checksum(message).to_bytes(2, "big") + message[4:]
    head = pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(message), 7, 0, 64, 1, 0, address(number), OWN)
    head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
    return STATION + hardware(number) + b"\x08\x00" + head + message


def address6(number: int) -> bytes:
    return OWN6[:-1] + bytes((number,))


def solicitation(number: int) -> bytes:
    body = OWN6 + b"\1\1" + hardware(number)
    message = pack("!BBHI", 135, 0, 0, 0) + body
    covered = address6(number) + GROUP + pack("!II", len(message), 58) + message
    message = message[:2] + checksum(covered).to_bytes(2, "big") + message[4:]
    head = pack("!IHBB", 6 << 28, len(message), 58, 255) + address6(number) + GROUP
    return b"\x33\x33" + GROUP[-4:] + hardware(number) + b"\x86\xdd" + head + message


def bindings(machine: SimulatedMachine) -> list[Any]:
    """The driver's bindings, looked at from outside of every context."""
    kinds = machine.images.types
    return [
        decode(machine.main, pointer)
        for pointer, block in machine.machine.pool.live()
        if (kind := kinds[block.type]) is not None and kind.__name__ == "BINDING"
    ]


def answers(machine: SimulatedMachine, count: int) -> list[bytes]:
    """So many frames that the machine sends, in any order."""
    found = [machine.cables[0].receive(1.0) for _ in range(count)]
    assert None not in found, f"{found.count(None)} of {count} answers did not come"
    return sorted(frame for frame in found if frame is not None)


def heard_again_while_aged(machine: SimulatedMachine) -> None:
    """Neighbours are heard once more in the moment in which the table is aged: none of them may be forgotten."""
    machine.wait_running()
    for number in HEARD:
        assert machine.inject(arp_request(number))
    expected = sorted(arp_reply(number) for number in HEARD)
    assert [frame[:42] for frame in answers(machine, len(HEARD))] == expected
    until_aging = machine.arena.earliest[0] - machine.now
    assert 0 < until_aging < AGING_MS * MILLISECOND
    for number in HEARD:
        assert machine.inject(arp_request(number), delay=until_aging - 20_000 + 100 * machine.choose(400))
    assert [frame[:42] for frame in answers(machine, len(HEARD))] == expected
    machine.run_for(5 * MILLISECOND)
    (binding,) = bindings(machine)
    assert [binding.Neighbours[number].Used for number in HEARD] == [1] * len(HEARD), "a neighbour was forgotten"
    assert binding.Learned - binding.Aged == len(HEARD)
    assert binding.ArpAnswered == 2 * len(HEARD)
    assert machine.stop() is None


def both_versions_heard_while_aged(machine: SimulatedMachine) -> None:
    """The same neighbours are heard over both versions, some while the table is aged: none is lost, none is doubled."""
    machine.wait_running()
    until_aging = machine.arena.earliest[0] - machine.now
    for turn in (0, until_aging - 20_000):
        for number in HEARD:
            assert machine.inject(solicitation(number), delay=turn + 100 * machine.choose(400))
            assert machine.inject(arp_request(number), delay=turn + 100 * machine.choose(400))
        advertised = [frame for frame in answers(machine, 2 * len(HEARD)) if frame[12:14] == b"\x86\xdd"]
        assert [frame[:6] for frame in advertised] == [hardware(number) for number in HEARD]
        assert {frame[54] for frame in advertised} == {136}
    machine.run_for(5 * MILLISECOND)
    (binding,) = bindings(machine)
    known = [bytes(one.Address) for one in binding.Neighbours if one.Used]
    mapped = [bytes(10) + b"\xff\xff" + address(number) for number in HEARD]
    assert sorted(known) == sorted([*mapped, *map(address6, HEARD)])
    assert binding.Learned - binding.Aged == len(known)
    assert (binding.ArpAnswered, binding.SolicitationsAnswered, binding.Refused) == (6, 6, 0)
    assert machine.stop() is None


def paused_under_load(machine: SimulatedMachine) -> None:
    """Pings arrive, the table is aged and the adapter is paused, all at about the same time; then it goes on."""
    machine.wait_running()
    assert machine.inject(arp_request(3))
    answers(machine, 1)
    machine.run_for(machine.arena.earliest[0] - machine.now - 4000)
    for sequence in range(4):
        assert machine.inject(echo_request(3, sequence), delay=100 * machine.choose(64))
    machine.run_for(100 * machine.choose(40))
    assert machine.control(ControlOperation.PAUSE, 0) == 0
    machine.run_for(100 * machine.choose(40))
    assert machine.control(ControlOperation.RESTART, 0) == 0
    machine.run_for(MILLISECOND)
    while machine.cables[0].receive() is not None:
        pass
    assert machine.inject(echo_request(3, 9))
    (answer,) = answers(machine, 1)
    assert answer[34:36] == b"\0\0"
    assert answer[38:42] == pack("!HH", 1, 9)
    assert machine.stop() is None


SCRIPTS: list[Callable[[SimulatedMachine], None]] = [
    heard_again_while_aged,
    both_versions_heard_while_aged,
    paused_under_load,
]


def options(driver: str = RESPONDER) -> dict[str, Any]:
    return {
        "machine": SimulatedMachine,
        "drivers": [NETVMINI, driver],
        "registry": {"Address": "10.77.0.1/24,fd00:77::1/64", "AgingInterval": AGING_MS},
        "defines": {**FEW_BUFFERS, "AGE_MS": AGE_MS},
        "passive_workers": 2,
    }


@pytest.mark.parametrize("scheduler", ["random", "pct:20"])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_some_seeds_of_responder_are_clean(script: Callable[[SimulatedMachine], None], scheduler: str) -> None:
    explore(script, range(8), scheduler, **options()).require_none()


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_a_thousand_seeds_of_responder_are_clean(script: Callable[[SimulatedMachine], None]) -> None:
    found = explore(script, range(1000), "random", **options())
    found.require_none()
    assert found.executions == 1000


@pytest.mark.parametrize("scheduler", ["random", "pct:20"])
def test_the_race_of_the_buggy_twin_is_found_and_found_again(scheduler: str) -> None:
    found = explore(heard_again_while_aged, range(200), scheduler, **options(BUGGY))
    failure = found.failure
    assert failure is not None, f"not found in {found.executions} executions"
    assert "a neighbour was forgotten" in str(failure.error)
    again = replay(heard_again_while_aged, failure.schedule.to_text(), **options(BUGGY))
    assert again is not None
    assert again.trace_hash == failure.trace_hash
    by_seed = explore(heard_again_while_aged, [failure.seed], found.scheduler, **options(BUGGY)).failure
    assert by_seed is not None
    assert by_seed.trace_hash == failure.trace_hash
    assert "a neighbour was forgotten" in str(by_seed.error)
