"""Poll objects: how often and where NDIS polls, what a poll may give, and how registration and its end go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import emulator.ndis as surface
from emulator.kernel.loops import processor_round
from emulator.kernel.platform import current
from emulator.layout.handles import HandleKind
from emulator.ndis.data_path.poll_service import POLL_BUDGET, schedule
from emulator.ndis.headers.object_header import NDIS_SIZEOF_NDIS_POLL_CHARACTERISTICS_REVISION_1
from emulator.ndis.headers.status import (
    NDIS_STATUS_BAD_CHARACTERISTICS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_RESOURCES,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structures import NDIS_OBJECT_HEADER, NDIS_POLL_CHARACTERISTICS
from emulator.ndis.plug_and_play.pnp import start_adapter, stop_adapter
from emulator.rules.irql import DIRQL, DISPATCH_LEVEL
from emulator.rules.states import AdapterState
from tests.bad_drivers.computer import Computer

if TYPE_CHECKING:
    import types
    from collections.abc import Callable

    from emulator.kernel.context import Context

HEADER = NDIS_OBJECT_HEADER(0x80, 1, NDIS_SIZEOF_NDIS_POLL_CHARACTERISTICS_REVISION_1)


class Machine(Computer):
    """The small miniport in poll mode; ``polls`` are (processor, IRQL, most lists) of each, ``armed`` what it heard.

    ``beside`` is done in each poll before it gives what waits, ``while_arming`` whenever the interrupt is enabled.
    """

    def __init__(self, **options: Any) -> None:
        self.polls: list[tuple[int, int, int]] = []
        self.armed: list[bool] = []
        self.beside: Callable[[Any, Any], object] = lambda adapter, data: None
        self.while_arming: Callable[[Any], object] = lambda adapter: None
        self.driver: Any = None
        super().__init__("base_poll", "base_protocol", **options)
        self.load()

    def _module(self, name: str) -> types.ModuleType:
        module: Any = super()._module(name)
        if name.endswith("base_poll"):
            self.driver, give = module, module.Give

            def note(adapter: Any, data: Any) -> None:
                number = surface.NdisCurrentGroupAndProcessor().Number
                self.polls.append((number, current.context.irql, data.Receive.MaxNblsToIndicate))
                self.beside(adapter, data)
                give(adapter, data)

            def arm(adapter: Any, enabled: bool) -> None:
                self.armed.append(enabled)
                self.while_arming(adapter)

            module.Give, module.OnArmed = note, arm
        return module  # type: ignore[no-any-return]

    def start(self) -> Machine:
        """Start the adapter and forget what has been polled meanwhile."""
        assert self.control(start_adapter, 0) == 0
        self.settle()
        self.polls.clear()
        self.armed.clear()
        return self

    @property
    def handle(self) -> Any:
        """The Poll object's."""
        return self.fake.machine.objects[HandleKind.POLL].live()[0][0]

    def call(self, name: str, *arguments: Any, context: Context | None = None) -> Any:
        """A function of the DDI, called by the miniport."""
        with self.fake.running(context or self.fake.pnp(), driver=1):
            return getattr(surface, name)(*arguments)

    def request(self, times: int = 1) -> None:
        """Ask for a poll."""
        for _ in range(times):
            self.call("NdisRequestPoll", self.handle, None)

    def round(self, number: int = 0) -> bool:
        """One round of a processor."""
        with self.fake.running(self.fake.processor(number)) as context:
            return processor_round(context)

    def register(self, **members: Any) -> Any:
        """NdisRegisterPoll inside MiniportInitializeEx: what it gives."""
        given: list[Any] = []

        def on_initialize(adapter: Any) -> int:
            characteristics = NDIS_POLL_CHARACTERISTICS(
                **{
                    "Header": HEADER,
                    "PollHandler": self.driver.Poll,
                    "SetPollNotificationHandler": self.driver.SetPollNotification,
                    **members,
                }
            )
            given.append(surface.NdisRegisterPoll(adapter.Handle, adapter, characteristics))
            if given[0].PollHandle is not None:
                adapter.Poll = given[0].PollHandle
            return int(given[0].Status)

        self.driver.OnInitialize = on_initialize
        self.control(start_adapter, 0)
        return given[0]


@pytest.fixture
def machine() -> Machine:
    return Machine().start()


def test_requests_before_the_poll_are_one(machine: Machine) -> None:
    machine.request(3)
    assert machine.polls == []
    machine.settle(1)
    assert machine.polls == [(0, DISPATCH_LEVEL, POLL_BUDGET)]
    assert machine.armed == [True]


def test_a_request_comes_from_an_isr_too(machine: Machine) -> None:
    processor = machine.fake.processor()
    processor.irql = DIRQL
    machine.call("NdisRequestPoll", machine.handle, None, context=processor)
    processor.irql = 0
    machine.settle(1)
    assert len(machine.polls) == 1


def test_a_request_while_the_interrupt_is_enabled_is_not_lost(machine: Machine) -> None:
    machine.while_arming = lambda adapter: len(machine.armed) == 1 and surface.NdisRequestPoll(adapter.Poll, None)
    machine.request()
    machine.settle(1)
    assert (len(machine.polls), machine.armed) == (2, [True, True])


def test_who_asks_in_each_poll_is_polled_once_a_round(machine: Machine) -> None:
    machine.beside = lambda adapter, data: surface.NdisRequestPoll(adapter.Poll, None)
    machine.request()
    for number in range(1, 5):
        assert machine.round()
        assert len(machine.polls) == number
    assert machine.armed == []


def test_a_flood_leaves_each_round_its_turn(machine: Machine) -> None:
    adapters: list[Any] = []

    def flood(adapter: Any, data: Any) -> None:
        if len(adapters) < 4 * POLL_BUDGET:
            adapters.append(adapter)
            adapter.List = machine.driver.MPFrame(adapter)

    machine.beside = flood
    machine.request()
    for number in range(1, 5):
        assert machine.round()
        assert len(machine.polls) == number * POLL_BUDGET  # the small miniport gives one list a poll
    machine.settle(1)
    assert machine.armed == [True]
    assert machine.control(stop_adapter, 0) == 0


def test_the_throttle_of_the_machine_is_the_budget() -> None:
    machine = Machine(receive_throttle=4).start()
    machine.request()
    machine.settle(1)
    assert machine.polls[0][2] == 4


def test_the_processor_is_the_driver_s_choice() -> None:
    machine = Machine(processors=2).start()
    affinity = machine.call("NdisSetPollAffinity", machine.handle, surface.PROCESSOR_NUMBER(0, 1))
    assert affinity is None
    machine.fake.processor(1)
    machine.request()
    machine.settle(1)
    assert [poll[0] for poll in machine.polls] == [1]
    # Asked for on one processor, and meant for the other one before it came.
    machine.request()
    machine.call("NdisSetPollAffinity", machine.handle, surface.PROCESSOR_NUMBER(0, 0))
    machine.settle(1)
    assert [poll[0] for poll in machine.polls] == [1, 0]


def test_another_processor_goes_on_with_a_flood() -> None:
    machine = Machine(processors=2).start()
    machine.fake.processor(1)

    def flood(adapter: Any, data: Any) -> None:
        if len(machine.polls) < 8:
            adapter.List = machine.driver.MPFrame(adapter)
        if len(machine.polls) == 4:
            surface.NdisSetPollAffinity(adapter.Poll, surface.PROCESSOR_NUMBER(0, 1))

    machine.beside = flood
    machine.request()
    machine.settle(1)
    assert [poll[0] for poll in machine.polls] == [0] * 4 + [1] * 4
    assert machine.armed == [True]


def test_what_was_asked_for_and_has_not_begun_does_not_outlive_the_object(machine: Machine) -> None:
    machine.request()
    assert machine.control(stop_adapter, 0) == 0
    assert machine.fake.machine.objects[HandleKind.POLL].in_use == 0
    machine.settle()
    assert machine.polls[1:] == []
    assert machine.fake.stop_report() is None


def test_deregistration_waits_for_a_turn_that_is_queued(machine: Machine) -> None:
    machine.request()
    machine.call("NdisDeregisterPoll", machine.handle)
    put, take = machine.fake.arena.dpc_ends[0]
    assert put == take
    assert (machine.polls, machine.armed) == ([], [])
    assert machine.fake.machine.objects[HandleKind.POLL].in_use == 0


def test_a_turn_of_an_object_that_is_gone_is_none(machine: Machine) -> None:
    handle = machine.handle
    record = machine.fake.machine.objects[HandleKind.POLL].find(handle, HandleKind.POLL)
    with machine.fake.running(machine.fake.processor()) as context:
        schedule(context, record, handle)
    machine.call("NdisDeregisterPoll", handle)
    machine.settle(1)
    assert (machine.polls, machine.armed) == ([], [])


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({}, NDIS_STATUS_SUCCESS),
        ({"Header": NDIS_OBJECT_HEADER(0x80, 2, 24)}, NDIS_STATUS_BAD_CHARACTERISTICS),
        ({"PollHandler": None}, NDIS_STATUS_BAD_CHARACTERISTICS),
        ({"SetPollNotificationHandler": None}, NDIS_STATUS_BAD_CHARACTERISTICS),
    ],
    ids=["right", "header", "poll", "notification"],
)
def test_registration_looks_at_what_it_is_given(members: dict[str, Any], status: int) -> None:
    assert Machine().register(**members).Status == status


def test_a_driver_of_an_earlier_version_has_no_poll_mode() -> None:
    machine = Machine()
    machine.fake.machine.objects[HandleKind.MINIPORT_DRIVER].records[0].minor_version = 84
    assert machine.register().Status == NDIS_STATUS_NOT_SUPPORTED


def test_a_table_without_room() -> None:
    machine = Machine(polls=1).start()
    machine.driver.OnHalt = lambda adapter: None
    handle = machine.handle
    characteristics = NDIS_POLL_CHARACTERISTICS(
        Header=HEADER, PollHandler=machine.driver.Poll, SetPollNotificationHandler=machine.driver.SetPollNotification
    )
    adapter, record = machine.fake.machine.objects[HandleKind.ADAPTER].live()[0]
    assert machine.call("NdisRegisterPoll", adapter, None, characteristics).Status == NDIS_STATUS_FAILURE
    record.state = AdapterState.INITIALIZING
    assert machine.call("NdisRegisterPoll", adapter, None, characteristics).Status == NDIS_STATUS_RESOURCES
    assert machine.handle == handle
