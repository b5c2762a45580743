"""Makes every racing driver importable a second time, as its repaired twin: ``tests.races.repaired.<name>``.

Law: the same file; only the name by which it is loaded tells it to be correct.
"""

from pathlib import Path

__path__ = [str(Path(__file__).with_name("drivers"))]
