"""What a process that runs driver code does from its first act to its last.

Law: it leaves by a code that says why; every way out of a driver ends here, and none unwinds the zygote's frames.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Final

import msgspec

from emulator.host import logs
from emulator.kernel.context import Context
from emulator.kernel.loops import run_context
from emulator.kernel.platform import current
from emulator.kernel.stop import stop_broken, stop_not_implemented
from emulator.rules.errors import EXIT_STOP, BugCheck, MachineStopped, NotImplementedByEmulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.host.platform import LivePlatform
    from emulator.host.specification import MachineSpecification
    from emulator.kernel.machine import Machine
    from emulator.layout.machine import ContextKind

EXIT_LEFT: Final = 5
"""The machine had stopped, or the owner of a lock was dead: this context left, and is not to blame."""
Place = tuple[int, "ContextKind", int]
"""Slot, kind and index of a context."""
POSSESSIONS: Final = b"\nNET_BUFFER_LISTS "
"""What a leaving context had in hand stands behind this, as JSON, at the end of its dump."""
DUMP_SIGNAL: Final = signal.SIGUSR2


def become(
    machine: Machine, platform: LivePlatform, place: Place, dump: int, specification: MachineSpecification
) -> Context:
    """Make this process a context of the machine; ``dump`` is where its stack goes when somebody asks."""
    slot, kind, index = place
    faulthandler.enable(file=dump)
    faulthandler.register(DUMP_SIGNAL, file=dump, all_threads=False)
    context = Context(machine, platform, slot, kind, index)
    context.box.pid = os.getpid()
    current.context = context
    logs.connect(context, specification.log_level)
    if not specification.debug:
        sys.stdout, sys.stderr = logs.streams(context)
    return context


def live(context: Context, dump: int) -> int:
    """Run the context's loop to its end; the exit code."""
    return guarded(context, lambda: run_context(context), dump)


def guarded(context: Context, work: Callable[[], None], dump: int) -> int:
    """Do the work of a context; whatever leaves it becomes an exit code, and a stop where it is nobody's yet."""
    try:
        try:
            work()
        except NotImplementedByEmulator as error:
            stop_not_implemented(context, error)
        except (BugCheck, MachineStopped):
            raise
        except BaseException as error:
            stop_broken(error)
    except BugCheck:
        return EXIT_STOP
    except MachineStopped as error:
        # Where it was when it learnt that the machine has stopped is what the screen says it was doing.
        where = "Traceback (most recent call last):\n" + "".join(traceback.format_tb(error.__traceback__))
        own = msgspec.json.encode(context.machine.services.possessions(context, everything=False))
        os.write(dump, where.encode(errors="replace") + POSSESSIONS + own + b"\n")
        return EXIT_LEFT
    return 0
