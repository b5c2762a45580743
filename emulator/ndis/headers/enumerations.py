"""Microsoft's C enumerations: a type for annotations and traces, and each enumerator under its own global name as in C.

Law: every name is Microsoft's and every value is the header's. A member is an int, so a plain number from the arena
compares with it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class NDIS_HALT_ACTION(IntEnum):
    """Why MiniportHaltEx is called."""

    NdisHaltDeviceDisabled = 0
    NdisHaltDeviceInstanceDeInitialized = 1
    NdisHaltDevicePoweredDown = 2
    NdisHaltDeviceSurpriseRemoved = 3
    NdisHaltDeviceFailed = 4
    NdisHaltDeviceInitializationFailed = 5
    NdisHaltDeviceStopped = 6


class NDIS_SHUTDOWN_ACTION(IntEnum):
    """Why MiniportShutdownEx is called."""

    NdisShutdownPowerOff = 0
    NdisShutdownBugCheck = 1


class NDIS_DEVICE_PNP_EVENT(IntEnum):
    """Device PnP events."""

    NdisDevicePnPEventQueryRemoved = 0
    NdisDevicePnPEventRemoved = 1
    NdisDevicePnPEventSurpriseRemoved = 2
    NdisDevicePnPEventQueryStopped = 3
    NdisDevicePnPEventStopped = 4
    NdisDevicePnPEventPowerProfileChanged = 5
    NdisDevicePnPEventFilterListChanged = 6


class NDIS_POWER_PROFILE(IntEnum):
    """What NdisDevicePnPEventPowerProfileChanged tells."""

    NdisPowerProfileBattery = 0
    NdisPowerProfileAcOnLine = 1


class NET_PNP_EVENT_CODE(IntEnum):
    """Network PnP events."""

    NetEventSetPower = 0
    NetEventQueryPower = 1
    NetEventQueryRemoveDevice = 2
    NetEventCancelRemoveDevice = 3
    NetEventReconfigure = 4
    NetEventBindList = 5
    NetEventBindsComplete = 6
    NetEventPnPCapabilities = 7
    NetEventPause = 8
    NetEventRestart = 9
    NetEventPortActivation = 10
    NetEventPortDeactivation = 11
    NetEventIMReEnableDevice = 12
    NetEventNDKEnable = 13
    NetEventNDKDisable = 14
    NetEventFilterPreDetach = 15
    NetEventBindFailed = 16
    NetEventSwitchActivate = 17
    NetEventAllowBindsAbove = 18
    NetEventInhibitBindsAbove = 19
    NetEventAllowStart = 20
    NetEventRequirePause = 21
    NetEventUploadGftFlowEntries = 22


class NDIS_DEVICE_POWER_STATE(IntEnum):
    """Device power states."""

    NdisDeviceStateUnspecified = 0
    NdisDeviceStateD0 = 1
    NdisDeviceStateD1 = 2
    NdisDeviceStateD2 = 3
    NdisDeviceStateD3 = 4


class NDIS_REQUEST_TYPE(IntEnum):
    """What an OID request asks for."""

    NdisRequestQueryInformation = 0
    NdisRequestSetInformation = 1
    NdisRequestQueryStatistics = 2
    NdisRequestOpen = 3
    NdisRequestClose = 4
    NdisRequestSend = 5
    NdisRequestTransferData = 6
    NdisRequestReset = 7
    NdisRequestGeneric1 = 8
    NdisRequestGeneric2 = 9
    NdisRequestGeneric3 = 10
    NdisRequestGeneric4 = 11
    NdisRequestMethod = 12


class NDIS_MEDIUM(IntEnum):
    """Media types."""

    NdisMedium802_3 = 0
    NdisMedium802_5 = 1
    NdisMediumFddi = 2
    NdisMediumWan = 3
    NdisMediumLocalTalk = 4
    NdisMediumDix = 5
    NdisMediumArcnetRaw = 6
    NdisMediumArcnet878_2 = 7
    NdisMediumAtm = 8
    NdisMediumWirelessWan = 9
    NdisMediumIrda = 10
    NdisMediumBpc = 11
    NdisMediumCoWan = 12
    NdisMedium1394 = 13
    NdisMediumInfiniBand = 14
    NdisMediumTunnel = 15
    NdisMediumNative802_11 = 16
    NdisMediumLoopback = 17
    NdisMediumWiMAX = 18
    NdisMediumIP = 19


class NDIS_PHYSICAL_MEDIUM(IntEnum):
    """Physical media."""

    NdisPhysicalMediumUnspecified = 0
    NdisPhysicalMediumWirelessLan = 1
    NdisPhysicalMediumCableModem = 2
    NdisPhysicalMediumPhoneLine = 3
    NdisPhysicalMediumPowerLine = 4
    NdisPhysicalMediumDSL = 5
    NdisPhysicalMediumFibreChannel = 6
    NdisPhysicalMedium1394 = 7
    NdisPhysicalMediumWirelessWan = 8
    NdisPhysicalMediumNative802_11 = 9
    NdisPhysicalMediumBluetooth = 10
    NdisPhysicalMediumInfiniband = 11
    NdisPhysicalMediumWiMax = 12
    NdisPhysicalMediumUWB = 13
    NdisPhysicalMedium802_3 = 14
    NdisPhysicalMedium802_5 = 15
    NdisPhysicalMediumIrda = 16
    NdisPhysicalMediumWiredWAN = 17
    NdisPhysicalMediumWiredCoWan = 18
    NdisPhysicalMediumOther = 19
    NdisPhysicalMediumNative802_15_4 = 20


class NDIS_MEDIA_STATE(IntEnum):
    """OID_GEN_MEDIA_CONNECT_STATUS: another numbering than NDIS_MEDIA_CONNECT_STATE."""

    NdisMediaStateConnected = 0
    NdisMediaStateDisconnected = 1


class NDIS_MEDIA_CONNECT_STATE(IntEnum):
    """Whether the cable is plugged in."""

    MediaConnectStateUnknown = 0
    MediaConnectStateConnected = 1
    MediaConnectStateDisconnected = 2


class NDIS_MEDIA_DUPLEX_STATE(IntEnum):
    """Half or full duplex."""

    MediaDuplexStateUnknown = 0
    MediaDuplexStateHalf = 1
    MediaDuplexStateFull = 2


class NDIS_SUPPORTED_PAUSE_FUNCTIONS(IntEnum):
    """IEEE 802.3 pause frames."""

    NdisPauseFunctionsUnsupported = 0
    NdisPauseFunctionsSendOnly = 1
    NdisPauseFunctionsReceiveOnly = 2
    NdisPauseFunctionsSendAndReceive = 3
    NdisPauseFunctionsUnknown = 4


class NDIS_INTERRUPT_MODERATION(IntEnum):
    """OID_GEN_INTERRUPT_MODERATION."""

    NdisInterruptModerationUnknown = 0
    NdisInterruptModerationNotSupported = 1
    NdisInterruptModerationEnabled = 2
    NdisInterruptModerationDisabled = 3


class NDIS_HARDWARE_STATUS(IntEnum):
    """OID_GEN_HARDWARE_STATUS."""

    NdisHardwareStatusReady = 0
    NdisHardwareStatusInitializing = 1
    NdisHardwareStatusReset = 2
    NdisHardwareStatusClosing = 3
    NdisHardwareStatusNotReady = 4


class NDIS_INTERFACE_TYPE(IntEnum):
    """Bus types."""

    NdisInterfaceInternal = 0
    NdisInterfaceIsa = 1
    NdisInterfaceEisa = 2
    NdisInterfaceMca = 3
    NdisInterfaceTurboChannel = 4
    NdisInterfacePci = 5
    NdisInterfacePcMcia = 8
    NdisInterfaceCBus = 9
    NdisInterfaceMPIBus = 10
    NdisInterfaceMPSABus = 11
    NdisInterfaceProcessorInternal = 12
    NdisInterfaceInternalPowerBus = 13
    NdisInterfacePNPISABus = 14
    NdisInterfacePNPBus = 15
    NdisInterfaceUSB = 16
    NdisInterfaceIrda = 17
    NdisInterface1394 = 18


class NDIS_INTERRUPT_TYPE(IntEnum):
    """What kind of interrupt NDIS connected."""

    NDIS_CONNECT_LINE_BASED = 1
    NDIS_CONNECT_MESSAGE_BASED = 2


class NDIS_PARAMETER_TYPE(IntEnum):
    """Types of configuration parameters."""

    NdisParameterInteger = 0
    NdisParameterHexInteger = 1
    NdisParameterString = 2
    NdisParameterMultiString = 3
    NdisParameterBinary = 4


class NET_IF_ACCESS_TYPE(IntEnum):
    """Access type of an interface."""

    NET_IF_ACCESS_LOOPBACK = 1
    NET_IF_ACCESS_BROADCAST = 2
    NET_IF_ACCESS_POINT_TO_POINT = 3
    NET_IF_ACCESS_POINT_TO_MULTI_POINT = 4


class NET_IF_DIRECTION_TYPE(IntEnum):
    """Direction of an interface."""

    NET_IF_DIRECTION_SENDRECEIVE = 0
    NET_IF_DIRECTION_SENDONLY = 1
    NET_IF_DIRECTION_RECEIVEONLY = 2


class NET_IF_CONNECTION_TYPE(IntEnum):
    """Connection type of an interface."""

    NET_IF_CONNECTION_DEDICATED = 1
    NET_IF_CONNECTION_PASSIVE = 2
    NET_IF_CONNECTION_DEMAND = 3


class NDIS_PORT_TYPE(IntEnum):
    """Types of ports."""

    NdisPortTypeUndefined = 0
    NdisPortTypeBridge = 1
    NdisPortTypeRasConnection = 2
    NdisPortType8021xSupplicant = 3


class NDIS_PORT_AUTHORIZATION_STATE(IntEnum):
    """Authorisation of a port."""

    NdisPortAuthorizationUnknown = 0
    NdisPortAuthorized = 1
    NdisPortUnauthorized = 2
    NdisPortReauthorizing = 3


class NDIS_PORT_CONTROL_STATE(IntEnum):
    """Control of a port."""

    NdisPortControlStateUnknown = 0
    NdisPortControlStateControlled = 1
    NdisPortControlStateUncontrolled = 2


class NDIS_NETWORK_CHANGE_TYPE(IntEnum):
    """NDIS_STATUS_NETWORK_CHANGE."""

    NdisPossibleNetworkChange = 1
    NdisDefinitelyNetworkChange = 2
    NdisNetworkChangeFromMediaConnect = 3


class EX_POOL_PRIORITY(IntEnum):
    """How badly an allocation is wanted."""

    LowPoolPriority = 0
    LowPoolPrioritySpecialPoolOverrun = 8
    LowPoolPrioritySpecialPoolUnderrun = 9
    NormalPoolPriority = 16
    NormalPoolPrioritySpecialPoolOverrun = 24
    NormalPoolPrioritySpecialPoolUnderrun = 25
    HighPoolPriority = 32
    HighPoolPrioritySpecialPoolOverrun = 40
    HighPoolPrioritySpecialPoolUnderrun = 41


class WORK_QUEUE_TYPE(IntEnum):
    """System worker queues; a custom priority p is CustomPriorityWorkQueue + p."""

    CriticalWorkQueue = 0
    DelayedWorkQueue = 1
    HyperCriticalWorkQueue = 2
    NormalWorkQueue = 3
    BackgroundWorkQueue = 4
    RealTimeWorkQueue = 5
    SuperCriticalWorkQueue = 6
    MaximumWorkQueue = 7
    CustomPriorityWorkQueue = 32


NdisHaltDeviceDisabled: Final = NDIS_HALT_ACTION.NdisHaltDeviceDisabled
NdisHaltDeviceInstanceDeInitialized: Final = NDIS_HALT_ACTION.NdisHaltDeviceInstanceDeInitialized
NdisHaltDevicePoweredDown: Final = NDIS_HALT_ACTION.NdisHaltDevicePoweredDown
NdisHaltDeviceSurpriseRemoved: Final = NDIS_HALT_ACTION.NdisHaltDeviceSurpriseRemoved
NdisHaltDeviceFailed: Final = NDIS_HALT_ACTION.NdisHaltDeviceFailed
NdisHaltDeviceInitializationFailed: Final = NDIS_HALT_ACTION.NdisHaltDeviceInitializationFailed
NdisHaltDeviceStopped: Final = NDIS_HALT_ACTION.NdisHaltDeviceStopped
NdisShutdownPowerOff: Final = NDIS_SHUTDOWN_ACTION.NdisShutdownPowerOff
NdisShutdownBugCheck: Final = NDIS_SHUTDOWN_ACTION.NdisShutdownBugCheck
NdisDevicePnPEventQueryRemoved: Final = NDIS_DEVICE_PNP_EVENT.NdisDevicePnPEventQueryRemoved
NdisDevicePnPEventRemoved: Final = NDIS_DEVICE_PNP_EVENT.NdisDevicePnPEventRemoved
NdisDevicePnPEventSurpriseRemoved: Final = NDIS_DEVICE_PNP_EVENT.NdisDevicePnPEventSurpriseRemoved
NdisDevicePnPEventQueryStopped: Final = NDIS_DEVICE_PNP_EVENT.NdisDevicePnPEventQueryStopped
NdisDevicePnPEventStopped: Final = NDIS_DEVICE_PNP_EVENT.NdisDevicePnPEventStopped
NdisDevicePnPEventPowerProfileChanged: Final = NDIS_DEVICE_PNP_EVENT.NdisDevicePnPEventPowerProfileChanged
NdisDevicePnPEventFilterListChanged: Final = NDIS_DEVICE_PNP_EVENT.NdisDevicePnPEventFilterListChanged
NdisPowerProfileBattery: Final = NDIS_POWER_PROFILE.NdisPowerProfileBattery
NdisPowerProfileAcOnLine: Final = NDIS_POWER_PROFILE.NdisPowerProfileAcOnLine
NetEventSetPower: Final = NET_PNP_EVENT_CODE.NetEventSetPower
NetEventQueryPower: Final = NET_PNP_EVENT_CODE.NetEventQueryPower
NetEventQueryRemoveDevice: Final = NET_PNP_EVENT_CODE.NetEventQueryRemoveDevice
NetEventCancelRemoveDevice: Final = NET_PNP_EVENT_CODE.NetEventCancelRemoveDevice
NetEventReconfigure: Final = NET_PNP_EVENT_CODE.NetEventReconfigure
NetEventBindList: Final = NET_PNP_EVENT_CODE.NetEventBindList
NetEventBindsComplete: Final = NET_PNP_EVENT_CODE.NetEventBindsComplete
NetEventPnPCapabilities: Final = NET_PNP_EVENT_CODE.NetEventPnPCapabilities
NetEventPause: Final = NET_PNP_EVENT_CODE.NetEventPause
NetEventRestart: Final = NET_PNP_EVENT_CODE.NetEventRestart
NetEventPortActivation: Final = NET_PNP_EVENT_CODE.NetEventPortActivation
NetEventPortDeactivation: Final = NET_PNP_EVENT_CODE.NetEventPortDeactivation
NetEventIMReEnableDevice: Final = NET_PNP_EVENT_CODE.NetEventIMReEnableDevice
NetEventNDKEnable: Final = NET_PNP_EVENT_CODE.NetEventNDKEnable
NetEventNDKDisable: Final = NET_PNP_EVENT_CODE.NetEventNDKDisable
NetEventFilterPreDetach: Final = NET_PNP_EVENT_CODE.NetEventFilterPreDetach
NetEventBindFailed: Final = NET_PNP_EVENT_CODE.NetEventBindFailed
NetEventSwitchActivate: Final = NET_PNP_EVENT_CODE.NetEventSwitchActivate
NetEventAllowBindsAbove: Final = NET_PNP_EVENT_CODE.NetEventAllowBindsAbove
NetEventInhibitBindsAbove: Final = NET_PNP_EVENT_CODE.NetEventInhibitBindsAbove
NetEventAllowStart: Final = NET_PNP_EVENT_CODE.NetEventAllowStart
NetEventRequirePause: Final = NET_PNP_EVENT_CODE.NetEventRequirePause
NetEventUploadGftFlowEntries: Final = NET_PNP_EVENT_CODE.NetEventUploadGftFlowEntries
NdisDeviceStateUnspecified: Final = NDIS_DEVICE_POWER_STATE.NdisDeviceStateUnspecified
NdisDeviceStateD0: Final = NDIS_DEVICE_POWER_STATE.NdisDeviceStateD0
NdisDeviceStateD1: Final = NDIS_DEVICE_POWER_STATE.NdisDeviceStateD1
NdisDeviceStateD2: Final = NDIS_DEVICE_POWER_STATE.NdisDeviceStateD2
NdisDeviceStateD3: Final = NDIS_DEVICE_POWER_STATE.NdisDeviceStateD3
NdisRequestQueryInformation: Final = NDIS_REQUEST_TYPE.NdisRequestQueryInformation
NdisRequestSetInformation: Final = NDIS_REQUEST_TYPE.NdisRequestSetInformation
NdisRequestQueryStatistics: Final = NDIS_REQUEST_TYPE.NdisRequestQueryStatistics
NdisRequestOpen: Final = NDIS_REQUEST_TYPE.NdisRequestOpen
NdisRequestClose: Final = NDIS_REQUEST_TYPE.NdisRequestClose
NdisRequestSend: Final = NDIS_REQUEST_TYPE.NdisRequestSend
NdisRequestTransferData: Final = NDIS_REQUEST_TYPE.NdisRequestTransferData
NdisRequestReset: Final = NDIS_REQUEST_TYPE.NdisRequestReset
NdisRequestGeneric1: Final = NDIS_REQUEST_TYPE.NdisRequestGeneric1
NdisRequestGeneric2: Final = NDIS_REQUEST_TYPE.NdisRequestGeneric2
NdisRequestGeneric3: Final = NDIS_REQUEST_TYPE.NdisRequestGeneric3
NdisRequestGeneric4: Final = NDIS_REQUEST_TYPE.NdisRequestGeneric4
NdisRequestMethod: Final = NDIS_REQUEST_TYPE.NdisRequestMethod
NdisMedium802_3: Final = NDIS_MEDIUM.NdisMedium802_3
NdisMedium802_5: Final = NDIS_MEDIUM.NdisMedium802_5
NdisMediumFddi: Final = NDIS_MEDIUM.NdisMediumFddi
NdisMediumWan: Final = NDIS_MEDIUM.NdisMediumWan
NdisMediumLocalTalk: Final = NDIS_MEDIUM.NdisMediumLocalTalk
NdisMediumDix: Final = NDIS_MEDIUM.NdisMediumDix
NdisMediumArcnetRaw: Final = NDIS_MEDIUM.NdisMediumArcnetRaw
NdisMediumArcnet878_2: Final = NDIS_MEDIUM.NdisMediumArcnet878_2
NdisMediumAtm: Final = NDIS_MEDIUM.NdisMediumAtm
NdisMediumWirelessWan: Final = NDIS_MEDIUM.NdisMediumWirelessWan
NdisMediumIrda: Final = NDIS_MEDIUM.NdisMediumIrda
NdisMediumBpc: Final = NDIS_MEDIUM.NdisMediumBpc
NdisMediumCoWan: Final = NDIS_MEDIUM.NdisMediumCoWan
NdisMedium1394: Final = NDIS_MEDIUM.NdisMedium1394
NdisMediumInfiniBand: Final = NDIS_MEDIUM.NdisMediumInfiniBand
NdisMediumTunnel: Final = NDIS_MEDIUM.NdisMediumTunnel
NdisMediumNative802_11: Final = NDIS_MEDIUM.NdisMediumNative802_11
NdisMediumLoopback: Final = NDIS_MEDIUM.NdisMediumLoopback
NdisMediumWiMAX: Final = NDIS_MEDIUM.NdisMediumWiMAX
NdisMediumIP: Final = NDIS_MEDIUM.NdisMediumIP
NdisPhysicalMediumUnspecified: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumUnspecified
NdisPhysicalMediumWirelessLan: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumWirelessLan
NdisPhysicalMediumCableModem: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumCableModem
NdisPhysicalMediumPhoneLine: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumPhoneLine
NdisPhysicalMediumPowerLine: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumPowerLine
NdisPhysicalMediumDSL: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumDSL
NdisPhysicalMediumFibreChannel: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumFibreChannel
NdisPhysicalMedium1394: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMedium1394
NdisPhysicalMediumWirelessWan: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumWirelessWan
NdisPhysicalMediumNative802_11: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumNative802_11
NdisPhysicalMediumBluetooth: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumBluetooth
NdisPhysicalMediumInfiniband: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumInfiniband
NdisPhysicalMediumWiMax: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumWiMax
NdisPhysicalMediumUWB: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumUWB
NdisPhysicalMedium802_3: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMedium802_3
NdisPhysicalMedium802_5: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMedium802_5
NdisPhysicalMediumIrda: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumIrda
NdisPhysicalMediumWiredWAN: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumWiredWAN
NdisPhysicalMediumWiredCoWan: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumWiredCoWan
NdisPhysicalMediumOther: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumOther
NdisPhysicalMediumNative802_15_4: Final = NDIS_PHYSICAL_MEDIUM.NdisPhysicalMediumNative802_15_4
NdisMediaStateConnected: Final = NDIS_MEDIA_STATE.NdisMediaStateConnected
NdisMediaStateDisconnected: Final = NDIS_MEDIA_STATE.NdisMediaStateDisconnected
MediaConnectStateUnknown: Final = NDIS_MEDIA_CONNECT_STATE.MediaConnectStateUnknown
MediaConnectStateConnected: Final = NDIS_MEDIA_CONNECT_STATE.MediaConnectStateConnected
MediaConnectStateDisconnected: Final = NDIS_MEDIA_CONNECT_STATE.MediaConnectStateDisconnected
MediaDuplexStateUnknown: Final = NDIS_MEDIA_DUPLEX_STATE.MediaDuplexStateUnknown
MediaDuplexStateHalf: Final = NDIS_MEDIA_DUPLEX_STATE.MediaDuplexStateHalf
MediaDuplexStateFull: Final = NDIS_MEDIA_DUPLEX_STATE.MediaDuplexStateFull
NdisPauseFunctionsUnsupported: Final = NDIS_SUPPORTED_PAUSE_FUNCTIONS.NdisPauseFunctionsUnsupported
NdisPauseFunctionsSendOnly: Final = NDIS_SUPPORTED_PAUSE_FUNCTIONS.NdisPauseFunctionsSendOnly
NdisPauseFunctionsReceiveOnly: Final = NDIS_SUPPORTED_PAUSE_FUNCTIONS.NdisPauseFunctionsReceiveOnly
NdisPauseFunctionsSendAndReceive: Final = NDIS_SUPPORTED_PAUSE_FUNCTIONS.NdisPauseFunctionsSendAndReceive
NdisPauseFunctionsUnknown: Final = NDIS_SUPPORTED_PAUSE_FUNCTIONS.NdisPauseFunctionsUnknown
NdisInterruptModerationUnknown: Final = NDIS_INTERRUPT_MODERATION.NdisInterruptModerationUnknown
NdisInterruptModerationNotSupported: Final = NDIS_INTERRUPT_MODERATION.NdisInterruptModerationNotSupported
NdisInterruptModerationEnabled: Final = NDIS_INTERRUPT_MODERATION.NdisInterruptModerationEnabled
NdisInterruptModerationDisabled: Final = NDIS_INTERRUPT_MODERATION.NdisInterruptModerationDisabled
NdisHardwareStatusReady: Final = NDIS_HARDWARE_STATUS.NdisHardwareStatusReady
NdisHardwareStatusInitializing: Final = NDIS_HARDWARE_STATUS.NdisHardwareStatusInitializing
NdisHardwareStatusReset: Final = NDIS_HARDWARE_STATUS.NdisHardwareStatusReset
NdisHardwareStatusClosing: Final = NDIS_HARDWARE_STATUS.NdisHardwareStatusClosing
NdisHardwareStatusNotReady: Final = NDIS_HARDWARE_STATUS.NdisHardwareStatusNotReady
NdisInterfaceInternal: Final = NDIS_INTERFACE_TYPE.NdisInterfaceInternal
NdisInterfaceIsa: Final = NDIS_INTERFACE_TYPE.NdisInterfaceIsa
NdisInterfaceEisa: Final = NDIS_INTERFACE_TYPE.NdisInterfaceEisa
NdisInterfaceMca: Final = NDIS_INTERFACE_TYPE.NdisInterfaceMca
NdisInterfaceTurboChannel: Final = NDIS_INTERFACE_TYPE.NdisInterfaceTurboChannel
NdisInterfacePci: Final = NDIS_INTERFACE_TYPE.NdisInterfacePci
NdisInterfacePcMcia: Final = NDIS_INTERFACE_TYPE.NdisInterfacePcMcia
NdisInterfaceCBus: Final = NDIS_INTERFACE_TYPE.NdisInterfaceCBus
NdisInterfaceMPIBus: Final = NDIS_INTERFACE_TYPE.NdisInterfaceMPIBus
NdisInterfaceMPSABus: Final = NDIS_INTERFACE_TYPE.NdisInterfaceMPSABus
NdisInterfaceProcessorInternal: Final = NDIS_INTERFACE_TYPE.NdisInterfaceProcessorInternal
NdisInterfaceInternalPowerBus: Final = NDIS_INTERFACE_TYPE.NdisInterfaceInternalPowerBus
NdisInterfacePNPISABus: Final = NDIS_INTERFACE_TYPE.NdisInterfacePNPISABus
NdisInterfacePNPBus: Final = NDIS_INTERFACE_TYPE.NdisInterfacePNPBus
NdisInterfaceUSB: Final = NDIS_INTERFACE_TYPE.NdisInterfaceUSB
NdisInterfaceIrda: Final = NDIS_INTERFACE_TYPE.NdisInterfaceIrda
NdisInterface1394: Final = NDIS_INTERFACE_TYPE.NdisInterface1394
NDIS_CONNECT_LINE_BASED: Final = NDIS_INTERRUPT_TYPE.NDIS_CONNECT_LINE_BASED
NDIS_CONNECT_MESSAGE_BASED: Final = NDIS_INTERRUPT_TYPE.NDIS_CONNECT_MESSAGE_BASED
NdisParameterInteger: Final = NDIS_PARAMETER_TYPE.NdisParameterInteger
NdisParameterHexInteger: Final = NDIS_PARAMETER_TYPE.NdisParameterHexInteger
NdisParameterString: Final = NDIS_PARAMETER_TYPE.NdisParameterString
NdisParameterMultiString: Final = NDIS_PARAMETER_TYPE.NdisParameterMultiString
NdisParameterBinary: Final = NDIS_PARAMETER_TYPE.NdisParameterBinary
NET_IF_ACCESS_LOOPBACK: Final = NET_IF_ACCESS_TYPE.NET_IF_ACCESS_LOOPBACK
NET_IF_ACCESS_BROADCAST: Final = NET_IF_ACCESS_TYPE.NET_IF_ACCESS_BROADCAST
NET_IF_ACCESS_POINT_TO_POINT: Final = NET_IF_ACCESS_TYPE.NET_IF_ACCESS_POINT_TO_POINT
NET_IF_ACCESS_POINT_TO_MULTI_POINT: Final = NET_IF_ACCESS_TYPE.NET_IF_ACCESS_POINT_TO_MULTI_POINT
NET_IF_DIRECTION_SENDRECEIVE: Final = NET_IF_DIRECTION_TYPE.NET_IF_DIRECTION_SENDRECEIVE
NET_IF_DIRECTION_SENDONLY: Final = NET_IF_DIRECTION_TYPE.NET_IF_DIRECTION_SENDONLY
NET_IF_DIRECTION_RECEIVEONLY: Final = NET_IF_DIRECTION_TYPE.NET_IF_DIRECTION_RECEIVEONLY
NET_IF_CONNECTION_DEDICATED: Final = NET_IF_CONNECTION_TYPE.NET_IF_CONNECTION_DEDICATED
NET_IF_CONNECTION_PASSIVE: Final = NET_IF_CONNECTION_TYPE.NET_IF_CONNECTION_PASSIVE
NET_IF_CONNECTION_DEMAND: Final = NET_IF_CONNECTION_TYPE.NET_IF_CONNECTION_DEMAND
NdisPortTypeUndefined: Final = NDIS_PORT_TYPE.NdisPortTypeUndefined
NdisPortTypeBridge: Final = NDIS_PORT_TYPE.NdisPortTypeBridge
NdisPortTypeRasConnection: Final = NDIS_PORT_TYPE.NdisPortTypeRasConnection
NdisPortType8021xSupplicant: Final = NDIS_PORT_TYPE.NdisPortType8021xSupplicant
NdisPortAuthorizationUnknown: Final = NDIS_PORT_AUTHORIZATION_STATE.NdisPortAuthorizationUnknown
NdisPortAuthorized: Final = NDIS_PORT_AUTHORIZATION_STATE.NdisPortAuthorized
NdisPortUnauthorized: Final = NDIS_PORT_AUTHORIZATION_STATE.NdisPortUnauthorized
NdisPortReauthorizing: Final = NDIS_PORT_AUTHORIZATION_STATE.NdisPortReauthorizing
NdisPortControlStateUnknown: Final = NDIS_PORT_CONTROL_STATE.NdisPortControlStateUnknown
NdisPortControlStateControlled: Final = NDIS_PORT_CONTROL_STATE.NdisPortControlStateControlled
NdisPortControlStateUncontrolled: Final = NDIS_PORT_CONTROL_STATE.NdisPortControlStateUncontrolled
NdisPossibleNetworkChange: Final = NDIS_NETWORK_CHANGE_TYPE.NdisPossibleNetworkChange
NdisDefinitelyNetworkChange: Final = NDIS_NETWORK_CHANGE_TYPE.NdisDefinitelyNetworkChange
NdisNetworkChangeFromMediaConnect: Final = NDIS_NETWORK_CHANGE_TYPE.NdisNetworkChangeFromMediaConnect
LowPoolPriority: Final = EX_POOL_PRIORITY.LowPoolPriority
LowPoolPrioritySpecialPoolOverrun: Final = EX_POOL_PRIORITY.LowPoolPrioritySpecialPoolOverrun
LowPoolPrioritySpecialPoolUnderrun: Final = EX_POOL_PRIORITY.LowPoolPrioritySpecialPoolUnderrun
NormalPoolPriority: Final = EX_POOL_PRIORITY.NormalPoolPriority
NormalPoolPrioritySpecialPoolOverrun: Final = EX_POOL_PRIORITY.NormalPoolPrioritySpecialPoolOverrun
NormalPoolPrioritySpecialPoolUnderrun: Final = EX_POOL_PRIORITY.NormalPoolPrioritySpecialPoolUnderrun
HighPoolPriority: Final = EX_POOL_PRIORITY.HighPoolPriority
HighPoolPrioritySpecialPoolOverrun: Final = EX_POOL_PRIORITY.HighPoolPrioritySpecialPoolOverrun
HighPoolPrioritySpecialPoolUnderrun: Final = EX_POOL_PRIORITY.HighPoolPrioritySpecialPoolUnderrun
CriticalWorkQueue: Final = WORK_QUEUE_TYPE.CriticalWorkQueue
DelayedWorkQueue: Final = WORK_QUEUE_TYPE.DelayedWorkQueue
HyperCriticalWorkQueue: Final = WORK_QUEUE_TYPE.HyperCriticalWorkQueue
NormalWorkQueue: Final = WORK_QUEUE_TYPE.NormalWorkQueue
BackgroundWorkQueue: Final = WORK_QUEUE_TYPE.BackgroundWorkQueue
RealTimeWorkQueue: Final = WORK_QUEUE_TYPE.RealTimeWorkQueue
SuperCriticalWorkQueue: Final = WORK_QUEUE_TYPE.SuperCriticalWorkQueue
MaximumWorkQueue: Final = WORK_QUEUE_TYPE.MaximumWorkQueue
CustomPriorityWorkQueue: Final = WORK_QUEUE_TYPE.CustomPriorityWorkQueue
