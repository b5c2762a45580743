"""Loading driver images: import, numbering, the look at their globals, and DriverEntry, each once.

Law: everything happens in the zygote before the first context is forked, so every context sees what DriverEntry left.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import importlib.util
import inspect
import sys
import types
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from emulator.kernel.calls import returned_at_other_irql, returned_with_lock
from emulator.kernel.images import Images
from emulator.kernel.machine import Machine
from emulator.kernel.meant import meant
from emulator.kernel.pointers import NONPAGED
from emulator.kernel.stop import stop_for_exception
from emulator.layout.handles import HandleKind
from emulator.ndis.buffers import publication
from emulator.ndis.built_in_types import BUILT_IN_TYPES
from emulator.ndis.data_path.datapath_state import data_path
from emulator.ndis.executive import Executive
from emulator.ndis.gates import ddi
from emulator.ndis.gates.private_data import forbid_global_writes
from emulator.ndis.headers.status import NDIS_STATUS_SUCCESS, status_name
from emulator.ndis.plug_and_play.driver_changes import living_image
from emulator.ndis.plug_and_play.driver_object import DRIVER_OBJECT
from emulator.ndis.plug_and_play.pnp_checks import check_unloaded
from emulator.ndis.plug_and_play.registration import drivers_of
from emulator.rules.errors import BugCheck, ConfigurationError, EmulatorError, MachineStopped, NotImplementedByEmulator
from emulator.rules.irql import PASSIVE_LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator.kernel.context import Context
    from emulator.kernel.images import Image
    from emulator.layout.arena import Arena

INFO = 20
MOST_IMAGES = 64
_OURS = __file__.removesuffix("ndis/loader.py")
REGISTRY_ROOT = "\\Registry\\Machine\\System\\CurrentControlSet\\Services\\"

KINDS = {
    "miniport": (HandleKind.MINIPORT_DRIVER,),
    "protocol": (HandleKind.PROTOCOL_DRIVER,),
    "filter": (HandleKind.FILTER_DRIVER,),
    "intermediate": (HandleKind.MINIPORT_DRIVER, HandleKind.PROTOCOL_DRIVER),
}
"""What a driver of a kind must have registered."""
ModuleLoader = Callable[[str], types.ModuleType]


class DriverEntrySpecification(Protocol):
    """What the loader must know of a driver."""

    kind: str
    module: str
    path: str
    registry: Any
    adapters: Any


class Specification(Protocol):
    """What the loader must know of a machine; the host's specification has it."""

    drivers: Any
    adapters: Any
    registry: Any


def prepare() -> None:
    """Make the functions of the build that most machines are of; whoever is forked off then has them."""
    ddi.install(checked=True)


def create_machine(arena: Arena, specification: Specification) -> Machine:
    """The machine with NDIS as its services and its build's functions chosen; before any plug-in is imported."""
    ddi.install(checked=arena.geometry.checked, traced=arena.geometry.traced)
    machine = Machine(arena, Images(BUILT_IN_TYPES), Executive())
    machine.configuration["specification"] = specification
    return machine


def load_machine(context: Context, specification: Specification) -> None:
    """Load the drivers of a specification in the zygote's context."""
    forget_plugins()
    context.machine.images.roots = (*(f"{path}/" for path in sys.path if path), "./")
    load_images(context, [driver.path or driver.module for driver in specification.drivers])
    for image, driver in zip(context.machine.images.images, specification.drivers, strict=False):
        found = [word for word, kinds in KINDS.items() if all(drivers_of(context, image.number, one) for one in kinds)]
        if driver.kind not in found:
            name = context.machine.images.driver_name(image.number)
            article = "an" if driver.kind == "intermediate" else "a"
            other = f"; it is a {found[-1]}" if found else ""
            raise ConfigurationError(
                f"driver {name} is listed as {article} {driver.kind} and has registered none{other}"
            )


def load_driver(context: Context, specification: Specification, driver: DriverEntrySpecification) -> int:
    """Load one driver more in the zygote's context, while the machine has no other; the number of its image.

    Raises ConfigurationError, in one line, for a driver that is refused: it has left nothing behind.
    """
    machine = context.machine
    images, name = machine.images, driver.path or driver.module
    stem = name.rpartition("/")[2].removesuffix(".py").rpartition(".")[2]
    if living_image(context, stem) is not None:
        raise ConfigurationError(f"a driver {stem} is loaded; first: ndisemu ctl driver unload {stem}")
    number = len(images.images) + 1
    if number >= MOST_IMAGES:
        raise ConfigurationError(f"{MOST_IMAGES - 1} drivers have been loaded; start the machine anew")
    sys.modules.pop(driver.module or stem, None)  # the file may have changed since it was imported last
    importlib.invalidate_caches()
    specification.drivers.append(driver)
    try:
        load_images(context, [name])
    except ConfigurationError as error:
        if len(images.images) < number:
            specification.drivers.pop()
        else:
            machine.arena.machine.unloaded |= 1 << number
            check_unloaded(context, images.images[-1], f"is refused ({error})")
        raise
    return number


def forget_plugins() -> None:
    """Let every module that has taken functions from ``emulator.ndis`` be imported anew.

    Whoever started the machine may have imported a driver, and it is bound to the functions that were installed then.
    """
    surface = ddi.declarations.keys()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] != "emulator" and not surface.isdisjoint(getattr(module, "__dict__", ())):
            del sys.modules[name]


@contextlib.contextmanager
def included_anew() -> Iterator[None]:
    """Let drivers include their other files with the functions that are installed now, and leave none of them behind.

    For a process in which several machines live one after the other; what calls no function of NDIS may stay.
    """
    before = dict(sys.modules)
    aside = {name: module for name, module in before.items() if _is_bound(module)}
    for name in aside:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in sys.modules.keys() - before.keys():
            if _is_bound(sys.modules[name]):
                del sys.modules[name]
        for name, module in aside.items():
            package, _, last = name.rpartition(".")
            sys.modules[name] = module
            if package in sys.modules:
                setattr(sys.modules[package], last, module)


_bound: weakref.WeakKeyDictionary[types.ModuleType, bool] = weakref.WeakKeyDictionary()


def _is_bound(module: object) -> bool:
    """Is it a driver's file whose functions call NDIS by the names that it has taken?"""
    if not isinstance(module, types.ModuleType):
        return False  # sys.modules holds what importers put there
    known = _bound.get(module)
    if known is None:
        scope, names = vars(module), ddi.declarations.keys()
        taken = set() if module.__name__.partition(".")[0] == "emulator" else names & scope.keys()
        functions = [value for value in scope.values() if taken and isinstance(value, types.FunctionType)]
        own = [value for value in functions if value.__globals__ is scope]
        known = _bound[module] = any(taken.intersection(value.__code__.co_names) for value in own)
    return known


def load_images(context: Context, names: Sequence[str], load: ModuleLoader | None = None) -> None:
    """Import plug-ins, number what they hold and call each DriverEntry, in order.

    ``names`` are module names or paths of .py files.  Raises ConfigurationError, in one line, for a plug-in that does
    not import, has no DriverEntry or refuses to start.
    """
    machine = context.machine
    images = machine.images
    loaded = []
    with included_anew() if load is not None else contextlib.nullcontext():
        for name in dict.fromkeys(names):
            module = (load or import_plugin)(name)
            if not callable(getattr(module, "DriverEntry", None)):
                place = "" if name == module.__file__ else f" ({module.__file__})"
                raise ConfigurationError(
                    f"{name} is no driver: it has no DriverEntry(DriverObject, RegistryPath){place}"
                )
            _check_entry(module.DriverEntry)
            loaded.append(images.add(module.__name__, module))
    for pointer, number in images.seal(NONPAGED):
        block = machine.pool.find(pointer)
        if block is not None:
            block.type = number
    context.routines = images.routines_for(context)
    for image in loaded:
        forbid_global_writes(image, images)
    data_path(context)  # a driver may call what looks into it
    for image in loaded:
        start_driver(context, image)


def _check_entry(entry: Callable[..., Any]) -> None:
    """A call that cannot succeed has no line of the driver to show."""
    try:
        inspect.signature(entry).bind(None, None)
    except TypeError:
        place = f"{code.co_filename}:{code.co_firstlineno}: " if (code := getattr(entry, "__code__", None)) else ""
        parameters = ", ".join(inspect.signature(entry).parameters)
        raise ConfigurationError(
            f"{place}DriverEntry({parameters}) cannot be called as DriverEntry(DriverObject, RegistryPath)"
        ) from None


def start_driver(context: Context, image: Image) -> None:
    """Call DriverEntry at PASSIVE_LEVEL; anything but success refuses the image."""
    machine = context.machine
    name = machine.images.driver_name(image.number)
    driver_object = DRIVER_OBJECT(name, image.number)
    machine.driver_objects[image.number] = driver_object
    # Seen by the watchdog like any callback, though DriverEntry has no routine number.
    context.driver = image.number
    context.box.callbacks = context.next_callback()
    context.box.entered = context.platform.now()
    try:
        status = image.entry(driver_object, REGISTRY_ROOT + name)
    except (BugCheck, MachineStopped, EmulatorError, NotImplementedByEmulator):
        raise
    except BaseException as error:
        stop_for_exception(context, error)
    if context.irql != PASSIVE_LEVEL:
        returned_at_other_irql(context, 0, PASSIVE_LEVEL)
    if context.held:
        returned_with_lock(context, 0)
    context.driver = 0
    context.box.entered = 0
    # What DriverEntry keeps in shared memory must be found there by contexts that this one never meets.  Its globals it
    # may write, so this is not all that ``services.leave`` does.
    publication.leave(context)
    if status != NDIS_STATUS_SUCCESS:
        shown = status_name(status) if isinstance(status, int) else f"{status!r}, which is no NDIS_STATUS"
        why = machine.refusals.get(image.number)
        raise ConfigurationError(f"DriverEntry of {image.name} returned {shown}" + (f": {why}" if why else ""))
    context.platform.log(INFO, "ndis", f"{name} loaded from {machine.images.short_path(image.path)}")


def import_plugin(name: str) -> types.ModuleType:
    """Import a plug-in by module name or by path.  ConfigurationError names the file, the line and the cause."""
    try:
        if name.endswith(".py"):
            return _import_file(name)
        return importlib.import_module(name)
    except (BugCheck, MachineStopped, NotImplementedByEmulator):
        raise
    except BaseException as error:
        raise ConfigurationError(f"driver {name} does not import: {_where(error)}{_words(error)}") from error


class _FromSource(importlib.machinery.SourceFileLoader):
    """Compiles a file each time: Python's cache takes an edit that keeps length and second for no edit."""

    def get_code(self, fullname: str) -> types.CodeType:
        path = self.get_filename(fullname)
        code: types.CodeType = self.source_to_code(self.get_data(path), path)
        return code


def _import_file(path: str) -> types.ModuleType:
    stem = path.rpartition("/")[2].removesuffix(".py")
    specification = importlib.util.spec_from_file_location(stem, path)
    if specification is None or specification.origin is None:
        raise ConfigurationError(f"driver {path} is no Python file")
    # The origin is the path from the root: a module and the code in it are of one file by one name.
    specification.loader = loader = _FromSource(stem, specification.origin)
    module = importlib.util.module_from_spec(specification)
    sys.modules[stem] = module
    loader.exec_module(module)
    return module


def _words(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg}"
    return f"{type(error).__name__}: {error}{meant(error)}"


def _where(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: "
    trace: Any = error.__traceback__
    place = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if "importlib" not in code.co_filename and not code.co_filename.startswith(_OURS):
            place = f"{code.co_filename}:{trace.tb_lineno}: "
        trace = trace.tb_next
    return place


__all__ = [
    "forget_plugins",
    "import_plugin",
    "load_driver",
    "load_images",
    "create_machine",
    "load_machine",
    "start_driver",
]
