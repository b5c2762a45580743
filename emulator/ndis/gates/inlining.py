"""A gate inside the function that it guards: the checked build of what is called at every frame, without a second call.

Law: the result does what a gate around the function does; where there is no source to read, there is a gate around it.
"""

from __future__ import annotations
import __future__

import ast
import itertools
import linecache
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_CONTEXT = "context = current.context"
_SITE = "site = context.nowhere"
"""What a function says behind it that keeps its call site: nobody knows it, where no prelude has looked it up."""


def inlined(function: Callable[..., Any], prelude: str, names: dict[str, Any]) -> Callable[..., Any] | None:
    """The function with ``prelude`` behind its ``context = current.context``, or in front of all where it has none.

    ``names`` are what the prelude needs; they are put beside the function's own globals.  None without a source,
    or for a function that closes over something.
    """
    if not isinstance(function, types.FunctionType) or function.__closure__:
        return None
    node = _parsed(function)
    if node is None:
        return None
    node.decorator_list = []
    place = next((at for at, statement in enumerate(node.body) if ast.unparse(statement) == _CONTEXT), None)
    if place is None:
        prelude = f"{_CONTEXT}\n{prelude}"
        place = 0 if ast.get_docstring(node) else -1
    elif "site = " in prelude and ast.unparse(node.body[place + 1]) == _SITE:
        del node.body[place + 1]
    added = ast.parse(prelude).body
    for statement in added:
        for inner in ast.walk(statement):
            ast.copy_location(inner, node)
    node.body[place + 1 : place + 1] = added
    flags = __future__.annotations.compiler_flag
    module = ast.Module(body=[node], type_ignores=[])
    compiled = compile(module, function.__code__.co_filename, "exec", flags=flags, dont_inherit=True)
    code = next(c for c in compiled.co_consts if isinstance(c, types.CodeType) and c.co_name == function.__name__)
    for name, value in names.items():
        if function.__globals__.setdefault(name, value) is not value:
            return None
    made = types.FunctionType(code, function.__globals__, function.__name__, function.__defaults__)
    made.__qualname__ = function.__qualname__
    return made


def _parsed(function: types.FunctionType) -> ast.FunctionDef | None:
    """The function's source as a tree with its own lines; None where there is none, or where it is inside another.

    Its end is the next line that stands as far to the left as its first: inspect finds it too, by every token, and that
    is a tenth of a machine's start.
    """
    first = function.__code__.co_firstlineno - 1
    lines = linecache.getlines(function.__code__.co_filename, function.__globals__)[first:]
    at = next((place for place, line in enumerate(lines) if line.startswith("def ")), None)
    if at is None or any(line[:1].isspace() for line in lines[:1]):
        return None
    body = itertools.takewhile(lambda line: line[0] in " )\n", lines[at + 1 :])
    # As many empty lines in front as the file has lines there: then the tree's lines are the file's.
    tree = ast.parse("\n" * first + "".join(lines[: at + 1]) + "".join(body))
    node = tree.body[0]
    return node if isinstance(node, ast.FunctionDef) and node.name == function.__name__ else None
