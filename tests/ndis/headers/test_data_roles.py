"""Roles: they fill the fields of the characteristics, refuse what cannot be a callback, and change nothing else."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from emulator.ndis.headers import roles, roles_filter, roles_kernel, structures
from emulator.ndis.headers.callback_role import ROLES, Role
from emulator.ndis.headers.roles import (
    MINIPORT_HALT,
    MINIPORT_INITIALIZE,
    MINIPORT_INTERRUPT_DPC,
    MINIPORT_ISR,
    MINIPORT_PAUSE,
    MINIPORT_RESET,
    NDIS_IO_WORKITEM_FUNCTION,
    PROTOCOL_RECEIVE_NET_BUFFER_LISTS,
    PROTOCOL_UNINSTALL,
)
from emulator.ndis.headers.status import NDIS_STATUS_FAILURE, NDIS_STATUS_PENDING, NDIS_STATUS_SUCCESS
from emulator.rules import irql


def halt(MiniportAdapterContext: object, HaltAction: int) -> None:
    del MiniportAdapterContext, HaltAction


def wrapper(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapped(first: object, second: object) -> object:
        return function(first, second)

    return wrapped


wrapped_halt = wrapper(halt)


def one(a: object) -> None: ...


def three(a: object, b: object, c: object) -> None: ...


def variable(*a: object) -> None: ...


def keywords(a: object, b: object, *, c: int) -> None: ...


def defaults(a: object, b: int = 0) -> None: ...


def generator(a: object, b: object) -> Iterator[int]:
    yield 1


async def coroutine(a: object, b: object) -> None: ...


class Driver:
    def method(self, a: object) -> None: ...

    @staticmethod
    def static(a: object, b: object) -> None: ...


def test_a_role_returns_the_same_function() -> None:
    def_ = MINIPORT_HALT(halt)
    assert def_ is halt
    assert halt.__ndis_role__ is MINIPORT_HALT  # type: ignore[attr-defined]
    assert halt.__name__ == "halt"
    del halt.__ndis_role__  # type: ignore[attr-defined]


def nested() -> Callable[..., Any]:
    def inner(a: object, b: object) -> None: ...

    return inner


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (one, "it takes 1 parameters and not 2"),
        (three, "it takes 3 parameters and not 2"),
        (variable, "other than plain positional parameters"),
        (keywords, "other than plain positional parameters"),
        (defaults, "other than plain positional parameters"),
        (generator, "or yields"),
        (coroutine, "it is a coroutine"),
        (lambda a, b: None, "it is a lambda"),
        (nested(), "another process cannot find it"),
        (wrapped_halt, "another process cannot find it"),
        (Driver.method, "it belongs to a class"),
        (Driver.static, "it belongs to a class"),
        (Driver().method, "it is no plain function"),
        (functools.partial(halt, 1), "it is no plain function"),
        (len, "it is no plain function"),
    ],
)
def test_what_cannot_be_a_callback_is_refused_with_the_signature(function: Callable[..., Any], words: str) -> None:
    with pytest.raises(TypeError, match=words) as caught:
        MINIPORT_HALT(function)
    assert "VOID MINIPORT_HALT(MiniportAdapterContext [in], HaltAction [in])" in str(caught.value)
    assert not hasattr(function, "__ndis_role__")


def twice(a: object, b: object) -> None: ...


def test_a_function_has_one_role() -> None:
    MINIPORT_HALT(twice)
    with pytest.raises(TypeError, match="it is a MINIPORT_HALT already"):
        MINIPORT_PAUSE(twice)


def test_out_parameters_are_returned_and_not_passed() -> None:
    assert MINIPORT_ISR.arity == 1
    assert MINIPORT_ISR.outputs == ("QueueDefaultInterruptDpc", "TargetProcessors")
    assert MINIPORT_ISR.signature().endswith("; returns (BOOLEAN, QueueDefaultInterruptDpc, TargetProcessors)")
    assert MINIPORT_RESET.arity == 1
    assert PROTOCOL_UNINSTALL.arity == 0
    assert PROTOCOL_RECEIVE_NET_BUFFER_LISTS.arity == 5


def test_every_handler_of_the_characteristics_has_exactly_one_role() -> None:
    filled = [field for role in ROLES.values() for field in role.fields]
    assert len(set(filled)) == len(filled)
    for name in (
        "NDIS_MINIPORT_DRIVER_CHARACTERISTICS",
        "NDIS_FILTER_DRIVER_CHARACTERISTICS",
        "NDIS_PROTOCOL_DRIVER_CHARACTERISTICS",
        "NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS",
    ):
        wanted = {f"{name}.{slot}" for slot in getattr(structures, name).__struct_fields__ if "Handler" in slot}
        assert wanted == {field for field in filled if field.startswith(f"{name}.")}
    assert "NDIS_TIMER_CHARACTERISTICS.TimerFunction" in filled


def test_every_role_is_exported_under_its_name() -> None:
    known = {**vars(roles), **vars(roles_filter), **vars(roles_kernel)}
    exported = {name: value for name, value in known.items() if isinstance(value, Role)}
    assert exported == ROLES
    assert all(name == role.name for name, role in ROLES.items())


def test_levels_are_those_of_the_pages() -> None:
    by_level = {
        mask: {role.name for role in ROLES.values() if role.irql == mask}
        for mask in (irql.AT_DISPATCH, irql.AT_DIRQL, irql.AT_PASSIVE_OR_HIGH)
    }
    assert by_level[irql.AT_DISPATCH] == {
        "MINIPORT_INTERRUPT_DPC",
        "MINIPORT_MESSAGE_INTERRUPT_DPC",
        "NDIS_TIMER_FUNCTION",
        "KDEFERRED_ROUTINE",
        "DRIVER_CANCEL",
        "NDIS_PROCESS_SG_LIST",
        "MINIPORT_PROCESS_SG_LIST",
    }
    assert "MINIPORT_ISR" in by_level[irql.AT_DIRQL]
    assert "MINIPORT_SYNCHRONIZE_INTERRUPT" in by_level[irql.AT_DIRQL]
    assert by_level[irql.AT_PASSIVE_OR_HIGH] == {"MINIPORT_SHUTDOWN"}
    assert MINIPORT_INITIALIZE.irql == NDIS_IO_WORKITEM_FUNCTION.irql == irql.AT_PASSIVE
    assert PROTOCOL_RECEIVE_NET_BUFFER_LISTS.irql == irql.AT_MOST_DISPATCH
    assert MINIPORT_INTERRUPT_DPC.arity == 4


def test_who_may_pend() -> None:
    assert {role.name for role in ROLES.values() if role.may_pend} == {
        "MINIPORT_PAUSE",
        "MINIPORT_RESTART",
        "MINIPORT_OID_REQUEST",
        "MINIPORT_RESET",
        "MINIPORT_DIRECT_OID_REQUEST",
        "FILTER_PAUSE",
        "FILTER_RESTART",
        "FILTER_OID_REQUEST",
        "FILTER_DIRECT_OID_REQUEST",
        "MINIPORT_IDLE_NOTIFICATION",
        "PROTOCOL_BIND_ADAPTER_EX",
        "PROTOCOL_UNBIND_ADAPTER_EX",
        "PROTOCOL_NET_PNP_EVENT",
        "DRIVER_DISPATCH",
    }


def test_a_status_that_a_callback_may_not_return_is_named() -> None:
    assert MINIPORT_PAUSE.refuses(NDIS_STATUS_SUCCESS) is None
    assert MINIPORT_PAUSE.refuses(NDIS_STATUS_PENDING) is None
    refused = MINIPORT_PAUSE.refuses(NDIS_STATUS_FAILURE)
    assert refused == "MINIPORT_PAUSE may return NDIS_STATUS_SUCCESS, NDIS_STATUS_PENDING, and not NDIS_STATUS_FAILURE"
    assert MINIPORT_INITIALIZE.refuses(NDIS_STATUS_PENDING) == "MINIPORT_INITIALIZE may not return NDIS_STATUS_PENDING"
    assert MINIPORT_INITIALIZE.refuses(NDIS_STATUS_FAILURE) is None
