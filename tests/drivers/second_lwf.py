"""ndislwf once more, under another name, so that a stack can have two of it."""

from pathlib import Path

import sample_drivers.ndislwf

source = Path(sample_drivers.ndislwf.__file__).read_text(encoding="utf-8")
exec(compile(source, __file__, "exec", dont_inherit=True), globals())
