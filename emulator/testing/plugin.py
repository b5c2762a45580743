"""The pytest plug-in: the fixture ``lab``, and when it looks for what a test has left behind.

Law: only pytest is imported here; everything else when a test asks for ``lab``.  Where nothing else was built upon the
fixture it looks at the end of the test itself, so that a leak is a failure of the test; else when the fixture ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from emulator.testing.lab import Lab


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A laboratory: ``lab.start("package.miniport")`` starts a machine and gives its adapter.

    When the test is over every machine is ended in order; a stop that nobody expected, and processes, interfaces,
    descriptors, shared memory or pool memory that are left, fail the test by name.
    """
    from emulator.testing.lab import Lab

    made = Lab(request.node.name)
    try:
        yield made
        _complain(made)
    finally:
        made.close()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Look right after the test's own code, unless another fixture still works with the laboratory."""
    try:
        result = yield
    except BaseException as error:
        used = _laboratory(item)
        if used is not None:
            _tell(item, used, str(error))
        raise
    used = _laboratory(item)
    if used is not None and not _shared(item):
        _complain(used)
    return result


def _laboratory(item: pytest.Item) -> Lab | None:
    return getattr(item, "funcargs", {}).get("lab")


def _shared(item: pytest.Item) -> bool:
    """Is another fixture of the test built upon ``lab``?"""
    known: dict[str, Any] = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    return any("lab" in definition.argnames for definitions in known.values() for definition in definitions)


def _complain(lab: Lab) -> None:
    problems = lab.finish()
    if problems:
        pytest.fail("\n\n".join(problems), pytrace=False)


def _tell(item: pytest.Item, lab: Lab, told: str) -> None:
    """The test has failed by itself: what its machines have to say, and it has not told, stands beside it."""
    problems = [problem for problem in lab.finish() if problem not in told]
    if problems:
        item.add_report_section("call", "lab", "\n\n".join(problems))
