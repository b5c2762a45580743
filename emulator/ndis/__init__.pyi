# What a type checker sees of the surface: the same modules as __init__.py.  In a stub a star import exports.
from typing import Literal as Literal

from emulator.ndis.adapters import *
from emulator.ndis.bindings import *
from emulator.ndis.configuration import *
from emulator.ndis.constants import *
from emulator.ndis.data_access import *
from emulator.ndis.datapath import *
from emulator.ndis.device_objects import *
from emulator.ndis.driver_object import *
from emulator.ndis.enumerations import *
from emulator.ndis.handles import *
from emulator.ndis.hardware import *
from emulator.ndis.indications import *
from emulator.ndis.interrupts import *
from emulator.ndis.io_work_items import *
from emulator.ndis.layout import *
from emulator.ndis.macros import *
from emulator.ndis.mdl import *
from emulator.ndis.memory import *
from emulator.ndis.net_buffer_contexts import *
from emulator.ndis.net_buffers import *
from emulator.ndis.object_header import *
from emulator.ndis.oid_requests import *
from emulator.ndis.oids import *
from emulator.ndis.pnp import *
from emulator.ndis.pools import *
from emulator.ndis.read_write_locks import *
from emulator.ndis.registration import *
from emulator.ndis.roles import *
from emulator.ndis.status import *
from emulator.ndis.structures import *
from emulator.ndis.synchronization import *
from emulator.ndis.system import *
from emulator.ndis.timer_objects import *
from emulator.ndis.work_items import *
