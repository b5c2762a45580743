"""What the floor above the kernel does in the kernel's loops: interrupts, control operations, requests, deferred calls.

Law: the kernel names these moments and never knows NDIS; the floor above registers one object and is called back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.kernel.stop import Possession
    from emulator.kernel.workqueue import Taken
    from emulator.layout.control import CONTROL


class Services(Protocol):
    """Called by the kernel's loops, always in the context it names and with ``current.context`` set to it."""

    def attach(self, context: Context) -> None:
        """A context has come to life, before its first round: build private caches."""

    def round(self, context: Context) -> None:
        """An entry from NDIS or a wait has ended, or a round begins to which the processor was summoned: compare
        epochs, recompile what changed, give back what others call for.
        """

    def interrupts(self, context: Context) -> bool:
        """Serve the interrupt lines of this processor (IRQL DISPATCH, processor lock held); True if one was served.

        It may put something into ``context.serve_lines`` that does the same, until the epoch changes.
        """

    def interrupts_pending(self, context: Context) -> bool:
        """Is a line of this processor asserted?  Asked before it sleeps.

        So too with ``context.lines_asserted``.
        """

    def deferred(self, context: Context, kind: int, target: int, argument: int) -> None:
        """Run one entry of the DPC queue at DISPATCH_LEVEL."""

    def timer(self, context: Context, routine: int, value: int) -> None:
        """Call a timer's routine at DISPATCH_LEVEL with its stored context value."""

    def runner(self, context: Context) -> Callable[[Taken], int]:
        """What this context is to call for each work item that it has taken.

        It runs the item's routine at PASSIVE_LEVEL, looks at what that left behind and publishes what must not stay
        private, as ``leave`` does; it gives the time from the item's queuing to the first act of its routine.
        """

    def control(self, context: Context, operation: CONTROL) -> int | None:
        """Carry out one control operation in the PnP thread at PASSIVE_LEVEL; an NDIS_STATUS (as unsigned).

        None: it has only begun, and whoever ends it calls ``end_operations``.
        """

    def wishes(self, context: Context) -> bool:
        """Carry out one operation that a driver has asked for, in the PnP thread; False when there was none."""

    def wishes_pending(self, context: Context) -> bool:
        """Has a driver asked for an operation that may begin?  Asked before the PnP thread sleeps."""

    def requests(self, context: Context) -> bool:
        """Serve one queued request in the request thread at PASSIVE_LEVEL; False when there was none."""

    def requests_pending(self, context: Context) -> bool:
        """Is a request queued?  Asked before the request thread sleeps."""

    def next_look(self, context: Context) -> int | None:
        """When the request thread shall look around (``requests``) though none is queued; None: not by the clock."""

    def device_request(self, context: Context, index: int) -> None:
        """Carry out in an I/O thread at PASSIVE_LEVEL what a user program asks of a device."""

    def cancel_device_request(self, context: Context, index: int) -> None:
        """Cancel in an I/O thread what a driver has pending."""

    def possessions(self, context: Context, *, everything: bool) -> list[Possession]:
        """What this context, which ends because the machine has stopped, has in hand; never raises.

        ``everything``: what lies in shared memory too.
        """

    def retire(self, context: Context) -> None:
        """The context ends and another one will take its place: whatever is private to it goes to shared memory."""

    def crashed(self, context: Context) -> None:
        """This context has stopped the machine with a bug check, whose record is written: never raises."""

    def leave(self, context: Context) -> None:
        """A callback that began in this context has returned to the loop, or a processor must not withhold any longer
        what it has stored: publish what must not stay private.
        """
