"""What a driver passes is honoured, refused with a status, or named as not implemented: never taken and forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import emulator.ndis as surface
from emulator.kernel.platform import current
from emulator.layout.handles import HandleKind
from emulator.ndis.control_path.oid_answers import ANSWERS, link_state
from emulator.ndis.headers import oids
from emulator.ndis.headers.enumerations import NDIS_PARAMETER_TYPE
from emulator.ndis.headers.oid_structures import NDIS_OID_REQUEST
from emulator.ndis.headers.status import (
    NDIS_STATUS_ADAPTER_NOT_FOUND,
    NDIS_STATUS_BAD_CHARACTERISTICS,
    NDIS_STATUS_FAILURE,
    NDIS_STATUS_INVALID_PARAMETER,
    NDIS_STATUS_LINK_STATE,
    NDIS_STATUS_NOT_SUPPORTED,
    NDIS_STATUS_SUCCESS,
)
from emulator.ndis.headers.structure_headers import STRUCTURE_HEADERS
from emulator.ndis.headers.structures import (
    NDIS_CONFIGURATION_OBJECT,
    NDIS_LINK_STATE,
    NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES,
    NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
    NDIS_OBJECT_HEADER,
    NDIS_OPEN_PARAMETERS,
    NDIS_STATUS_INDICATION,
    NDIS_TIMER_CHARACTERISTICS,
)
from emulator.ndis.plug_and_play.pnp import start_adapter
from emulator.ndis.plug_and_play.pnp_structures import bind_parameters, pause_event, restart_event
from emulator.rules.errors import BugCheck
from emulator.rules.limits import VnicLimit
from tests.bad_drivers.computer import Computer

if TYPE_CHECKING:
    from collections.abc import Callable

MAC = bytes.fromhex("020000000001")


def header(structure: str) -> NDIS_OBJECT_HEADER:
    known = STRUCTURE_HEADERS[structure]
    revision = max(known.sizes)
    return NDIS_OBJECT_HEADER(known.object_type, revision, known.sizes[revision])


def started(miniport: dict[str, Any] | None = None, protocol: dict[str, Any] | None = None, **options: Any) -> Computer:
    """A machine whose miniport and protocol have these hooks, with its adapter started."""
    plant = {"base_miniport": miniport or {}, "base_protocol": protocol or {}}
    machine = Computer("base_miniport", "base_protocol", plant=plant, **options)
    machine.load()
    machine.control(start_adapter, 0)
    return machine


def request(**members: Any) -> Any:
    made = NDIS_OID_REQUEST(RequestType=0)
    made.Header.Type, made.Header.Revision, made.Header.Size = 0x96, 1, 236
    for name, value in members.items():
        setattr(made, name, value)
    return made


def free_special_memory(binding: Any, bind_context: int) -> None:
    surface.NdisFreeMemory(surface.NdisAllocateMemoryWithTagPriority(None, 16, b"Test", 0), 0, 1)


def open_a_filter_s_configuration(binding: Any, bind_context: int) -> None:
    wanted = NDIS_CONFIGURATION_OBJECT(Header=header("NDIS_CONFIGURATION_OBJECT"), NdisHandle=binding.Handle, Flags=1)
    surface.NdisOpenConfigurationEx(wanted)


def tell(**members: Any) -> Callable[[Any], int]:
    def on_initialize(adapter: Any) -> int:
        told = NDIS_STATUS_INDICATION(Header=header("NDIS_STATUS_INDICATION"), SourceHandle=adapter.Handle, **members)
        surface.NdisMIndicateStatusEx(adapter.Handle, told)
        return NDIS_STATUS_SUCCESS

    return on_initialize


@pytest.mark.parametrize(
    ("role", "hook", "act", "named"),
    [
        ("protocol", "OnBind", free_special_memory, "NdisFreeMemory with MemoryFlags 0x1"),
        ("protocol", "OnBind", open_a_filter_s_configuration, "NdisOpenConfigurationEx with Flags 0x1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_there_is_named(role: str, hook: str, act: Any, named: str) -> None:
    with pytest.raises(BugCheck) as stopped:
        started(**{role: {hook: act}})
    assert (stopped.value.code, stopped.value.report.ddi) == (VnicLimit.VNIC_NOT_IMPLEMENTED, named)  # type: ignore[attr-defined]


def answers_of(act: Callable[[Any, int], int], **options: Any) -> int:
    """What a call inside ProtocolBindAdapterEx gives."""
    found: list[int] = []
    started(protocol={"OnBind": lambda binding, bind_context: found.append(act(binding, bind_context))}, **options)
    return found[0]


def ask_with(**members: Any) -> Callable[[Any, int], int]:
    def act(binding: Any, bind_context: int) -> int:
        made = request(**{name: value for name, value in members.items() if name != "Size"})
        made.Header.Size = members.get("Size", made.Header.Size)
        return int(surface.NdisOidRequest(binding.Handle, made))

    return act


def open_with(**members: Any) -> Callable[[Any, int], int]:
    def act(binding: Any, bind_context: int) -> int:
        given = NDIS_OPEN_PARAMETERS(
            Header=header("NDIS_OPEN_PARAMETERS"), MediumArray=(0,), MediumArraySize=1, **members
        )
        protocol = current.context.machine.objects[HandleKind.PROTOCOL_DRIVER]
        handle = next(handle for handle, entry in protocol.live() if handle >> 56 == HandleKind.PROTOCOL_DRIVER)
        return int(surface.NdisOpenAdapterEx(surface.ProtocolDriverHandle(handle), binding, given, bind_context).Status)  # type: ignore[arg-type]

    return act


def allocate_a_timer(binding: Any, bind_context: int) -> int:
    given = NDIS_TIMER_CHARACTERISTICS(AllocationTag=1, TimerFunction=allocate_a_timer)
    return int(surface.NdisAllocateTimerObject(binding.Handle, given).Status)


def read_bytes(binding: Any, bind_context: int) -> int:
    wanted = NDIS_CONFIGURATION_OBJECT(Header=header("NDIS_CONFIGURATION_OBJECT"), NdisHandle=binding.Handle)
    handle = surface.NdisOpenConfigurationEx(wanted).ConfigurationHandle
    assert handle is not None
    specification = current.context.machine.configuration["specification"]
    specification.registry["Bytes"] = 5
    return int(surface.NdisReadConfiguration(handle, "Bytes", NDIS_PARAMETER_TYPE.NdisParameterBinary).Status)


@pytest.mark.parametrize(
    ("act", "status"),
    [
        (ask_with(Size=12), NDIS_STATUS_INVALID_PARAMETER),
        (ask_with(RequestType=5), NDIS_STATUS_NOT_SUPPORTED),
        (open_with(AdapterName="another"), NDIS_STATUS_ADAPTER_NOT_FOUND),
        (open_with(AdapterName="adapter0", FrameTypeArray=(1,) * 5, FrameTypeArraySize=5), NDIS_STATUS_FAILURE),
        (allocate_a_timer, NDIS_STATUS_BAD_CHARACTERISTICS),
        (read_bytes, NDIS_STATUS_FAILURE),
    ],
    ids=["header", "type", "name", "frame types", "timer", "binary"],
)
def test_what_is_wrong_is_refused(act: Any, status: int) -> None:
    assert answers_of(act) == status


def test_shared_memory_that_no_word_describes_is_not_given() -> None:
    found: list[Any] = []

    def allocate(adapter: Any) -> int:
        found.append(surface.NdisMAllocateSharedMemory(adapter.Handle, 1 << 24, True).VirtualAddress)
        memory, address = surface.NdisMAllocateSharedMemory(adapter.Handle, (1 << 24) - 2048, True)
        assert memory is not None
        assert address is not None
        surface.NdisMFreeSharedMemory(adapter.Handle, (1 << 24) - 2048, True, memory, address)
        return NDIS_STATUS_SUCCESS

    started(miniport={"OnInitialize": allocate}, frame_slots=8500)
    assert found == [None]


SAID = {
    "PhysicalMediumType": 14,
    "MaxXmitLinkSpeed": 10_000,
    "MaxRcvLinkSpeed": 20_000,
    "AccessType": 2,
    "DirectionType": 1,
    "ConnectionType": 3,
    "IfType": 6,
    "IfConnectorPresent": True,
    "DataBackFillSize": 48,
    "ContextBackFillSize": 16,
}


def test_general_attributes_are_told_to_whoever_binds_and_asks() -> None:
    def set_attributes(adapter: Any) -> int:
        surface.NdisMSetMiniportAttributes(
            adapter.Handle,
            NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES(
                Header=header("NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES"), MiniportAdapterContext=adapter
            ),
        )
        given = NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES(
            Header=header("NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES"),
            MtuSize=1500,
            MacAddressLength=6,
            PermanentMacAddress=MAC,
            CurrentMacAddress=MAC,
            XmitLinkSpeed=100,
            RcvLinkSpeed=200,
            SupportedPauseFunctions=4,
            AutoNegotiationFlags=3,
        )
        for name, value in SAID.items():
            setattr(given, name, value)
        return int(surface.NdisMSetMiniportAttributes(adapter.Handle, given))

    machine = started(miniport={"MPSetAttributes": set_attributes})
    adapter = machine.fake.machine.objects[HandleKind.ADAPTER].records[0]
    with machine.fake.running(machine.fake.processor()) as context:
        told = bind_parameters(context, adapter, adapter)
        assert {name: getattr(told, name) for name in SAID} == SAID
        assert told.XmitLinkSpeed == 100
        assert ANSWERS[oids.OID_GEN_PHYSICAL_MEDIUM](context, adapter, 0) == (14).to_bytes(4, "little")
        speeds = (10_000).to_bytes(8, "little") + (20_000).to_bytes(8, "little")
        assert ANSWERS[oids.OID_GEN_MAX_LINK_SPEED](context, adapter, 0) == speeds
        state = link_state(adapter)
        assert (state.PauseFunctions, state.AutoNegotiationFlags) == (4, 3)
        restart = restart_event(context, adapter).NetPnPEvent
        assert (restart.Buffer.BoundIfIndex, restart.BufferLength) == (1, restart.Buffer.Header.Size)
    assert pause_event(8).NetPnPEvent.Buffer.PauseReason == 8


def test_a_link_state_that_was_indicated_is_answered_whole() -> None:
    state = NDIS_LINK_STATE(Header=header("NDIS_LINK_STATE"), PauseFunctions=2, AutoNegotiationFlags=1)
    machine = started(
        miniport={
            "OnInitialize": tell(StatusCode=NDIS_STATUS_LINK_STATE, StatusBuffer=state.to_bytes(), StatusBufferSize=40)
        }
    )
    found = link_state(machine.fake.machine.objects[HandleKind.ADAPTER].records[0])
    assert (found.PauseFunctions, found.AutoNegotiationFlags) == (2, 1)
