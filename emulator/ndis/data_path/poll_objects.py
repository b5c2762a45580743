"""Poll objects as a miniport has them: registered while it is initialized, requested from its ISR, given back at halt.

Law: whoever requests a poll leaves a mark and sees to it that the object is scheduled; everything else, and all that is
called of the driver, is poll_service.py's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from emulator.kernel.platform import current
from emulator.kernel.pointers import encode
from emulator.kernel.stop import site_of, stop
from emulator.kernel.waits import look_until
from emulator.layout.handles import HandleKind
from emulator.layout.polls import ANY_PROCESSOR
from emulator.ndis.data_path.poll_service import schedule
from emulator.ndis.gates.callback_numbers import number_of
from emulator.ndis.gates.ddi import INTERMEDIATE, MINIPORT, ddi
from emulator.ndis.gates.live_handles import REGISTRATION, find_live
from emulator.ndis.gates.refusals import header_refused
from emulator.ndis.headers.handles import NDIS_POLL_HANDLE, AdapterHandle
from emulator.ndis.headers.status import (
    NDIS_STATUS,
    NDIS_STATUS_BAD_CHARACTERISTICS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.plug_and_play.adapters import adapter_of
from emulator.ndis.plug_and_play.registration import miniport_of
from emulator.rules.irql import ANY, AT_MOST_DISPATCH, AT_PASSIVE
from emulator.rules.states import AdapterState

if TYPE_CHECKING:
    from emulator.kernel.context import Context
    from emulator.ndis.headers.processor_numbers import PROCESSOR_NUMBER
    from emulator.ndis.headers.structures_poll import NDIS_POLL_CHARACTERISTICS

FIRST_WITH_POLL_MODE: Final = 85
"""The minor version of NDIS 6 that a miniport must be of."""


class RegisteredPoll(NamedTuple):
    """What NdisRegisterPoll gives."""

    Status: NDIS_STATUS
    PollHandle: NDIS_POLL_HANDLE | None


@ddi(irql=AT_PASSIVE, callers=MINIPORT | INTERMEDIATE, acquires="Poll object", page="nf-poll-ndisregisterpoll")
def NdisRegisterPoll(
    NdisHandle: AdapterHandle, Context: Any, Characteristics: NDIS_POLL_CHARACTERISTICS, /
) -> RegisteredPoll:
    """Register a Poll object, inside MiniportInitializeEx: one for each queue, or for each direction.

    NOT_SUPPORTED before NDIS 6.85, BAD_CHARACTERISTICS for a wrong header or a missing handler, FAILURE outside
    MiniportInitializeEx, RESOURCES when none is left.
    """
    context = current.context
    adapter = adapter_of(context, NdisHandle, "NdisRegisterPoll")
    driver = miniport_of(context, adapter)
    if driver is None or driver.minor_version < FIRST_WITH_POLL_MODE:
        return RegisteredPoll(NDIS_STATUS_NOT_SUPPORTED, None)
    given = Characteristics
    poll = number_of(given.PollHandler, "NdisRegisterPoll", "NDIS_POLL")
    notification = number_of(given.SetPollNotificationHandler, "NdisRegisterPoll", "NDIS_SET_POLL_NOTIFICATION")
    if header_refused(context, "NdisRegisterPoll", given) or not poll or not notification:
        return RegisteredPoll(NDIS_STATUS_BAD_CHARACTERISTICS, None)
    if adapter.state != AdapterState.INITIALIZING:
        return RegisteredPoll(NDIS_STATUS_FAILURE, None)
    table = context.machine.objects[HandleKind.POLL]
    made = table.allocate(HandleKind.POLL, driver=context.driver, parent=NdisHandle, site=context.site)
    if made is None:
        return RegisteredPoll(NDIS_STATUS_RESOURCES, None)
    handle, record = made
    record.adapter, record.context = adapter.number, encode(context, Context)
    record.poll, record.notification, record.processor = poll, notification, ANY_PROCESSOR
    record.scheduled.value = record.requested.value = record.closing = 0
    return RegisteredPoll(NDIS_STATUS_SUCCESS, NDIS_POLL_HANDLE(handle))


@ddi(irql=AT_PASSIVE, callers=MINIPORT | INTERMEDIATE, releases="Poll object", page="nf-poll-ndisderegisterpoll")
def NdisDeregisterPoll(PollHandle: NDIS_POLL_HANDLE, /) -> None:
    """Give a Poll object back; when this returns none of its callbacks runs or will run."""
    context = current.context
    poll = _poll(context, PollHandle, "deregistered")
    poll.closing = 1
    look_until(context, lambda: not poll.scheduled.value)  # nobody rings: it would cost every poll
    context.machine.objects[HandleKind.POLL].free(PollHandle, site=context.site)


@ddi(irql=ANY, callers=MINIPORT | INTERMEDIATE, page="nf-poll-ndisrequestpoll")
def NdisRequestPoll(PollHandle: NDIS_POLL_HANDLE, Reserved: Any, /) -> None:
    """Ask NDIS to call NdisPoll, at least once from now on; from the ISR as a rule, its interrupt masked."""
    context = current.context
    poll = _poll(context, PollHandle, "requested")
    if Reserved and context.machine.checked:
        stop(
            0xC4,
            0xE5,
            Reserved if isinstance(Reserved, int) else 1,
            PollHandle,
            ddi="NdisRequestPoll",
            text="NdisRequestPoll was given something as Reserved, which must be zero.",
        )
    exchange = context.platform.exchange
    exchange(poll.requested, 1)
    if not poll.closing and not exchange(poll.scheduled, 1):
        schedule(context, poll, PollHandle)


@ddi(irql=AT_MOST_DISPATCH, callers=MINIPORT | INTERMEDIATE, page="nf-poll-ndissetpollaffinity")
def NdisSetPollAffinity(PollHandle: NDIS_POLL_HANDLE, PollAffinity: PROCESSOR_NUMBER, /) -> None:
    """Have the object polled on one processor; one poll more may come on another."""
    context = current.context
    poll = _poll(context, PollHandle, "given a processor")
    group, number = PollAffinity.Group, PollAffinity.Number
    if group == 0 and number < context.machine.geometry.processors:
        poll.processor = number
    elif context.machine.checked:
        stop(
            0xC4,
            0xE5,
            number,
            PollHandle,
            group,
            ddi="NdisSetPollAffinity",
            text=f"NdisSetPollAffinity was given processor {number} of group {group}, which this machine has not.",
            sites=[site_of(context, "registered", poll.head.allocated_site)],
        )


def _poll(context: Context, handle: int | None, done: str) -> Any:
    return find_live(context, handle, HandleKind.POLL, "a Poll object", done, REGISTRATION)


__all__ = [
    "NdisDeregisterPoll",
    "NdisRegisterPoll",
    "NdisRequestPoll",
    "NdisSetPollAffinity",
]
