"""A loader with a tiny floor of its own instead of NDIS: what the live platform is tried with.

Law: nothing here knows NDIS; a toy driver is a module with DriverEntry and functions that carry a role.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from emulator.kernel.calls import call
from emulator.kernel.devices import Major, finish_request
from emulator.kernel.images import Images
from emulator.kernel.machine import Machine
from emulator.kernel.platform import current
from emulator.kernel.pointers import NONPAGED
from emulator.layout.devices import DeviceRequestState
from emulator.layout.handles import HandleKind
from emulator.layout.machine import SystemLock
from emulator.rules.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.kernel.stop import Possession
    from emulator.kernel.workqueue import Taken
    from emulator.layout.arena import Arena


class ToyServices:
    """Control operations are commands to the toy driver; each runs as a callback or as a work item."""

    def attach(self, context: Context) -> None:
        pass

    def round(self, context: Context) -> None:
        pass

    def device_request(self, context: Context, index: int) -> None:
        """A read stays pending until it is cancelled; all else is done at once."""
        reads = context.machine.arena.device_request(index).major == Major.READ
        _finish(context, index, DeviceRequestState.PENDING if reads else DeviceRequestState.DONE)

    def cancel_device_request(self, context: Context, index: int) -> None:
        _finish(context, index, DeviceRequestState.DONE)

    def possessions(self, context: Context, *, everything: bool) -> list[Possession]:
        return []

    def leave(self, context: Context) -> None:
        pass

    def interrupts(self, context: Context) -> bool:
        return False

    def interrupts_pending(self, context: Context) -> bool:
        return False

    def requests(self, context: Context) -> bool:
        return False

    def requests_pending(self, context: Context) -> bool:
        return False

    def wishes(self, context: Context) -> bool:
        return False

    wishes_pending = wishes

    def retire(self, context: Context) -> None:
        pass

    def crashed(self, context: Context) -> None:
        pass

    def next_look(self, context: Context) -> int | None:
        return None

    def deferred(self, context: Context, kind: int, target: int, argument: int) -> None:
        call(context, kind, argument)

    def timer(self, context: Context, routine: int, value: int) -> None:
        call(context, routine, value)

    def runner(self, context: Context) -> Callable[[Taken], int]:
        def run(taken: Taken) -> int:
            entered = context.platform.now()
            call(context, taken[2], taken[1])
            return entered - taken[4]

        return run

    def control(self, context: Context, operation: Any) -> int:
        if os.environ.get("TOY_HANGS_IN") == str(operation.operation):
            wait_for_ever()  # not in a callback, so that the watchdog has nothing to say
        names = [routine.name if routine is not None else "" for routine in context.machine.images.routines]
        if "Control" in names:
            routine = names.index("Control")
            return int(call(context, routine, operation.operation, operation.target, operation.argument))
        return 0


def _finish(context: Context, index: int, state: DeviceRequestState) -> None:
    platform = context.platform
    platform.acquire(SystemLock.DEVICES)
    finish_request(context, context.machine.arena.device_request(index), state)
    platform.release(SystemLock.DEVICES)
    platform.ring(0)


def create_machine(arena: Arena, specification: Any) -> Machine:
    return Machine(arena, Images(), ToyServices())


def load_machine(context: Context, specification: Any) -> None:
    images = context.machine.images
    for driver in specification.drivers:
        stem = os.path.basename(driver.path).removesuffix(".py")
        spec = importlib.util.spec_from_file_location(stem, driver.path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[stem] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise ConfigurationError(f"driver {driver.path} does not import: {error}") from error
        images.add(stem, module)
    images.seal(NONPAGED)
    context.routines = images.routines_for(context)
    for image in images.images:
        context.driver = image.number
        context.box.callbacks = context.next_callback()
        context.box.entered = context.platform.now()
        image.entry(None, "")
        context.driver = context.box.entered = 0


# What toy drivers use ------------------------------------------------------------------------------------------
def role(function: Any) -> Any:
    function.__ndis_role__ = "toy"
    return function


def log(text: str) -> None:
    logging.getLogger("toy").info("%s", text)


def queue_work(function: Any, value: int = 0) -> None:
    context = current.context
    made = context.machine.objects[HandleKind.WORK_ITEM].allocate(
        HandleKind.WORK_ITEM, driver=context.driver, parent=0, site=0
    )
    assert made is not None
    context.machine.queues[0].put(context, made[0], function.__ndis_routine__, value, 0)


def queue_dpc(function: Any, processor: int = 0, value: int = 0) -> None:
    from emulator.kernel.dpc import queue_dpc as put

    put(current.context, processor, function.__ndis_routine__, 0, value)


def make_device(name: str) -> None:
    context = current.context
    made = context.machine.objects[HandleKind.DEVICE].allocate(
        HandleKind.DEVICE, driver=context.driver, parent=0, site=0
    )
    assert made is not None
    made[1].name = name.encode().ljust(64, b"\0")
    context.machine.arena.machine.devices += 1
    context.platform.ring(0)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def spin(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def lock_and_die(value: int) -> None:
    """Die in the middle of taking from a queue: with the lock of all spin locks held, or the one that is named."""
    current.context.platform.acquire(value or 4)
    die()


def leave(value: int) -> None:
    """End this process behind the emulator's back."""
    os._exit(value)


def wait_for_ever() -> None:
    """Wait for what never comes, as a lost completion does."""
    from emulator.kernel.waits import sleep_until

    sleep_until(current.context, lambda: False)


def crash() -> None:
    """Read where nothing is, as a wrong use of ctypes does."""
    import ctypes

    ctypes.string_at(8)


def lock_and_spin(lock: int) -> None:
    """Never give a lock back that others want."""
    current.context.platform.acquire(lock)
    spin(60)


def block_in_c() -> None:
    """Block inside a foreign function that keeps the interpreter."""
    import ctypes

    ctypes.PyDLL(None).pause()
