"""Makes every bad driver importable a second time, as its repaired twin: ``tests.bad_drivers.repaired.<name>``.

Law: the same file; only its name tells it (``include.is_repaired``) to keep the rule that it breaks otherwise.
"""

from pathlib import Path

__path__ = [str(Path(__file__).parent)]
