"""How far a machine's life has come, as its host sees it.

Law: one word at a time; whoever changes it knows what the others do in it.
"""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """How far a machine's life has come."""

    LOADING = "loading"
    STARTING = "starting"
    RUNNING = "running"
    CHANGING = "loading a driver"
    ENDING = "ending"
    LEAVING = "leaving"
    STOPPING = "stopping"
    GONE = "gone"
