"""The example of the documentation runs as it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "simulation.md"


def test_the_example_of_the_page_on_the_simulated_machine() -> None:
    example = PAGE.read_text(encoding="utf-8").split("```python")[1].split("```")[0]
    assert "range(1000)" in example
    scope: dict[str, Any] = {}
    exec(compile(example.replace("range(1000)", "range(3)"), str(PAGE), "exec"), scope)
    assert scope["found"].failure is None
    assert scope["found"].executions == 3
