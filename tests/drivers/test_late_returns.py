"""Lists that come back from a passive worker: hello with its returns put off to a work item, over netvmini."""

from __future__ import annotations

import linecache
import types

import pytest

from emulator.ndis.plug_and_play import pnp
from tests.drivers.rig import MAC, ROOT, Rig, frame
from tests.ndis.buffers.test_split_choice import being_cut, cut_so_far

DIRECTLY = (
    "        NdisReturnNetBufferLists(Binding.Handle, first, SendCompleteFlags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL)\n"
    "    HelloDereference(Binding, copies + len(answers), answers)\n"
)
LATER = '''        HelloLater(Binding, first, len(answers))
    HelloDereference(Binding, copies, answers)


def HelloLater(Binding: BINDING, Chain: NET_BUFFER_LIST, Count: int) -> None:
    """Keep a chain, and queue the work item that returns it."""
    last = Chain
    while last.Next is not None:
        last = last.Next
    NdisAcquireSpinLock(Binding.Lock)
    last.Next = Binding.Held
    Binding.Held = Chain
    Binding.Count += Count
    idle = Binding.Queued == 0
    Binding.Queued = 1
    NdisReleaseSpinLock(Binding.Lock)
    if idle:
        IoQueueWorkItem(Binding.Item, HelloReturn, WORK_QUEUE_TYPE.DelayedWorkQueue, Binding)


@IO_WORKITEM_ROUTINE
def HelloReturn(DeviceObject: DEVICE_OBJECT, Binding: BINDING) -> None:
    """Return what was kept, at PASSIVE_LEVEL."""
    NdisAcquireSpinLock(Binding.Lock)
    chain, count = Binding.Held, Binding.Count
    Binding.Held, Binding.Count, Binding.Queued = None, 0, 0
    NdisReleaseSpinLock(Binding.Lock)
    NdisReturnNetBufferLists(Binding.Handle, chain, 0)
    HelloDereference(Binding, count, [])
'''
CHANGES = (
    (DIRECTLY, LATER),
    (
        "    Done: NDIS_EVENT\n",
        "    Done: NDIS_EVENT\n    Held: Pointer[NET_BUFFER_LIST]\n    Count: u32\n    Queued: u32\n"
        "    Item: PIO_WORKITEM\n",
    ),
    (
        "    NdisInitializeEvent(Binding.Done)\n",
        "    NdisInitializeEvent(Binding.Done)\n    Binding.Item = IoAllocateWorkItem(Device)\n",
    ),
    (
        "    NdisCloseAdapterEx(Binding.Handle)\n",
        "    NdisCloseAdapterEx(Binding.Handle)\n    IoFreeWorkItem(Binding.Item)\n",
    ),
    (
        "    global HelloDriver\n",
        "    global HelloDriver, Device\n    status, Device = IoCreateDevice(DriverObject, 0, None, 0x12, 0, False)\n",
    ),
    (
        '    """Take the registration back."""\n',
        '    """Take the registration back."""\n    IoDeleteDevice(Device)\n',
    ),
)


def late_hello() -> types.ModuleType:
    """hello, changed as above, compiled when the rig has chosen the build."""
    text = (ROOT / "sample_drivers" / "hello.py").read_text()
    for before, after in CHANGES:
        assert before in text, before
        text = text.replace(before, after, 1)
    path = "<late hello>"
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    module = types.ModuleType("late_hello")
    module.__file__ = path
    exec(compile(text, path, "exec"), vars(module))
    return module


@pytest.mark.parametrize("split", ["off", "sample"])
@pytest.mark.parametrize(("processors", "passive_workers"), [(1, 1), (1, 3), (2, 2)])
def test_buffers_come_back_from_passive_workers(processors: int, passive_workers: int, split: str) -> None:
    rig = Rig("netvmini", late_hello, processors=processors, passive_workers=passive_workers, split_frames=split)
    rig.start()
    for number in range(20):
        frames = [frame(payload=bytes((number, place))) for place in range(100)]
        assert len(rig.receive(*frames)) == 100
    assert rig.outstanding() == 0
    put, taken = rig.fake.machine.queues[1].counts
    assert put == taken > 0
    assert (cut_so_far(rig.fake) > 0) == (split == "sample")
    assert being_cut(rig.fake) == (0, 0)
    rig.stop()
    assert rig.control(lambda context, _: pnp.unload(context)) == 0


def test_a_pause_waits_for_the_passive_worker() -> None:
    rig = Rig("netvmini", late_hello)
    rig.start()
    rig.nic.waiting.extend(frame(MAC) for _ in range(50))
    for _ in range(4):
        rig.nic.pump()
        rig.fake.round()
    assert rig.outstanding() > 0
    assert rig.control(pnp.pause) == 0
    assert rig.outstanding() == 0
    assert rig.control(pnp.restart) == 0
    assert len(rig.receive(frame())) == 1
