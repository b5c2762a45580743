"""The short names of the sample drivers: `netvmini` is `sample_drivers.netvmini` where no other module is called so.

Law: nothing is imported to find out, so that a driver's module is first run where drivers run.
"""

from __future__ import annotations

import difflib
import pkgutil
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLES: Final = "sample_drivers"


def found(module: str, paths: Sequence[str] = ()) -> bool:
    """Is there a module of this name?  One in a package is not looked for: its package would be imported."""
    return "." in module or PathFinder.find_spec(module, [*paths, *sys.path]) is not None


def not_found(module: str) -> str:
    """What to say of a name that is no module's and no sample driver's."""
    samples = find_spec(SAMPLES)
    places = samples.submodule_search_locations if samples is not None else None
    close = difflib.get_close_matches(module, [sample.name for sample in pkgutil.iter_modules(places)], 1)
    meant = f"; did you mean {close[0]}?" if close else f"; a file is named by its path: ./{module}.py"
    return f"there is no such module{meant}"


def full_name(module: str, paths: Sequence[str] = ()) -> str:
    """The name under which a driver's module is imported; ``paths`` are looked through before the interpreter's own."""
    if found(module, paths):
        return module
    sample = f"{SAMPLES}.{module}"
    try:
        return sample if find_spec(sample) is not None else module
    except ImportError:
        return module
