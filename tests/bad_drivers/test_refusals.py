"""What NDIS refuses without a stop: the status, the reason in the log or in the one line of the failure to load."""

from __future__ import annotations

from typing import Any

import pytest

import emulator.ndis as surface
from emulator.rules.errors import ConfigurationError
from tests.bad_drivers.computer import Computer

AT_START = [
    ("refused_attributes_not_set", "MiniportInitializeEx succeeded without general attributes"),
    ("refused_attributes_with_wrong_header", "Header.Size"),
    ("refused_attributes_set_twice", "the registration attributes have been set"),
    ("refused_oid_list_length", "SupportedOidListLength is 12, and SupportedOidList has 2 OIDs"),
    ("refused_scaling_without_toeplitz", "CapabilitiesFlags of NDIS_RECEIVE_SCALE_CAPABILITIES"),
    ("refused_attributes_in_wrong_order", "the registration attributes come first"),
    ("refused_interrupt_header", "Header.Size of NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS is 8; revision 1 has"),
    ("refused_interrupt_without_dpc", "InterruptHandler or InterruptDpcHandler is NULL"),
    ("refused_timer_without_tag", "NdisAllocateTimerObject: AllocationTag is 0"),
]
AT_LOAD = [
    ("refused_handler_missing", r"BAD_CHARACTERISTICS: .* has no PauseHandler, which NDIS demands"),
    ("refused_driver_header", r"BAD_CHARACTERISTICS: .*Header.Type"),
    ("refused_later_version", r"BAD_VERSION: MinorNdisVersion is 88; this is NDIS 6.87"),
    ("refused_version", r"BAD_VERSION: MajorNdisVersion is 5; this is NDIS 6"),
]
FILTERS = [
    ("refused_filter_without_pause", r"BAD_CHARACTERISTICS: .* has no PauseHandler, which NDIS demands"),
    ("refused_filter_header", r"BAD_CHARACTERISTICS: .*Header.Type"),
    ("refused_filter_version", r"BAD_VERSION: MajorNdisVersion is 5; this is NDIS 6"),
]
MANDATORY = {
    "miniport": (
        "InitializeHandlerEx HaltHandlerEx UnloadHandler PauseHandler RestartHandler OidRequestHandler "
        "SendNetBufferListsHandler ReturnNetBufferListsHandler CancelSendHandler DevicePnPEventNotifyHandler "
        "ShutdownHandlerEx CancelOidRequestHandler"
    ),
    "protocol": (
        "BindAdapterHandlerEx UnbindAdapterHandlerEx OpenAdapterCompleteHandlerEx CloseAdapterCompleteHandlerEx "
        "NetPnPEventHandler OidRequestCompleteHandler StatusHandlerEx ReceiveNetBufferListsHandler "
        "SendNetBufferListsCompleteHandler"
    ),
    "filter": "AttachHandler DetachHandler RestartHandler PauseHandler",
}
"""The handlers that the pages of the three structures demand of a driver without connections."""
MISSING = [(kind, handler) for kind, handlers in MANDATORY.items() for handler in handlers.split()]


@pytest.mark.parametrize(("driver", "why"), AT_START, ids=[driver for driver, _ in AT_START])
def test_the_adapter_does_not_start_and_the_log_says_why(driver: str, why: str) -> None:
    machine = Computer(driver, "base_protocol")
    assert machine.life() != 0
    told = [text for text in machine.logs if why in text]
    assert told, machine.logs
    assert all(driver in text for text in told) or "succeeded without" in why
    assert machine.fake.stop_report() is None


@pytest.mark.parametrize(("driver", "why"), AT_LOAD, ids=[driver for driver, _ in AT_LOAD])
def test_the_driver_is_not_loaded_and_the_error_says_why(driver: str, why: str) -> None:
    machine = Computer(driver, "base_protocol")
    with pytest.raises(ConfigurationError, match=f"DriverEntry of .*{driver} returned NDIS_STATUS_{why}"):
        machine.life()


@pytest.mark.parametrize("driver", [driver for driver, _ in AT_START + AT_LOAD])
def test_the_repaired_twin_lives(driver: str) -> None:
    machine = Computer(f"repaired.{driver}", "base_protocol")
    assert machine.life() == 0
    assert machine.left() == []


@pytest.mark.parametrize(("driver", "why"), FILTERS, ids=[driver for driver, _ in FILTERS])
def test_the_filter_is_not_loaded_and_its_repaired_twin_lives(driver: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=f"DriverEntry of .*{driver} returned NDIS_STATUS_{why}"):
        Computer("base_miniport", "base_protocol", filters=[driver]).life()
    machine = Computer("base_miniport", "base_protocol", filters=[f"repaired.{driver}"])
    assert machine.life() == 0
    assert machine.left() == []


@pytest.mark.parametrize(("kind", "handler"), MISSING)
def test_every_mandatory_handler_is_the_driver_s_to_give(kind: str, handler: str) -> None:
    name = f"NDIS_{kind.upper()}_DRIVER_CHARACTERISTICS"

    def without(**given: Any) -> Any:
        assert given[handler] is not None
        return getattr(surface, name)(**{**given, handler: None})

    machine = Computer(
        "base_miniport", "base_protocol", filters=["base_filter"], plant={f"base_{kind}": {name: without}}
    )
    with pytest.raises(ConfigurationError, match=rf"BAD_CHARACTERISTICS: .* has no {handler}, which NDIS demands"):
        machine.life()
