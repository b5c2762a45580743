"""Quote sample_drivers/hello.py in README.md: its length, its receive handler and what answers the frames.

Law: the README shows the file's own text, or a test says so.  ``python -m tools.readme`` writes what it quotes.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
README: Final = ROOT / "README.md"
QUOTED: Final = ROOT / "sample_drivers/hello.py"
FUNCTIONS: Final = ("HelloReceive", "HelloAnswer")
MEND: Final = "python -m tools.readme"
_PLACE: Final = re.compile(r"(?s)(?P<before>protocol driver of )\d+(?P<between> lines.*?```python\n).*?(?=```\n)")


def functions(source: str) -> str:
    """The quoted functions with their decorators, as they stand in the file."""
    lines = source.splitlines()
    found = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    texts = []
    for node in (found[name] for name in FUNCTIONS):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        texts.append("\n".join(lines[first - 1 : node.end_lineno]) + "\n")
    return "\n\n".join(texts)


def quoted(readme: str, source: str) -> str:
    """The README with the driver's own text and length in it."""
    length = len(source.splitlines())
    text, places = _PLACE.subn(lambda at: f"{at['before']}{length}{at['between']}{functions(source)}", readme, count=1)
    if not places:
        raise ValueError(f"{README.name} has no place for {QUOTED.name}: {_PLACE.pattern}")
    return text


def main() -> int:
    """Write the README."""
    text = quoted(README.read_text(encoding="utf-8"), QUOTED.read_text(encoding="utf-8"))
    README.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
