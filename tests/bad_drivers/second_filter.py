"""The small filter once more, as a driver of its own, so that a stack can have two."""

from __future__ import annotations

from tests.bad_drivers.include import include

include(globals(), "filter")
