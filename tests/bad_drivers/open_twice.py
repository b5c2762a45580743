"""Opens the adapter twice in one bind."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, ProtocolDriver
from tests.bad_drivers.include import include, is_repaired

REPAIRED = is_repaired(__name__)
include(globals(), "protocol")


def OnBind(binding: BINDING, bind_context: BindContext) -> None:
    given = NDIS_OPEN_PARAMETERS(
        Header=NDIS_OBJECT_HEADER(0x87, 1, NDIS_SIZEOF_OPEN_PARAMETERS_REVISION_1),
        AdapterName="adapter0",
        MediumArray=(NDIS_MEDIUM.NdisMedium802_3,),
        MediumArraySize=1,
    )
    if not REPAIRED and ProtocolDriver is not None:
        NdisOpenAdapterEx(ProtocolDriver, binding, given, bind_context)  # stop
