"""What a callback role is: data about a callback, and the decorator that declares a function to be one.

Law: a role changes nothing about the function and returns it. Another process must find the callback by its number, so
a role takes a plain function at module level and nothing else.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final, NamedTuple, TypeVar

from emulator.ndis.headers.status import NDIS_STATUS, NDIS_STATUS_PENDING, status_name
from emulator.rules.irql import IrqlMask

_Function = TypeVar("_Function", bound=Callable[..., Any])

_NOT_PLAIN: Final = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS | inspect.CO_GENERATOR
_NOT_SYNCHRONOUS: Final = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class RoleParameter(NamedTuple):
    """A parameter of a callback; direction is "in", "out" or "in, out".  A structure is changed where it is."""

    name: str
    direction: str
    optional: bool
    returned: bool


class Role:
    """One callback type of the WDK; calling it on a function declares the function to be such a callback."""

    __slots__ = (
        "arity",
        "fields",
        "irql",
        "may_pend",
        "name",
        "note",
        "outputs",
        "page",
        "parameters",
        "result",
        "statuses",
    )

    def __init__(
        self,
        name: str,
        result: str,
        parameters: str,
        irql: IrqlMask,
        *,
        fields: tuple[str, ...] = (),
        may_pend: bool = False,
        statuses: tuple[NDIS_STATUS, ...] = (),
        page: str = "",
        note: str = "",
    ) -> None:
        """Describe a callback type; parameters are names, with ":out" or ":inout" after them, and "?" where NULL-able.

        ":changed" stands after a structure that the callback may write into.  `fields` are the places in
        characteristics that take this callback, `statuses` all that it may return (empty: any that is final, and
        PENDING where `may_pend` says so).
        """
        self.name = name
        self.result = result
        self.parameters = tuple(_parameter(text) for text in parameters.split())
        self.irql = irql
        self.fields = fields
        self.may_pend = may_pend
        self.statuses = statuses
        self.page = page or f"nc-ndis-{name.lower()}"
        self.note = note
        self.arity = sum(parameter.direction != "out" for parameter in self.parameters)
        self.outputs = tuple(parameter.name for parameter in self.parameters if parameter.returned)
        ROLES[name] = self

    def __repr__(self) -> str:
        return f"<role {self.name}>"

    def __call__(self, function: _Function, /) -> _Function:
        """Declare a function; raises TypeError, with the WDK's signature, for one that cannot be such a callback."""
        fault = self._fault(function)
        if fault is not None:
            shown = getattr(function, "__qualname__", repr(function))
            raise TypeError(f"{shown} cannot be a {self.name}: {fault}. The WDK has it as\n    {self.signature()}")
        function.__ndis_role__ = self  # type: ignore[attr-defined]
        return function

    def signature(self) -> str:
        """Return the callback as the WDK writes it, with what a Python callback returns beside."""
        inside = ", ".join(
            f"{parameter.name} [{parameter.direction}{', opt' if parameter.optional else ''}]"
            for parameter in self.parameters
        )
        returned = f"; returns ({', '.join(self.returned)})" if self.outputs else ""
        return f"{self.result} {self.name}({inside}){returned}"

    @property
    def returned(self) -> tuple[str, ...]:
        """What a Python callback returns: its result and the values that it writes; these alone where it is VOID."""
        return self.outputs if self.outputs and self.result == "VOID" else (self.result, *self.outputs)

    def refuses(self, status: int) -> str | None:
        """Say why a callback of this role may not return a status, or None where it may."""
        if status == NDIS_STATUS_PENDING and not self.may_pend:
            return f"{self.name} may not return NDIS_STATUS_PENDING"
        if self.statuses and status not in self.statuses:
            allowed = ", ".join(str(allowed) for allowed in self.statuses)
            return f"{self.name} may return {allowed}, and not {status_name(status)}"
        return None

    def _fault(self, function: object) -> str | None:
        if not isinstance(function, FunctionType):
            return "it is no plain function"
        code = function.__code__
        if code.co_name == "<lambda>":
            return "it is a lambda"
        if "<locals>" in code.co_qualname:
            return "it is not at module level, so another process cannot find it"
        if code.co_qualname != code.co_name:
            return "it belongs to a class"
        if code.co_flags & _NOT_SYNCHRONOUS:
            return "it is a coroutine"
        if code.co_flags & _NOT_PLAIN or code.co_kwonlyargcount or function.__defaults__:
            return "it takes other than plain positional parameters, or yields"
        if code.co_argcount != self.arity:
            return f"it takes {code.co_argcount} parameters and not {self.arity}"
        other = getattr(function, "__ndis_role__", None)
        return None if other is None else f"it is a {getattr(other, 'name', other)} already"


_DIRECTIONS: Final = {"": "in", "out": "out", "inout": "in, out", "changed": "in, out"}


def _parameter(text: str) -> RoleParameter:
    name, _, kind = text.rstrip("?").partition(":")
    return RoleParameter(name, _DIRECTIONS[kind], text.endswith("?"), kind in ("out", "inout"))


ROLES: Final[dict[str, Role]] = {}
