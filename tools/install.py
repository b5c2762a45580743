"""Make the virtual environment that the Makefile's commands run in.

This file is run by whatever `python3` the computer has, before anything is installed: it uses the standard library
alone, says in one line what is missing and the command that mends it, and is quick when there is nothing to do.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
ROOM = 32 << 20  # bytes: what an empty environment with pip takes, and more
# Without these the emulator still does its work, with less; what is lost and what brings it back.
DISPENSABLE = {
    "python-pytun": "no TAP wire, the cable in memory serves; mend: apt-get install gcc python3-dev; make clean demo",
    "faster-fifo": "its column is missing in the benchmark; mend: apt-get install g++ python3-dev; make clean bench",
}


def give_up(problem: str) -> NoReturn:
    """End with one line on the error stream."""
    raise SystemExit(f"install: {problem}")


def name_of(requirement: str) -> str:
    """The distribution that a requirement asks for."""
    return re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0].lower()


def requirements(project: dict[str, Any], groups: set[str]) -> list[str]:
    """What is to be installed beside the project itself, in the order of pyproject.toml."""
    wanted = list(project["project"]["dependencies"])
    for group in sorted(groups):
        wanted += project["dependency-groups"][group]
    return wanted


class Environment:
    """The virtual environment, with a stamp that says for which pyproject.toml, interpreter and place it was made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.stamp = folder / "installed.txt"
        self.log = folder / "install.log"
        made_of = (ROOT / "pyproject.toml").read_bytes() + Path(__file__).read_bytes()
        # The place counts: a moved or copied environment still runs the code of the tree that it was made in.
        where = f"{sys.version}\n{sys.executable}\n{folder}\n".encode()
        self.fingerprint = hashlib.sha256(made_of + where).hexdigest()

    def installed(self) -> tuple[set[str], list[str]] | None:
        """The groups that are there and the notes on what is not, or None if the environment must be made."""
        try:
            fingerprint, groups, *notes = self.stamp.read_text().splitlines()
        except (OSError, ValueError):
            return None
        if fingerprint != self.fingerprint or not self.python.exists():
            return None
        return set(groups.split()), notes

    def create(self) -> None:
        """An empty environment with pip in it."""
        if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
            give_up("this Python cannot make virtual environments; mend: apt-get install python3-venv")
        made = subprocess.run(
            [sys.executable, "-m", "venv", "--clear", str(self.folder)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            lines = (made.stderr or made.stdout).strip().splitlines()
            why = lines[-1] if lines else f"exit code {made.returncode}"
            if shutil.disk_usage(self.folder.parent).free < ROOM:  # venv does not pass on what pip has said of it
                why = "the disk is full; mend: make room, df -h tells where"
            give_up(f"cannot make {self.folder}: {why}")

    def pip(self, *arguments: str) -> bool:
        """Run pip install, its words in the log; whether it went well."""
        command = [str(self.python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        command += ["--no-warn-script-location", "--prefer-binary", *arguments]
        with self.log.open("a") as log:
            log.write(f"$ {' '.join(command)}\n")
            log.flush()
            done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
        return done.returncode == 0

    def blame(self) -> str:
        """The line of the log that says why pip failed, with where to read the rest."""
        log = self.log.read_text(errors="replace")
        errors = [line for line in log.splitlines() if line.startswith("ERROR: ")]
        why = errors[-1].removeprefix("ERROR: ") if errors else "pip failed"
        if re.search(r"NewConnectionError|name resolution|from versions: none", log):
            why = "pip does not reach its package index; mend: connect to the network and run the same command again"
        return f"{why} (all of it: {self.log})"

    def fill(self, wanted: list[str]) -> list[str]:
        """Install the project and what it wants; notes on the dispensable things that could not be had."""
        if self.pip("--editable", ".", *wanted):
            return []
        needed = [requirement for requirement in wanted if name_of(requirement) not in DISPENSABLE]
        if not (self.pip(*needed) and self.pip("--no-deps", "--editable", ".")):
            give_up(self.blame())
        return [
            f"not used: {name_of(requirement)} could not be installed: {DISPENSABLE[name_of(requirement)]}"
            for requirement in wanted
            if name_of(requirement) in DISPENSABLE and not self.pip(requirement)
        ]


def main() -> None:
    """Bring the environment up to date with pyproject.toml, and repeat what it has to do without."""
    parser = argparse.ArgumentParser(description="Make the virtual environment of this repository.")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="its folder")
    parser.add_argument("groups", nargs="*", help="dependency groups of pyproject.toml to install as well")
    arguments = parser.parse_args()
    if sys.version_info[:2] < OLDEST:
        give_up(f"Python {sys.version.split()[0]} is too old; mend: make PYTHON=python3.{OLDEST[1]} (or a later one)")
    if not sys.platform.startswith("linux"):
        give_up("the emulator runs on Linux only")
    environment = Environment(Path(os.path.abspath(arguments.venv)))
    there = environment.installed()
    groups = set(arguments.groups)
    if there is None or not groups <= there[0]:
        for folder in (environment.folder, environment.folder.parent):
            if folder.exists() and not os.access(folder, os.W_OK):
                give_up(f"{folder} belongs to another user; mend: sudo make clean, or work in a clone of your own")
        import tomllib  # not in the Pythons that are refused above

        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        print(f"install: making {environment.folder} (once; {environment.log} has the details)", flush=True)
        if there is None:
            environment.create()
        else:
            groups |= there[0]
        notes = environment.fill(requirements(project, groups))
        environment.stamp.write_text("\n".join([environment.fingerprint, " ".join(sorted(groups)), *notes]) + "\n")
    else:
        notes = there[1]
    for note in notes:
        print(note, flush=True)


if __name__ == "__main__":
    main()
