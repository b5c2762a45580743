"""A protocol whose every pause asks beside the regular path: a direct OID request and a synchronous one."""

from __future__ import annotations

from emulator.ndis import *
from tests.bad_drivers.base_protocol import BINDING, ProtocolFreeRequest, ProtocolRequest
from tests.bad_drivers.include import include

include(globals(), "protocol")


def OnPause(binding: BINDING) -> None:
    direct = ProtocolRequest(
        binding, NDIS_REQUEST_TYPE.NdisRequestSetInformation, OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA
    )
    synchronous = ProtocolRequest(
        binding, NDIS_REQUEST_TYPE.NdisRequestMethod, OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES
    )
    NdisResetEvent(binding.Asked)
    before = NDIS_RAISE_IRQL_TO_DISPATCH()
    status = NdisDirectOidRequest(binding.Handle, direct)
    NdisSynchronousOidRequest(binding.Handle, synchronous)
    NDIS_LOWER_IRQL(before, DISPATCH_LEVEL)
    ProtocolFreeRequest(synchronous)
    if status != NDIS_STATUS_PENDING or NdisWaitEvent(binding.Asked, 100):
        ProtocolFreeRequest(direct)
