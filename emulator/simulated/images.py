"""Driver images of a simulated machine: private modules, and for each context its own copy of their globals.

Law: nothing of a driver is found in sys.modules, and two contexts share code objects, classes and nonpaged memory
alone, as processes do that were forked after DriverEntry.  Limits: the methods of a driver's classes keep the globals
of the image itself, and objects of classes other than list, dict, set, tuple and bytearray are not copied.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
import types
from typing import TYPE_CHECKING, Any

from emulator.kernel.images import Images
from emulator.layout.machine import ContextKind
from emulator.rules.errors import BugCheck, ConfigurationError, MachineStopped, NotImplementedByEmulator
from emulator.simulated.watched import watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from emulator.kernel.context import Context
    from emulator.simulated.platform import SimulatedPlatform


class SimulatedImages(Images):
    """Images whose structures are watched and whose functions are cloned for each context."""

    def __init__(self, builtin_types: Iterable[type], platform: SimulatedPlatform) -> None:
        super().__init__(builtin_types)
        self.platform = platform
        self.globals: dict[int, dict[int, dict[str, Any]]] = {}
        self._watched: dict[type, Any] = {}
        self._private: list[list[str]] = []

    def wrapper_for(self, structure: type) -> Any:
        """The watched subclass."""
        return watched(structure, self._watched)

    def routines_for(self, context: Context) -> list[Callable[..., Any] | None]:
        """Clones over this context's own globals; the zygote, where DriverEntry runs, has the images themselves."""
        if context.kind is ContextKind.ZYGOTE:
            return super().routines_for(context)
        if len(self._private) != len(self.images):
            self._private = [private_names(vars(image.module)) for image in self.images]
        own: dict[int, dict[str, Any]] = {}
        clones: dict[int, Any] = {}
        for image, names in zip(self.images, self._private, strict=True):
            own[image.number] = clone_globals(vars(image.module), clones, names)
        self.globals[context.slot] = own
        return [clones[id(routine.function)] if routine is not None else None for routine in self.routines]

    def globals_of(self, context: Context, image: int) -> dict[str, Any]:
        """The globals that a context's clone of an image has."""
        own = self.globals.get(context.slot)
        return own[image] if own is not None else vars(self.images[image - 1].module)


_CONTAINERS = (list, dict, set, tuple, bytearray)


def private_names(scope: dict[str, Any]) -> list[str]:
    """The globals of a module that each context has its own copy of: its functions and its containers."""
    import emulator.ndis as surface

    included = vars(surface)
    return [
        name
        for name, value in scope.items()
        if not name.startswith("__")
        and (
            (isinstance(value, types.FunctionType) and value.__globals__ is scope)
            or (type(value) in _CONTAINERS and included.get(name) is not value)
        )
    ]


def clone_globals(original: dict[str, Any], clones: dict[int, Any], names: list[str]) -> dict[str, Any]:
    """A copy of a module's globals: its functions over the copy, its containers copied with what they hold.

    ``names`` are those (see ``private_names``); ``clones`` maps the identity of what was copied to its copy.
    """
    copied = dict(original)
    for name in names:
        value = original[name]
        if isinstance(value, types.FunctionType) and id(value) not in clones:
            clones[id(value)] = _clone_function(value, copied)
    for name in names:
        copied[name] = _copy(original[name], clones)
    return copied


def _clone_function(function: types.FunctionType, scope: dict[str, Any]) -> types.FunctionType:
    made = types.FunctionType(function.__code__, scope, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    made.__qualname__ = function.__qualname__
    made.__module__ = function.__module__
    made.__doc__ = function.__doc__
    made.__dict__.update(function.__dict__)
    return made


def _copy(value: Any, clones: dict[int, Any]) -> Any:
    known = clones.get(id(value))
    if known is not None:
        return known
    kind = type(value)
    made: Any
    if kind is list:
        made = clones[id(value)] = []
        made.extend(_copy(item, clones) for item in value)
    elif kind is dict:
        made = clones[id(value)] = {}
        made.update((_copy(key, clones), _copy(item, clones)) for key, item in value.items())
    elif kind is tuple:
        made = tuple(_copy(item, clones) for item in value)
    elif kind is set or kind is bytearray:
        made = clones[id(value)] = kind(value)
    else:
        made = value
    return made


_codes: dict[str, tuple[tuple[int, int], types.CodeType]] = {}


def _code_of(loader: importlib.machinery.SourceFileLoader, name: str) -> types.CodeType:
    """A module's code, compiled once for each version of its file: exploring loads it a thousand times."""
    path = loader.get_filename(name)
    state = os.stat(path)
    version = state.st_mtime_ns, state.st_size
    known = _codes.get(path)
    if known is None or known[0] != version:
        code = loader.source_to_code(loader.get_data(path), path)
        known = _codes[path] = version, code
    return known[1]


def private_module(name: str) -> types.ModuleType:
    """Run a plug-in, given by module name or path, in a module object of its own.

    Raises ConfigurationError, in one line, for a plug-in that does not import.
    """
    try:
        return _run_private(name)
    except (BugCheck, MachineStopped, ConfigurationError, NotImplementedByEmulator):
        raise
    except BaseException as error:
        raise ConfigurationError(f"driver {name} does not import: {type(error).__name__}: {error}") from error


def _run_private(name: str) -> types.ModuleType:
    if name.endswith(".py"):
        stem = name.rpartition("/")[2].removesuffix(".py")
        specification = importlib.util.spec_from_file_location(stem, name)
    else:
        stem = name
        specification = importlib.util.find_spec(name)
    if specification is None or not isinstance(specification.loader, importlib.machinery.SourceFileLoader):
        raise ConfigurationError(f"driver {name} is no Python file")
    module = importlib.util.module_from_spec(specification)
    # Only while it runs: dataclasses and the like look their module up by name.
    missing = object()
    before: Any = sys.modules.get(stem, missing)
    sys.modules[stem] = module
    try:
        exec(_code_of(specification.loader, stem), vars(module))
    finally:
        if before is missing:
            sys.modules.pop(stem, None)
        else:
            sys.modules[stem] = before
    return module
