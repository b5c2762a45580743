"""What all tests share: the skip of tests that need a TAP, and one line on what this run could not use.

A test is never left out silently: whatever is skipped is counted in the closing line with its reason.
"""

from __future__ import annotations

import functools
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import settings

pytest_plugins = ["emulator.testing.plugin", "pytester"]

# How long an example takes says something about the computer, and nothing about the code.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# A process of its own, because the probe enters a network namespace and holds a device until it ends.
_PROBE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x40000000):
    raise SystemExit(f"no network namespace: {os.strerror(ctypes.get_errno())} (run as root)")
try:
    import pytun
    pytun.TunTapDevice(name="probe0", flags=pytun.IFF_TAP | pytun.IFF_NO_PI)
except ImportError:
    raise SystemExit("python-pytun is not installed")
except (OSError, pytun.Error) as problem:
    raise SystemExit(f"no TAP device: {problem}")
"""


@functools.cache
def missing_for_tap() -> str | None:
    """What this computer lacks for a TAP in a network namespace, or None."""
    probe = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, check=False)
    return probe.stderr.strip().splitlines()[-1] if probe.returncode else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked `tap` where there is none, with the reason."""
    if item.get_closest_marker("tap") is not None and (missing := missing_for_tap()) is not None:
        pytest.skip(f"needs a TAP: {missing}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line what the run could not use and why."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple):
            reasons[str(report.longrepr[2]).removeprefix("Skipped: ")] += 1
    if reasons:
        told = "; ".join(f"{reason} ({count} tests)" for reason, count in reasons.most_common())
        terminalreporter.write_line(f"not used: {told}")
