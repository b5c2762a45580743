"""Driver images: plug-in modules, their routines, pool types and code objects, all numbered alike in every process.

Law: a number comes from the sorted order of names, never from the order of import, so traces are stable.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Final

from emulator.layout.machine import DRIVER_SHIFT
from emulator.rules.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from emulator.kernel.context import Context


MOST_ROUTINES: Final = 0xFFFF
"""A work item's record keeps the number of its routine in 16 bits, so that one store queues it."""


class Image:
    """One loaded plug-in: its number, its name and its module (or a private module object)."""

    __slots__ = ("entry", "module", "name", "number", "package", "path")

    def __init__(self, number: int, name: str, module: types.ModuleType) -> None:
        self.number = number
        self.name = name
        self.module = module
        self.path = module.__file__ or ""
        self.package = [module]
        self.entry: Callable[..., Any] = module.DriverEntry


class Routine:
    """A callback of an image: a module-level function that carries a role."""

    __slots__ = ("function", "image", "name", "number", "role")

    def __init__(self, number: int, name: str, image: int, function: Callable[..., Any], role: Any) -> None:
        self.number = number
        self.name = name
        self.image = image
        self.function = function
        self.role = role


class Images:
    """Every image of a machine.  ``seal`` numbers what they hold; those that come later get the numbers behind."""

    def __init__(self, builtin_types: Iterable[type] = ()) -> None:
        self.images: list[Image] = []
        self.routines: list[Routine | None] = [None]
        self.marks: list[int] = [0]
        self.types: list[type | None] = [None, *builtin_types]
        self.type_numbers: dict[type, int] = {t: n for n, t in enumerate(self.types) if t is not None}
        self.codes: list[types.CodeType | None] = [None]
        self._code_numbers: dict[types.CodeType, int] = {}
        self._files: dict[str, int] = {}
        self._sealed = 0
        self.roots: tuple[str, ...] = ()
        self.untyped: list[tuple[int, type]] = []

    def add(self, name: str, module: types.ModuleType) -> Image:
        """Enter a plug-in module; its number is its place in the machine's list of drivers, from 1."""
        image = Image(len(self.images) + 1, name, module)
        self.images.append(image)
        return image

    def seal(self, pool_type: type) -> list[tuple[int, int]]:
        """Number routines (by module and qualified name), subclasses of ``pool_type`` and code objects.

        Gives (pointer, type number) of the structures that were made before their type had a number.
        ConfigurationError when the drivers have more routines than can be numbered.
        """
        found: dict[tuple[str, str], tuple[int, Callable[..., Any], Any]] = {}
        kinds: dict[tuple[str, str], type] = {}
        codes: dict[tuple[str, str, str, int], types.CodeType] = {}
        for image in self.images[self._sealed :]:
            self._files[image.path] = image.number
            for value in vars(image.module).values():
                if isinstance(value, types.FunctionType) and value.__code__.co_filename == image.path:
                    role = getattr(value, "__ndis_role__", None)
                    if role is not None:
                        found.setdefault((image.name, value.__qualname__), (image.number, value, role))
                elif (
                    isinstance(value, type)
                    and issubclass(value, pool_type)
                    and value.__module__ == image.module.__name__
                ):
                    kinds[(image.name, value.__qualname__)] = value
            for path, scope in included_files(image.module).items():
                self._files.setdefault(path, image.number)
                for code in _codes_of(scope, path):
                    codes[(image.name, path.rpartition("/")[2], code.co_qualname, code.co_firstlineno)] = code
        callbacks = len(self.routines) - 1 + len(found)
        if callbacks > MOST_ROUTINES:
            raise ConfigurationError(
                f"the machine's drivers have {callbacks} callbacks; there is room for {MOST_ROUTINES} in one machine"
            )
        for key in sorted(found):
            number, function, role = found[key]
            routine = Routine(len(self.routines), key[1], number, function, role)
            function.__ndis_routine__ = routine.number  # type: ignore[attr-defined]
            self.routines.append(routine)
            self.marks.append(number << DRIVER_SHIFT | routine.number)
        for kind_key in sorted(kinds):
            kind = kinds[kind_key]
            if kind not in self.type_numbers:
                self.type_numbers[kind] = len(self.types)
                self.types.append(kind)
        for code_key in sorted(codes):
            code = codes[code_key]
            if code not in self._code_numbers:
                self._code_numbers[code] = len(self.codes)
                self.codes.append(code)
        self._sealed = len(self.images)
        typed = [(pointer, self.type_numbers[kind]) for pointer, kind in self.untyped if kind in self.type_numbers]
        self.untyped.clear()
        return typed

    def routines_for(self, context: Context) -> list[Callable[..., Any] | None]:
        """This context's functions by routine number."""
        del context
        return [routine.function if routine is not None else None for routine in self.routines]

    def globals_of(self, context: Context, image: int) -> dict[str, Any]:
        """The globals that an image's functions have in a context: the module's, where each context is a process."""
        del context
        return vars(self.images[image - 1].module)

    def wrapper_for(self, structure: type) -> Any:
        """The class through which a context sees a structure: itself here, a watched one on the simulated platform."""
        return structure

    def routine_name(self, number: int) -> str:
        """A routine in words: ``netvmini!MPInitializeEx``."""
        if not 0 < number < len(self.routines):
            return ""
        routine = self.routines[number]
        assert routine is not None
        return f"{self.driver_name(routine.image)}!{routine.name}"

    def driver_name(self, number: int) -> str:
        """The short name of an image, as Windows names a driver by its file."""
        return self.images[number - 1].name.rpartition(".")[2] if 0 < number <= len(self.images) else ""

    def owns(self, code: types.CodeType) -> bool:
        """Does this code object come from a driver image?"""
        return code.co_filename in self._files

    def owner_of_code(self, code: types.CodeType) -> int:
        """The number of the image that a code object comes from; 0 for none."""
        return self._files.get(code.co_filename, 0)

    def code_number(self, code: types.CodeType) -> int:
        """The number of a code object; 0 when it is not known (made after the images were sealed)."""
        return self._code_numbers.get(code, 0)

    def describe_code(self, number: int, offset: int) -> str:
        """``file:line in function`` of an instruction of a numbered code object."""
        code = self.codes[number] if 0 < number < len(self.codes) else None
        if code is None:
            return "(a function made at run time)"
        line = code.co_firstlineno
        for start, end, at in code.co_lines():
            if start <= offset < end and at is not None:
                line = at
        return f"{self.short_path(code.co_filename)}:{line} in {code.co_qualname}"

    def short_path(self, path: str) -> str:
        """A path as people write it: below one of the roots without the root."""
        for root in self.roots:
            if path.startswith(root):
                return path[len(root) :].lstrip("/")
        return path


def included_files(module: types.ModuleType) -> dict[str, dict[str, Any]]:
    """The files that a driver is made of, with their globals: its own, and those of its folder that it includes."""
    own = module.__file__ or ""
    folder = own.rpartition("/")[0]
    files = {own: vars(module)}
    for value in vars(module).values():
        if isinstance(value, types.FunctionType) and value.__code__.co_filename.rpartition("/")[0] == folder:
            files.setdefault(value.__code__.co_filename, value.__globals__)
    return files


def _codes_of(scope: dict[str, Any], path: str) -> Iterable[types.CodeType]:
    pending: list[Any] = [
        value.__code__
        for value in scope.values()
        if isinstance(value, types.FunctionType) and value.__code__.co_filename == path
    ]
    while pending:
        code = pending.pop()
        yield code
        pending.extend(constant for constant in code.co_consts if isinstance(constant, types.CodeType))
