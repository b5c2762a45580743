"""The DDI that this emulator does not have: a driver that uses a documented name, or a macro, is told so by name.

Law: the table is data and gives way to what exists; a name leaves it in the commit that brings the function or role.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Any, Final, NamedTuple, NoReturn

from emulator.kernel.platform import current
from emulator.kernel.stop import driver_frames, stop
from emulator.rules.bugcheck_entries import BUGCODE_NDIS_DRIVER
from emulator.rules.bugcheck_ndis import NdisBugCheck
from emulator.rules.errors import NotImplementedByEmulator


class Why(StrEnum):
    """Why a name is absent."""

    NDIS_5 = "illegal for an NDIS 6 driver"
    ON_PURPOSE = "left out on purpose"
    NOT_YET = "not yet"


class Family(NamedTuple):
    """Names that are absent for one reason."""

    title: str
    why: Why
    reason: str
    names: tuple[str, ...]


def _family(title: str, why: Why, reason: str, names: str) -> Family:
    return Family(title, why, reason, tuple(names.split()))


ABSENT: Final[tuple[Family, ...]] = (
    _family(
        "NDIS 5",
        Why.NDIS_5,
        "packets, buffers and registration of NDIS 5 have no place in an NDIS 6 driver",
        """
        NdisAllocateBuffer NdisAllocateBufferPool NdisAllocatePacketPoolEx NdisCancelSendPackets NdisCloseAdapter
        NdisCopyFromPacketToPacketSafe NdisDeregisterProtocol NdisFreePacketPool NdisGetReceivedPacket
        NdisIMCopySendCompletePerPacketInfo NdisIMCopySendPerPacketInfo NdisIMDeregisterLayeredMiniport
        NdisIMGetDeviceContext NdisIMNotifyPnPEvent NdisIMRegisterLayeredMiniport NdisMDeregisterDevice
        NdisMIndicateStatus NdisMInitializeWrapper NdisMRegisterDevice NdisMRegisterUnloadHandler
        NdisMSetAttributesEx NdisOpenAdapter NdisOpenProtocolConfiguration NdisPacketPoolUsage NdisRegisterProtocol
        NdisRequest NdisScheduleWorkItem NdisTerminateWrapper NdisUnchainBufferAtBack
        """,
    ),
    _family(
        "CoNDIS",
        Why.ON_PURPOSE,
        "connection-oriented media (ATM, call managers) are left out: nobody has the hardware any more",
        """
        NdisClAddParty NdisClCloseAddressFamily NdisClCloseCall NdisClDeregisterSap NdisClDropParty
        NdisClGetProtocolVcContextFromTapiCallId NdisClIncomingCallComplete NdisClMakeCall NdisClModifyCallQoS
        NdisClNotifyCloseAddressFamilyComplete NdisClOpenAddressFamilyEx NdisClRegisterSap NdisCmActivateVc
        NdisCmAddPartyComplete NdisCmCloseAddressFamilyComplete NdisCmCloseCallComplete NdisCmDeactivateVc
        NdisCmDeregisterSapComplete NdisCmDispatchCallConnected NdisCmDispatchIncomingCall
        NdisCmDispatchIncomingCallQoSChange NdisCmDispatchIncomingCloseCall NdisCmDispatchIncomingDropParty
        NdisCmDropPartyComplete NdisCmMakeCallComplete NdisCmModifyCallQoSComplete NdisCmNotifyCloseAddressFamily
        NdisCmOpenAddressFamilyComplete NdisCmRegisterAddressFamilyEx NdisCmRegisterSapComplete
        NdisCoAssignInstanceName NdisCoCreateVc NdisCoDeleteVc NdisCoGetTapiCallId NdisCoOidRequest
        NdisCoOidRequestComplete NdisCoSendNetBufferLists NdisMCmActivateVc NdisMCmAddPartyComplete
        NdisMCmCloseAddressFamilyComplete NdisMCmCloseCallComplete NdisMCmCreateVc NdisMCmDeactivateVc
        NdisMCmDeleteVc NdisMCmDeregisterSapComplete NdisMCmDispatchCallConnected NdisMCmDispatchIncomingCall
        NdisMCmDispatchIncomingCallQoSChange NdisMCmDispatchIncomingCloseCall NdisMCmDispatchIncomingDropParty
        NdisMCmDropPartyComplete NdisMCmMakeCallComplete NdisMCmModifyCallQoSComplete
        NdisMCmNotifyCloseAddressFamily NdisMCmOidRequest NdisMCmOidRequestComplete NdisMCmOpenAddressFamilyComplete
        NdisMCmRegisterAddressFamilyEx NdisMCmRegisterSapComplete NdisMCoActivateVcComplete
        NdisMCoDeactivateVcComplete NdisMCoIndicateReceiveNetBufferLists NdisMCoIndicateStatusEx
        NdisMCoOidRequestComplete NdisMCoSendNetBufferListsComplete MINIPORT_CO_ACTIVATE_VC MINIPORT_CO_CREATE_VC
        MINIPORT_CO_DEACTIVATE_VC MINIPORT_CO_DELETE_VC MINIPORT_CO_OID_REQUEST MINIPORT_CO_SEND_NET_BUFFER_LISTS
        PROTOCOL_CL_ADD_PARTY_COMPLETE PROTOCOL_CL_CALL_CONNECTED PROTOCOL_CL_CLOSE_AF_COMPLETE
        PROTOCOL_CL_CLOSE_CALL_COMPLETE PROTOCOL_CL_DEREGISTER_SAP_COMPLETE PROTOCOL_CL_DROP_PARTY_COMPLETE
        PROTOCOL_CL_INCOMING_CALL PROTOCOL_CL_INCOMING_CALL_QOS_CHANGE PROTOCOL_CL_INCOMING_CLOSE_CALL
        PROTOCOL_CL_INCOMING_DROP_PARTY PROTOCOL_CL_MAKE_CALL_COMPLETE PROTOCOL_CL_MODIFY_CALL_QOS_COMPLETE
        PROTOCOL_CL_NOTIFY_CLOSE_AF PROTOCOL_CL_OPEN_AF_COMPLETE_EX PROTOCOL_CL_REGISTER_SAP_COMPLETE
        PROTOCOL_CM_ACTIVATE_VC_COMPLETE PROTOCOL_CM_ADD_PARTY PROTOCOL_CM_CLOSE_AF PROTOCOL_CM_CLOSE_CALL
        PROTOCOL_CM_DEACTIVATE_VC_COMPLETE PROTOCOL_CM_DEREGISTER_SAP PROTOCOL_CM_DROP_PARTY
        PROTOCOL_CM_INCOMING_CALL_COMPLETE PROTOCOL_CM_MAKE_CALL PROTOCOL_CM_MODIFY_QOS_CALL
        PROTOCOL_CM_NOTIFY_CLOSE_AF_COMPLETE PROTOCOL_CM_OPEN_AF PROTOCOL_CM_REG_SAP PROTOCOL_CO_AF_REGISTER_NOTIFY
        PROTOCOL_CO_CREATE_VC PROTOCOL_CO_DELETE_VC PROTOCOL_CO_OID_REQUEST PROTOCOL_CO_OID_REQUEST_COMPLETE
        PROTOCOL_CO_RECEIVE_NET_BUFFER_LISTS PROTOCOL_CO_SEND_NET_BUFFER_LISTS_COMPLETE PROTOCOL_CO_STATUS_EX
        """,
    ),
    _family(
        "PacketDirect",
        Why.ON_PURPOSE,
        "a second data path beside NET_BUFFER_LISTs, for one kind of switch",
        """
        NDIS_PD_ALLOCATE_COUNTER NDIS_PD_ALLOCATE_QUEUE NDIS_PD_CLEAR_RECEIVE_FILTER NDIS_PD_FLUSH_QUEUE
        NDIS_PD_FREE_COUNTER NDIS_PD_FREE_QUEUE NDIS_PD_POST_AND_DRAIN_BUFFER_LIST NDIS_PD_QUERY_COUNTER
        NDIS_PD_QUERY_QUEUE_DEPTH NDIS_PD_SET_RECEIVE_FILTER
        """,
    ),
    _family(
        "Hyper-V switch",
        Why.ON_PURPOSE,
        "the extensible switch belongs to a hypervisor, not to an adapter",
        """
        NdisFGetOptionalSwitchHandlers NDIS_DECLARE_SWITCH_NET_BUFFER_LIST_CONTEXT_TYPE
        NDIS_SWITCH_ADD_NET_BUFFER_LIST_DESTINATION NDIS_SWITCH_ALLOCATE_NET_BUFFER_LIST_FORWARDING_CONTEXT
        NDIS_SWITCH_COPY_NET_BUFFER_LIST_INFO NDIS_SWITCH_DEREFERENCE_SWITCH_NIC NDIS_SWITCH_DEREFERENCE_SWITCH_PORT
        NDIS_SWITCH_FREE_NET_BUFFER_LIST_FORWARDING_CONTEXT NDIS_SWITCH_GET_NET_BUFFER_LIST_DESTINATIONS
        NDIS_SWITCH_GET_NET_BUFFER_LIST_SWITCH_CONTEXT NDIS_SWITCH_GROW_NET_BUFFER_LIST_DESTINATIONS
        NDIS_SWITCH_PORT_DESTINATION_AT_ARRAY_INDEX NDIS_SWITCH_REFERENCE_SWITCH_NIC
        NDIS_SWITCH_REFERENCE_SWITCH_PORT NDIS_SWITCH_REPORT_FILTERED_NET_BUFFER_LISTS
        NDIS_SWITCH_SET_NET_BUFFER_LIST_SOURCE NDIS_SWITCH_SET_NET_BUFFER_LIST_SWITCH_CONTEXT
        NDIS_SWITCH_UPDATE_NET_BUFFER_LIST_DESTINATIONS NET_BUFFER_LIST_SWITCH_FORWARDING_DETAIL
        """,
    ),
    _family(
        "SR-IOV and queues of virtual machines",
        Why.ON_PURPOSE,
        "there is no hypervisor whose machines could share the adapter, and no PCI function to divide among them",
        """
        NdisAllocateSharedMemory NdisFreeSharedMemory NdisMEnableVirtualization NdisMGetVirtualFunctionBusData
        NdisMGetVirtualFunctionLocation NdisMInvalidateConfigBlock NdisMQueryProbedBars NdisMReadConfigBlock
        NdisMSetVirtualFunctionBusData NdisMWriteConfigBlock ALLOCATE_SHARED_MEMORY_HANDLER
        FREE_SHARED_MEMORY_HANDLER NDIS_MAKE_RID NET_BUFFER_LIST_RECEIVE_FILTER_ID
        NET_BUFFER_LIST_RECEIVE_FILTER_VPORT_ID NET_BUFFER_LIST_RECEIVE_QUEUE_ID
        """,
    ),
    _family(
        "port I/O and raw registers",
        Why.ON_PURPOSE,
        "the registers of the virtual adapter are members of Vnic, each read and written in one step; it has no ports",
        """
        NdisMDeregisterIoPortRange NdisMRegisterIoPortRange NdisRawReadPortBufferUchar NdisRawReadPortBufferUlong
        NdisRawReadPortBufferUshort NdisRawReadPortUchar NdisRawReadPortUlong NdisRawReadPortUshort
        NdisRawWritePortBufferUchar NdisRawWritePortBufferUlong NdisRawWritePortBufferUshort NdisRawWritePortUchar
        NdisRawWritePortUlong NdisRawWritePortUshort NdisReadRegisterUchar NdisReadRegisterUlong
        NdisReadRegisterUshort NdisWriteRegisterUchar NdisWriteRegisterUlong NdisWriteRegisterUshort
        """,
    ),
    _family(
        "slave DMA",
        Why.ON_PURPOSE,
        "slave DMA channels belong to the DMA controller of an ISA bus, and there is none; an adapter masters its bus",
        """
        NdisMCompleteDmaTransfer NdisMDeregisterDmaChannel NdisMReadDmaCounter NdisMRegisterDmaChannel
        NdisMSetupDmaTransfer
        """,
    ),
    _family(
        "use of processors",
        Why.ON_PURPOSE,
        "a processor is a process that sleeps when it has nothing to do: nobody counts its idle time",
        """
        NdisGetCurrentProcessorCounts NdisGetCurrentProcessorCpuUsage
        """,
    ),
    _family(
        "macros that write a variable",
        Why.ON_PURPOSE,
        "Python hands over what a variable holds, and not the variable: write Flags |= Flag, or Flags &= ~Flag",
        """
        NDIS_CLEAR_SEND_FLAG NDIS_SET_RECEIVE_FLAG NDIS_SET_RETURN_FLAG NDIS_SET_SEND_COMPLETE_FLAG NDIS_SET_SEND_FLAG
        """,
    ),
)


PARTIAL: Final[dict[str, str]] = {
    "MINIPORT_PNP_IRP": "MiniportFilterResourceRequirements takes messages away; none are added, nor moved",
    "NdisSetOptionalHandlers": "miniports: PnP, selective suspend; filter modules: their data handlers",
    "NdisMSetMiniportAttributes": "registration, general and offload attributes",
    "NdisFreeMemory": "nonpaged pool only: MemoryFlags is 0",
    "NdisOpenConfigurationEx": "the keys of adapters, bindings and drivers: Flags is 0",
}
"""What exists with a part left out, and which part; whoever brings the part takes the line away."""


class Absent:
    """A name of the WDK without anything behind it: calling it, or decorating with it, says so."""

    __slots__ = ("__name__", "family")

    def __init__(self, name: str, family: Family) -> None:
        self.__name__ = name
        self.family = family

    def __repr__(self) -> str:
        return f"<{self.__name__}: {self.family.why}, {self.family.reason}>"

    def __call__(self, *arguments: Any) -> NoReturn:
        """Raise NotImplementedByEmulator with the line of the call; for NDIS 5 the stop that Windows has for it."""
        del arguments
        frame = sys._getframe(1)
        where = f"{_short_path(frame.f_code.co_filename)}:{frame.f_lineno} in {frame.f_code.co_qualname}"
        context = getattr(current, "context", None)
        if self.family.why is Why.NDIS_5 and context is not None and context.driver:
            stop(
                BUGCODE_NDIS_DRIVER,
                NdisBugCheck.INVALID_NDIS5_CALL,
                text=f"{self.__name__} is a call of NDIS 5; an NDIS 6 driver may not make it. Called from {where}.",
                ddi=self.__name__,
            )
        error = NotImplementedByEmulator(self.__name__, where)
        error.add_note(
            f"{self.family.title[0].upper()}{self.family.title[1:]}, {self.family.why}: {self.family.reason}."
        )
        raise error


def not_implemented(name: str, what: str) -> NoReturn:
    """A part of a DDI that this emulator does not have: says which, and the driver's line."""
    lines = driver_frames(current.context)
    raise NotImplementedByEmulator(f"{name} with {what}", lines[-1].partition(": ")[0] if lines else "")


def _short_path(path: str) -> str:
    context = getattr(current, "context", None)
    return path if context is None else context.machine.images.short_path(path)


_NAMES: Final = {name: Absent(name, family) for family in ABSENT for name in family.names}
globals().update(_NAMES)

__all__ = list(_NAMES)


def absent_family(name: str) -> Family | None:
    """The family of an absent name, or None for one that exists or that nobody documents."""
    absent = _NAMES.get(name)
    return None if absent is None else absent.family
