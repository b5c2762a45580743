"""The short names of the sample drivers: `netvmini` is `sample_drivers.netvmini` where no other module is called so.

Law: nothing is imported to find out, so that a driver's module is first run where drivers run.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLES: Final = "sample_drivers"


def full_name(module: str, paths: Sequence[str] = ()) -> str:
    """The name under which a driver's module is imported; ``paths`` are looked through before the interpreter's own."""
    if "." in module or PathFinder.find_spec(module, [*paths, *sys.path]) is not None:
        return module
    sample = f"{SAMPLES}.{module}"
    try:
        return sample if find_spec(sample) is not None else module
    except ImportError:
        return module
