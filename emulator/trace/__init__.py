"""What happened in a machine, in order: the trace, its hash, the DDI calls of each context and lost updates.

Law: values in, values out; a trace never looks at the machine and changes nothing in it.
"""

from emulator.trace.calls import call_recorder, recorded_calls
from emulator.trace.events import Event, EventKind
from emulator.trace.recording import Trace, first_difference
from emulator.trace.updates import LostUpdate, Place, UpdateWatch

__all__ = [
    "Event",
    "EventKind",
    "LostUpdate",
    "Place",
    "Trace",
    "UpdateWatch",
    "call_recorder",
    "first_difference",
    "recorded_calls",
]
