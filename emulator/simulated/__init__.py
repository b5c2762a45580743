"""The simulated platform: every context a greenlet of one process, virtual time, and a schedule that can be replayed.

Law: the same driver and the same kernel as on the live platform; whatever is chosen here comes from the scheduler.
"""

from emulator.simulated.explore import Exploration, Failure, LostUpdateFound, explore, replay
from emulator.simulated.schedule import Schedule, ScheduleError
from emulator.simulated.simulation import NotReached, Simulation

__all__ = [
    "Exploration",
    "Failure",
    "LostUpdateFound",
    "NotReached",
    "Schedule",
    "ScheduleError",
    "Simulation",
    "explore",
    "replay",
]
