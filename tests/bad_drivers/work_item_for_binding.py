"""A protocol allocates a work item for its binding: it has no device object for that."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnBind(binding: BINDING, bind_context: BindContext) -> None:
    if not REPAIRED:
        NdisAllocateIoWorkItem(binding.Handle)  # type: ignore[arg-type]  # stop
