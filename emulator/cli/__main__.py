"""`python -m emulator.cli` is `ndisemu`.

Law: nothing but the call.
"""

from __future__ import annotations

from emulator.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
