"""One emulated Windows kernel: its arena, its tables and the services that the floor above adds.

Law: two machines share nothing; there is no module-level machine, only the one of the current context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.layout.arena import FIRST_PROCESSOR_SLOT, OBJECT_TABLES, Arena, Geometry
from emulator.layout.machine import ARENA_MAGIC, ARENA_VERSION, NO_DRIVERS_LOCK, SystemLock

if TYPE_CHECKING:
    from emulator.kernel.images import Images
    from emulator.kernel.objects import ObjectTable
    from emulator.kernel.pool import Pool
    from emulator.kernel.services import Services
    from emulator.kernel.workqueue import WorkQueue
    from emulator.layout.handles import HandleKind


class Machine:
    """The machine as one process sees it.  Made once by the zygote; the contexts inherit it by fork."""

    def __init__(self, arena: Arena, images: Images, services: Services) -> None:
        from emulator.kernel.objects import ObjectTable
        from emulator.kernel.pool import Pool
        from emulator.kernel.workqueue import worker_queues

        self.arena = arena
        self.geometry: Geometry = arena.geometry
        self.images = images
        self.services = services
        self.checked = arena.geometry.checked
        self.configuration: dict[str, Any] = {}
        self.driver_objects: dict[int, Any] = {}
        self.refusals: dict[int, str] = {}
        shared: dict[str, ObjectTable] = {}
        self.objects: dict[HandleKind, ObjectTable] = {}
        for kind, (record, count) in OBJECT_TABLES.items():
            if count not in shared:
                shared[count] = ObjectTable(arena, record, count, len(shared))
            self.objects[kind] = shared[count]
        self.pool: Pool = Pool(arena)
        self.queues: list[WorkQueue] = worker_queues(self)

    def format(self, now: int) -> None:
        """Write the head of a fresh arena; called once, before any context exists."""
        head = self.arena.machine
        head.version = ARENA_VERSION
        head.checked = self.checked
        head.processors = self.geometry.processors
        head.passive_workers = self.geometry.passive_workers
        head.started = now
        self.pool.format()
        for table in set(self.objects.values()):
            table.format()
        for processor in range(self.geometry.processors):
            self.arena.earliest[processor] = 0
        # Whoever looks for the holder of a driver's lock finds that these are none.
        for lock in range(SystemLock.FIRST_DRIVER):
            self.arena.lock_holders[lock] = NO_DRIVERS_LOCK
        head.magic = ARENA_MAGIC

    def new_epoch(self) -> int:
        """Begin an epoch, which each processor meets in its next round; the caller holds STACKS."""
        head, summoned, processors = self.arena.machine, self.arena.summoned, self.geometry.processors
        head.epoch += 1
        summoned[FIRST_PROCESSOR_SLOT : FIRST_PROCESSOR_SLOT + processors] = b"\x01" * processors
        epoch: int = head.epoch
        return epoch

    @staticmethod
    def processor_lock(processor: int) -> int:
        """Lock index of a processor: whoever is at DISPATCH_LEVEL or above on it holds this."""
        return SystemLock.PROCESSOR + processor

    @property
    def stopped(self) -> bool:
        """A stop has been claimed: every context leaves at its next DDI call, lock or wait."""
        return self.arena.machine.stop_word != 0

    def describe_slot(self, slot: int) -> str:
        """A slot in words."""
        from emulator.kernel.context import context_name

        record = self.arena.slots[slot]
        return context_name(record.kind, record.index)
