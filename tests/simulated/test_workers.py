"""Work items on the simulated machine: a queue that waits for a blocked worker gets one more, as on live processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emulator.kernel.workqueue import STARVED_AFTER
from emulator.rules.errors import BugCheck
from emulator.rules.limits import VnicLimit
from emulator.simulated.machine import SimulatedMachine

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
from emulator.ndis import *

class SHARED(NONPAGED):
    Event: NDIS_EVENT
    Done: LONG

Shared = SHARED()
Device = None

@IO_WORKITEM_ROUTINE
def Waits(DeviceObject, Context):
    NdisWaitEvent(Shared.Event, 0)
    NdisInterlockedIncrement(Shared.Done)

@IO_WORKITEM_ROUTINE
def Signals(DeviceObject, Context):
    NdisSetEvent(Shared.Event)
    NdisInterlockedIncrement(Shared.Done)

@IO_WORKITEM_ROUTINE
def SignalsLater(DeviceObject, Context):
    NdisMSleep(1000)
    IoQueueWorkItem(IoAllocateWorkItem(DeviceObject), Signals, WORK_QUEUE_TYPE.DelayedWorkQueue, None)
    NdisWaitEvent(Shared.Event, 0)
    NdisInterlockedIncrement(Shared.Done)

def DriverEntry(DriverObject, RegistryPath):
    global Device
    status, Device = IoCreateDevice(DriverObject, 0, None, FILE_DEVICE_NETWORK, FILE_DEVICE_SECURE_OPEN, False)
    NdisInitializeEvent(Shared.Event)
    for routine in {routines}:
        item = IoAllocateWorkItem(Device)
        IoQueueWorkItem(item, routine, WORK_QUEUE_TYPE.DelayedWorkQueue, None)
    return status
"""


def machine_with(tmp_path: Path, routines: str, seed: int, workers: int = 1) -> SimulatedMachine:
    path = tmp_path / "waiter.py"
    path.write_text(SOURCE.replace("{routines}", routines), encoding="ascii")
    return SimulatedMachine(drivers=[str(path)], adapters=0, passive_workers=workers, seed=seed)


def test_a_blocked_worker_gets_a_colleague(tmp_path: Path) -> None:
    for seed in range(5):
        machine = machine_with(tmp_path, "(Waits, Waits, Signals)", seed)
        start = machine.now
        shared = machine.images.images[0].module.Shared
        machine.run_until(lambda shared=shared: shared.Done.value == 3)  # type: ignore[misc]
        assert "passive worker 2" in {context.name for context in machine.contexts.values()}
        assert STARVED_AFTER <= machine.now - start < 3 * STARVED_AFTER
        machine.close()


def test_an_item_wakes_the_worker_that_has_nothing_to_do(tmp_path: Path) -> None:
    for seed in range(10):
        machine = machine_with(tmp_path, "(Waits, SignalsLater)", seed, workers=3)
        start = machine.now
        shared = machine.images.images[0].module.Shared
        machine.run_until(lambda shared=shared: shared.Done.value == 3)  # type: ignore[misc]
        assert machine.now - start < STARVED_AFTER
        machine.close()


def test_workers_that_wait_for_nobody_are_a_deadlock(tmp_path: Path) -> None:
    machine = machine_with(tmp_path, "(Waits,)", 0)
    with pytest.raises(BugCheck) as stopped:
        machine.run_until(lambda: False)
    assert stopped.value.code == VnicLimit.VNIC_DEADLOCK
    assert machine.stopped is not None
    assert machine.stopped.callback == "waiter!Waits"
    assert any("waits inside waiter!Waits" in line for line in machine.stopped.holders)
    assert any("waiter.py:" in line for line in machine.stopped.traceback)
    machine.close()
