"""The DDI: Microsoft's names only; a package for each part of NDIS, a file for each group of its documents.

Law: a driver says ``from emulator.ndis import *`` as it would include ndis.h.  The functions here are put in place by
``ddi.install``: generated gates in the checked build, the plain functions in the free one.  ``__all__`` holds
Microsoft's names and the few layout types that the declaration of a structure needs.
"""

import sys as _sys

from emulator.ndis.absent import *
from emulator.ndis.adapter_hardware.bus_data import *
from emulator.ndis.adapter_hardware.dma import *
from emulator.ndis.adapter_hardware.hardware import *
from emulator.ndis.adapter_hardware.interrupts import *
from emulator.ndis.adapter_hardware.message_interrupts import *
from emulator.ndis.buffers.data_access import *
from emulator.ndis.buffers.derived_lists import *
from emulator.ndis.buffers.macros import *
from emulator.ndis.buffers.mdl import *
from emulator.ndis.buffers.media_information import *
from emulator.ndis.buffers.net_buffer_contexts import *
from emulator.ndis.buffers.net_buffers import *
from emulator.ndis.buffers.pools import *
from emulator.ndis.control_path.filter_oids import *
from emulator.ndis.control_path.indications import *
from emulator.ndis.control_path.oid_direct import *
from emulator.ndis.control_path.oid_requests import *
from emulator.ndis.control_path.oid_synchronous import *
from emulator.ndis.data_path.datapath import *
from emulator.ndis.data_path.datapath_filters import *
from emulator.ndis.data_path.poll_objects import *
from emulator.ndis.deferred_work.ex_work_items import *
from emulator.ndis.deferred_work.io_work_items import *
from emulator.ndis.deferred_work.kernel_dpcs import *
from emulator.ndis.deferred_work.timer_objects import *
from emulator.ndis.deferred_work.work_items import *
from emulator.ndis.devices.device_objects import *
from emulator.ndis.devices.device_registration import *
from emulator.ndis.devices.irps import *
from emulator.ndis.headers.constants import *
from emulator.ndis.headers.dma_structures import *
from emulator.ndis.headers.enumerations import *
from emulator.ndis.headers.handles import *
from emulator.ndis.headers.io_codes import *
from emulator.ndis.headers.layout import *
from emulator.ndis.headers.object_header import *
from emulator.ndis.headers.offload_structures import *
from emulator.ndis.headers.oids import *
from emulator.ndis.headers.processor_numbers import *
from emulator.ndis.headers.receive_scale_structures import *
from emulator.ndis.headers.roles import *
from emulator.ndis.headers.roles_filter import *
from emulator.ndis.headers.roles_kernel import *
from emulator.ndis.headers.status import *
from emulator.ndis.headers.structures import *
from emulator.ndis.headers.structures_resources import *
from emulator.ndis.plug_and_play.adapters import *
from emulator.ndis.plug_and_play.binding_closes import *
from emulator.ndis.plug_and_play.bindings import *
from emulator.ndis.plug_and_play.driver_object import *
from emulator.ndis.plug_and_play.filter_enumeration import *
from emulator.ndis.plug_and_play.filter_modules import *
from emulator.ndis.plug_and_play.filter_registration import *
from emulator.ndis.plug_and_play.idle import *
from emulator.ndis.plug_and_play.instance_names import *
from emulator.ndis.plug_and_play.intermediate import *
from emulator.ndis.plug_and_play.optional_handlers import *
from emulator.ndis.plug_and_play.pnp import *
from emulator.ndis.plug_and_play.pnp_calls import *
from emulator.ndis.plug_and_play.pnp_reset import *
from emulator.ndis.plug_and_play.pnp_wishes import *
from emulator.ndis.plug_and_play.ports import *
from emulator.ndis.plug_and_play.registration import *
from emulator.ndis.services.configuration import *
from emulator.ndis.services.event_logs import *
from emulator.ndis.services.files import *
from emulator.ndis.services.interface_providers import *
from emulator.ndis.services.kernel_locks import *
from emulator.ndis.services.lists import *
from emulator.ndis.services.lookaside_lists import *
from emulator.ndis.services.memory import *
from emulator.ndis.services.memory_older import *
from emulator.ndis.services.miniport_logs import *
from emulator.ndis.services.processor_information import *
from emulator.ndis.services.processors import *
from emulator.ndis.services.read_write_locks import *
from emulator.ndis.services.strings import *
from emulator.ndis.services.synchronization import *
from emulator.ndis.services.system import *

_NOT_THE_SURFACE = frozenset(
    ("Any", "Callable", "ClassVar", "FunctionType", "Handler", "HasHeader", "IntEnum", "IntFlag", "NamedTuple")
)


def _surface() -> list[str]:
    """Public names that begin with a capital letter and come from here: functions, structures, constants, roles.

    Integers of layouts are those of ctypes.
    """
    return [
        name
        for name, value in vars(_sys.modules[__name__]).items()
        if (name[0].isupper() or name in _LAYOUT)
        and name not in _NOT_THE_SURFACE
        and getattr(value, "__module__", __name__).startswith(("emulator.", "ctypes"))
    ]


_LAYOUT = frozenset(("i32", "i64", "sizeof", "u8", "u16", "u32", "u64"))
__all__ = [*_surface(), "Literal"]  # noqa: PLE0604  (strings, all of them)
