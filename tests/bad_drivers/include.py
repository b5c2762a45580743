"""``include`` gives a bad driver the common part of a small driver, as C's #include would: as its own functions.

Law: a driver is one file, and what it includes runs under its name with lines from 1001 on; the same file loaded from
``tests.bad_drivers.repaired`` has REPAIRED set and keeps every rule.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent
INCLUDED_FROM: Final = 1000


def include(namespace: dict[str, Any], base: str | Path) -> None:
    """Execute ``base_<base>.py``, or a file, in a module's namespace; what it defines after that replaces the hooks."""
    doc = namespace.get("__doc__")
    path = base if isinstance(base, Path) else FOLDER / f"base_{base}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    ast.increment_lineno(tree, INCLUDED_FROM)
    exec(compile(tree, namespace["__file__"], "exec", dont_inherit=True), namespace)
    namespace["__doc__"] = doc


def is_repaired(name: str) -> bool:
    """Was the module of this name loaded as the repaired twin?"""
    return ".repaired." in name
