"""The DDI: Microsoft's names only; one file per documentation group.

Law: a driver says ``from emulator.ndis import *`` as it would include ndis.h.  The functions here are put in place by
``ddi.install``: generated gates in the checked build, the plain functions in the free one.  ``__all__`` holds
Microsoft's names and the few layout types that the declaration of a structure needs.
"""

import sys as _sys

from emulator.ndis.absent import *
from emulator.ndis.adapters import *
from emulator.ndis.binding_closes import *
from emulator.ndis.bindings import *
from emulator.ndis.bus_data import *
from emulator.ndis.configuration import *
from emulator.ndis.constants import *
from emulator.ndis.data_access import *
from emulator.ndis.datapath import *
from emulator.ndis.datapath_filters import *
from emulator.ndis.derived_lists import *
from emulator.ndis.device_objects import *
from emulator.ndis.device_registration import *
from emulator.ndis.dma import *
from emulator.ndis.dma_structures import *
from emulator.ndis.driver_object import *
from emulator.ndis.enumerations import *
from emulator.ndis.event_logs import *
from emulator.ndis.ex_work_items import *
from emulator.ndis.files import *
from emulator.ndis.filter_enumeration import *
from emulator.ndis.filter_modules import *
from emulator.ndis.filter_oids import *
from emulator.ndis.filter_registration import *
from emulator.ndis.handles import *
from emulator.ndis.hardware import *
from emulator.ndis.indications import *
from emulator.ndis.instance_names import *
from emulator.ndis.interface_providers import *
from emulator.ndis.intermediate import *
from emulator.ndis.interrupts import *
from emulator.ndis.io_codes import *
from emulator.ndis.io_work_items import *
from emulator.ndis.irps import *
from emulator.ndis.kernel_dpcs import *
from emulator.ndis.kernel_locks import *
from emulator.ndis.layout import *
from emulator.ndis.lists import *
from emulator.ndis.lookaside_lists import *
from emulator.ndis.macros import *
from emulator.ndis.mdl import *
from emulator.ndis.media_information import *
from emulator.ndis.memory import *
from emulator.ndis.memory_older import *
from emulator.ndis.message_interrupts import *
from emulator.ndis.miniport_logs import *
from emulator.ndis.net_buffer_contexts import *
from emulator.ndis.net_buffers import *
from emulator.ndis.object_header import *
from emulator.ndis.oid_direct import *
from emulator.ndis.oid_requests import *
from emulator.ndis.oid_synchronous import *
from emulator.ndis.oids import *
from emulator.ndis.optional_handlers import *
from emulator.ndis.pnp import *
from emulator.ndis.pnp_calls import *
from emulator.ndis.pnp_reset import *
from emulator.ndis.pnp_wishes import *
from emulator.ndis.pools import *
from emulator.ndis.ports import *
from emulator.ndis.processor_information import *
from emulator.ndis.processors import *
from emulator.ndis.read_write_locks import *
from emulator.ndis.registration import *
from emulator.ndis.roles import *
from emulator.ndis.roles_filter import *
from emulator.ndis.roles_kernel import *
from emulator.ndis.status import *
from emulator.ndis.strings import *
from emulator.ndis.structures import *
from emulator.ndis.synchronization import *
from emulator.ndis.system import *
from emulator.ndis.timer_objects import *
from emulator.ndis.work_items import *

_NOT_THE_SURFACE = frozenset(
    ("Any", "Callable", "ClassVar", "FunctionType", "Handler", "HasHeader", "IntEnum", "IntFlag", "NamedTuple")
)


def _surface() -> list[str]:
    """Public names that begin with a capital letter and come from here: functions, structures, constants, roles."""
    return [
        name
        for name, value in vars(_sys.modules[__name__]).items()
        if (name[0].isupper() or name in _LAYOUT)
        and name not in _NOT_THE_SURFACE
        and getattr(value, "__module__", __name__).startswith("emulator.")
    ]


_LAYOUT = frozenset(("i32", "i64", "sizeof", "u8", "u16", "u32", "u64"))
__all__ = [*_surface(), "Literal", *sorted(_LAYOUT - {"sizeof"})]  # noqa: PLE0604  (strings, all of them)
