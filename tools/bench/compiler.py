"""Compile the two C programs of the benchmark when this computer has a compiler.

Law: a compiler is never required and nothing compiled outlives the run, however it ends: the programs are kept in
memory files, so no stale binary can ever be measured and none is left behind.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES: Final = Path(__file__).parent / "c"
CANDIDATES: Final = ("cc", "gcc", "clang")
FLAGS: Final = ("-O2", "-std=gnu11")
COMPILE_SECONDS: Final = 20


@dataclass(frozen=True)
class Programs:
    """What could be compiled, and with what; `why_not` says why a program is absent."""

    compiler: str = ""
    why_not: str = ""
    paths: dict[str, Path] = field(default_factory=dict)

    def path(self, name: str) -> Path | None:
        """Return where the program is, or None."""
        return self.paths.get(name)


def find_compiler() -> str | None:
    """Return the path of $CC or of the first usual compiler on PATH."""
    wanted = os.environ.get("CC")
    for name in (wanted,) if wanted else CANDIDATES:
        found = shutil.which(name)
        if found:
            return found
    return None


def _version(compiler: str) -> str:
    command = [compiler, "--version"]
    answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=COMPILE_SECONDS)
    return (answer.stdout.splitlines() or [compiler])[0].strip()


def _in_memory(name: str, content: bytes) -> Path:
    """Put a program into a memory file and return the path by which this process's children can run it."""
    descriptor = os.memfd_create(name)
    with os.fdopen(os.dup(descriptor), "wb") as stream:
        stream.write(content)
    return Path(f"/proc/{os.getpid()}/fd/{descriptor}")


@contextmanager
def compiled(*names: str) -> Iterator[Programs]:
    """Compile the named sources for the length of the block; absent programs are a value, not an error."""
    compiler = find_compiler()
    if compiler is None:
        yield Programs(why_not="no compiler")
        return
    paths: dict[str, Path] = {}
    why_not = ""
    with tempfile.TemporaryDirectory(prefix="ndis-bench-") as directory:
        for name in names:
            target = Path(directory) / name
            command = [compiler, *FLAGS, "-o", str(target), str(SOURCES / f"{name}.c")]
            answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=COMPILE_SECONDS)
            if answer.returncode == 0:
                paths[name] = _in_memory(name, target.read_bytes())
            else:
                first = (answer.stderr.strip().splitlines() or ["no message"])[0]
                why_not = f"{compiler} failed on {name}.c: {first}"
    try:
        yield Programs(compiler=_version(compiler), why_not=why_not, paths=paths)
    finally:
        for path in paths.values():
            os.close(int(path.name))
