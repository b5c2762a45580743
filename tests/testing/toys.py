"""Test files of an imaginary user, as text: each plants one thing that the plug-in must find.

Law: the machines in them run the toy floor of tests/host, so that what is tried here is the plug-in alone.
"""

from __future__ import annotations

import textwrap

from tests.host.machines import DRIVER

HEAD = f"""
import os, socket, subprocess, sys, threading

TOY = {DRIVER!r}


def toy(lab, **options):
    return lab.start(TOY, **{{"loader": "tests.host.toy", "passive_workers": 1, "pool_bytes": 1 << 20,
                              "frame_slots": 64, "work_items": 256, **options}})
"""


def user_test(body: str) -> str:
    """A test file with one test ``test_it(lab)`` of this body, or with the functions that the text defines."""
    text = textwrap.dedent(body).strip()
    if not text.startswith(("def ", "import ", "@", "from ")):
        text = "def test_it(lab):\n" + textwrap.indent(text, "    ")
    return HEAD + "\n\n" + text + "\n"
