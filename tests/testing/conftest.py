"""A user's project, run inside this process: quick, and what it leaves behind is at hand to be cleaned up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import emulator.host.console
import emulator.testing.lab  # noqa: F401  imported here, so that the inner runs do not import it anew each time
from tests.testing.toys import user_test

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def outcome(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, str]]:
    """Run a user's test file: the counted outcomes and everything that pytest printed."""
    monkeypatch.setenv("PYTEST_PLUGINS", "emulator.testing.plugin")

    def run(body: str, *arguments: str) -> tuple[Any, str]:
        pytester.makepyfile(user_test(body))
        result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments)
        return result.parseoutcomes(), result.stdout.str()

    return run
