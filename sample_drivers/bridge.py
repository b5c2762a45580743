"""bridge: a protocol driver that joins every adapter of the machine into one Ethernet, as an 802.1D bridge does.

Law: a received list is held until the frame on its memory has left by the other port; what was only lent, and what goes
to several ports, is copied.  Stations lie in nonpaged memory, one word each, and are touched under the bridge's lock
alone: learned at DISPATCH_LEVEL, aged by a work item at PASSIVE_LEVEL that a timer queues.

Registry: AgeingTime, the seconds after which a station that is silent is forgotten (300).
"""

from __future__ import annotations

from typing import Any, Literal

from emulator.ndis import *
from sample_drivers.bridge_offload import *
from sample_drivers.bridge_port import *

BridgeDriver: ProtocolDriverHandle | None = None
BridgeDevice: DEVICE_OBJECT | None = None


class BRIDGE(NONPAGED):
    """What all ports share.  A station is its address, its port's number above, and above that its age in sweeps."""

    Lock: NDIS_SPIN_LOCK
    Ports: Array[PVOID, Literal[8]]
    Stations: Array[ULONG64, Literal[4096]]


class PORT(NONPAGED):
    """One adapter.  References is 1 while it runs, and 1 more for each list or work item that is on its way."""

    Handle: BindingHandle
    Number: ULONG
    Running: ULONG
    References: LONG
    Pool: NetBufferListPoolHandle
    Copies: NetBufferListPoolHandle
    Free: ULONG
    Carriers: Array[PVOID, Literal[512]]
    Timer: TimerHandle
    WorkItem: PIO_WORKITEM
    SweepQueued: LONG
    SweepMs: ULONG
    Cuts: ULONG  # the adapter puts TCP frames together, and cuts those that it is given
    Forwarded: ULONG64
    Discarded: LONG
    Learned: ULONG64
    Aged: ULONG64
    Status: INT
    Done: NDIS_EVENT


Bridge = BRIDGE()


@PROTOCOL_RECEIVE_NET_BUFFER_LISTS
def BridgeReceive(
    Port: PORT, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, NumberOfNetBufferLists: int, ReceiveFlags: int
) -> None:
    """Send each frame of a chain to the port of its station, or to all others; return at once what is not held."""
    lent = ReceiveFlags & NDIS_RECEIVE_FLAGS_RESOURCES
    frames = BridgeLists(NetBufferLists)
    InterlockedExchangeAdd(Port.References, NumberOfNetBufferLists)
    NdisAcquireSpinLock(Bridge.Lock)
    routes, flooded = BridgeRoute(Port, frames)
    NdisReleaseSpinLock(Bridge.Lock)
    returned = set(range(len(frames)))
    for target, places in routes:
        held, first = BridgeCarry(Port, target, frames, places, returned if lent else flooded)
        returned.difference_update(held)
        if first is not None:
            flags = ReceiveFlags & NDIS_SEND_FLAGS_DISPATCH_LEVEL
            NdisSendNetBufferLists(target.Handle, first, NDIS_DEFAULT_PORT_NUMBER, flags)
    if returned and not lent:
        back = BridgeLink([frames[place] for place in sorted(returned)])
        NdisReturnNetBufferLists(Port.Handle, back, ReceiveFlags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL)
    if returned:
        BridgeDereference(Port, len(returned))


def BridgeRoute(Port: PORT, Frames: list[Any]) -> tuple[list[tuple[PORT, list[int]]], set[int]]:
    """Learn where frames come from; by place, which of them go to which port, and which to several.

    With the lock held.  Each frame that goes to a port holds a reference to it.
    """
    others: list[Any] = [port for port in Bridge.Ports[:] if port is not None and port.Running and port is not Port]
    routes: dict[int, list[int]] = {port.Number: [] for port in others}
    flooded: set[int] = set()
    if not Port.Running or not others:
        return [], flooded
    stations, own, storage = Bridge.Stations, Port.Number, bytearray(BRIDGE_ADDRESSES)
    for place, frame in enumerate(Frames):
        header = NdisGetDataBuffer(frame.FirstNetBuffer, BRIDGE_ADDRESSES, storage, 1, 0)
        if header is None:
            continue
        destination, source = int.from_bytes(header[:6]), int.from_bytes(header[6:12])
        if not source & BRIDGE_GROUP:
            seat, station = source % BRIDGE_STATIONS, source | own << BRIDGE_PORT_SHIFT
            if stations[seat] != station:
                Port.Learned += (stations[seat] ^ station) & BRIDGE_STATION != 0
                stations[seat] = station
        known = stations[destination % BRIDGE_STATIONS]
        if (known ^ destination) & BRIDGE_ADDRESS == 0:
            route = routes.get(known >> BRIDGE_PORT_SHIFT & 0xFF)
            if route is not None:
                route.append(place)
        elif destination & ~15 != BRIDGE_RESERVED:
            for route in routes.values():
                route.append(place)
            if len(others) > 1:
                flooded.add(place)
    chosen = [(port, routes[port.Number]) for port in others if routes[port.Number]]
    for port, places in chosen:
        Port.Forwarded += len(places)
        InterlockedExchangeAdd(port.References, len(places))
    return chosen, flooded


def BridgeCarry(
    Port: PORT, Target: PORT, Frames: list[Any], Places: list[int], Copied: set[int]
) -> tuple[list[int], NET_BUFFER_LIST | None]:
    """A chain that carries frames to a port, on copies or on the frames' own memory; the places of the latter."""
    layouts: dict[int, Any] = {}
    if Port.Cuts:
        Copied, layouts = BridgeToCopy(Target, Frames, Places, Copied)
    copies = {place: BridgeCopy(Target, Frames[place]) for place in Places if place in Copied}
    held = [place for place in Places if place not in Copied]
    carriers = BridgeTakeCarriers(Target, len(held))
    del held[len(carriers) :]
    for place, carrier in zip(held, carriers, strict=True):
        BridgeLoadCarrier(Port, carrier, Frames[place], layouts.get(place))
    chain = carriers
    if copies:  # each where its frame was, among those that go on as they are
        copies.update((place, [carrier]) for place, carrier in zip(held, carriers, strict=True))
        chain = [nbl for place in Places for nbl in copies.get(place, ())]
    if len(chain) < len(Places):
        InterlockedExchangeAdd(Port.Discarded, len(Places) - len(chain))
        BridgeDereference(Target, len(Places) - len(chain))
    elif len(chain) > len(Places):
        InterlockedExchangeAdd(Target.References, len(chain) - len(Places))
    return held, BridgeLink(chain) if chain else None


def BridgeTakeCarriers(Port: PORT, Count: int) -> list[Any]:
    """Take so many free carriers of a port, or as many as there are."""
    NdisAcquireSpinLock(Bridge.Lock)
    free = Port.Free
    left = max(free - Count, 0)
    carriers: list[Any] = Port.Carriers[left:free]
    Port.Free = left
    NdisReleaseSpinLock(Bridge.Lock)
    return carriers


def BridgeGiveCarriers(Port: PORT, Carriers: list[Any]) -> None:
    """Keep carriers for the next frames."""
    NdisAcquireSpinLock(Bridge.Lock)
    free = Port.Free
    Port.Carriers[free : free + len(Carriers)] = Carriers
    Port.Free = free + len(Carriers)
    NdisReleaseSpinLock(Bridge.Lock)


@PROTOCOL_SEND_NET_BUFFER_LISTS_COMPLETE
def BridgeSendComplete(Port: PORT, NetBufferList: NET_BUFFER_LIST, SendCompleteFlags: int) -> None:
    """Keep the carriers, free the copies, and return the frames to the ports that they came from, in their order."""
    carriers: list[Any] = []
    received: dict[int, tuple[PORT, list[Any]]] = {}
    count, last = 0, None
    back: list[Any] = []
    carrier: Any = NetBufferList
    while carrier is not None:
        following, reserved = carrier.Next, carrier.ProtocolReserved
        frame, source = reserved[0], reserved[1]
        count += 1
        if frame is None:
            BridgeFreeCopy(carrier)
        else:
            if source is not last:
                last, back = source, received.setdefault(source.Number, (source, []))[1]
            back.append(frame)
            BridgeUnloadCarrier(Port, carrier)
            carriers.append(carrier)
        carrier = following
    if carriers:
        BridgeGiveCarriers(Port, carriers)
    for source, frames in received.values():
        flags = SendCompleteFlags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL
        NdisReturnNetBufferLists(source.Handle, BridgeLink(frames), flags)
        BridgeDereference(source, len(frames))
    BridgeDereference(Port, count)


@NDIS_TIMER_FUNCTION
def BridgeTimer(SystemSpecific1: None, Port: PORT, SystemSpecific2: None, SystemSpecific3: None) -> None:
    """Queue the work item that ages the port's stations, unless it is on its way or the port is about to pause."""
    NdisInterlockedIncrement(Port.References)
    if Port.Running and InterlockedExchange(Port.SweepQueued, 1) == 0:
        IoQueueWorkItem(Port.WorkItem, BridgeSweep, WORK_QUEUE_TYPE.DelayedWorkQueue, Port)
    else:
        BridgeDereference(Port, 1)


@IO_WORKITEM_ROUTINE
def BridgeSweep(DeviceObject: DEVICE_OBJECT, Port: PORT) -> None:
    """Make every station of the port one sweep older, and forget those that have been silent for too long."""
    InterlockedExchange(Port.SweepQueued, 0)
    BridgeAge(Port, BRIDGE_SWEEPS)
    BridgeDereference(Port, 1)


def BridgeAge(Port: PORT, Limit: int) -> None:
    """Forget the port's stations of that age, and make the others older."""
    NdisAcquireSpinLock(Bridge.Lock)
    stations = Bridge.Stations
    for seat, word in enumerate(stations[:]):
        if word and word >> BRIDGE_PORT_SHIFT & 0xFF == Port.Number:
            silent = word >> BRIDGE_AGE_SHIFT >= Limit
            stations[seat] = 0 if silent else word + (1 << BRIDGE_AGE_SHIFT)
            Port.Aged += silent
    NdisReleaseSpinLock(Bridge.Lock)


@PROTOCOL_NET_PNP_EVENT
def BridgeNetPnPEvent(Port: PORT, NetPnPEventNotification: NET_PNP_EVENT_NOTIFICATION) -> NDIS_STATUS:
    """Restart: take every frame of the adapter.  Pause: forget its stations, wait for what came or leaves by it."""
    event = NetPnPEventNotification.NetPnPEvent.NetEvent
    if event == NET_PNP_EVENT_CODE.NetEventRestart:
        InterlockedExchange(Port.References, 1)
        if Port.Cuts:
            BridgeSet(Port, OID_OFFLOAD_ENCAPSULATION, BridgeEncapsulation().to_bytes())
        packet_filter = NDIS_PACKET_TYPE_PROMISCUOUS | NDIS_PACKET_TYPE_NO_LOCAL
        status = BridgeSet(Port, OID_GEN_CURRENT_PACKET_FILTER, packet_filter.to_bytes(4, "little"))
        if status == NDIS_STATUS_SUCCESS:
            Port.Running = 1
            NdisSetTimerObject(Port.Timer, -Port.SweepMs * 10_000, Port.SweepMs, None)
        return status
    if event == NET_PNP_EVENT_CODE.NetEventPause:
        NdisCancelTimerObject(Port.Timer)
        NdisResetEvent(Port.Done)
        Port.Running = 0
        BridgeAge(Port, 0)
        BridgeDereference(Port, 1)
        NdisWaitEvent(Port.Done, 0)
    return NDIS_STATUS_SUCCESS


@PROTOCOL_OID_REQUEST_COMPLETE
def BridgeOidRequestComplete(Port: PORT, OidRequest: NDIS_OID_REQUEST, Status: NDIS_STATUS) -> None:
    """Wake BridgeSet."""
    Port.Status = Status
    NdisSetEvent(Port.Done)


@PROTOCOL_STATUS_EX
def BridgeStatus(Port: PORT, StatusIndication: NDIS_STATUS_INDICATION) -> None:
    """Nothing depends on the adapter's status."""


@PROTOCOL_BIND_ADAPTER_EX
def BridgeBind(
    ProtocolDriverContext: None, BindContext: BindContext, BindParameters: NDIS_BIND_PARAMETERS
) -> NDIS_STATUS:
    """Open an adapter and make it a port of the bridge."""
    Port = NdisAllocateMemoryWithTagPriority(BridgeDriver, sizeof(PORT), BRIDGE_TAG, NormalPoolPriority)
    if Port is None or BridgeDriver is None or BridgeDevice is None:
        return NDIS_STATUS_RESOURCES
    NdisZeroMemory(Port, sizeof(PORT))
    NdisInitializeEvent(Port.Done)
    Port.Cuts = BridgeCuts(BindParameters.DefaultOffloadConfiguration)
    status = BridgeOpen(Port, BridgeDriver, BindParameters.AdapterName, BindContext)
    if status == NDIS_STATUS_SUCCESS:
        status = BridgeAllocate(Port, BridgeTimer, BridgeDevice)
    if status == NDIS_STATUS_SUCCESS:
        status = BridgeJoin(Port)
    if status != NDIS_STATUS_SUCCESS:
        BridgeFree(Port)
    return status


def BridgeJoin(Port: PORT) -> NDIS_STATUS:
    """Give a port the first free place among the others."""
    NdisAcquireSpinLock(Bridge.Lock)
    free = [place for place, port in enumerate(Bridge.Ports[:]) if port is None]
    if free:
        Port.Number = free[0] + 1
        Bridge.Ports[free[0]] = Port
    NdisReleaseSpinLock(Bridge.Lock)
    return NDIS_STATUS_SUCCESS if free else NDIS_STATUS_RESOURCES


@PROTOCOL_UNBIND_ADAPTER_EX
def BridgeUnbind(UnbindContext: BindContext, Port: PORT) -> NDIS_STATUS:
    """Say what was done, and give everything back."""
    counted = (Port.Forwarded, Port.Discarded.value, Port.Learned, Port.Aged)
    DbgPrint("port %d: %d forwarded, %d discarded, %d stations learned, %d aged", Port.Number, *counted)
    NdisAcquireSpinLock(Bridge.Lock)
    Bridge.Ports[Port.Number - 1] = None
    NdisReleaseSpinLock(Bridge.Lock)
    BridgeFree(Port)
    return NDIS_STATUS_SUCCESS


@PROTOCOL_OPEN_ADAPTER_COMPLETE_EX
def BridgeOpenComplete(Port: PORT, Status: NDIS_STATUS) -> None:
    """Wake BridgeOpen."""
    Port.Status = Status
    NdisSetEvent(Port.Done)


@PROTOCOL_CLOSE_ADAPTER_COMPLETE_EX
def BridgeCloseComplete(Port: PORT) -> None:
    """Nothing of ours is on its way when we close."""


@DRIVER_UNLOAD
def BridgeUnload(DriverObject: DRIVER_OBJECT) -> None:
    """Take the registration back and delete the device."""
    if BridgeDriver is not None:
        NdisDeregisterProtocolDriver(BridgeDriver)
    if BridgeDevice is not None:
        IoDeleteDevice(BridgeDevice)
    NdisFreeSpinLock(Bridge.Lock)


def DriverEntry(DriverObject: DRIVER_OBJECT, RegistryPath: str) -> NDIS_STATUS:
    """Create the device object that the work items need, and register the protocol."""
    global BridgeDriver, BridgeDevice
    DriverObject.DriverUnload = BridgeUnload
    NdisAllocateSpinLock(Bridge.Lock)
    status, BridgeDevice = IoCreateDevice(DriverObject, 0, None, FILE_DEVICE_NETWORK, FILE_DEVICE_SECURE_OPEN, False)
    if BridgeDevice is None:
        return status
    status, BridgeDriver = NdisRegisterProtocolDriver(
        None,
        NDIS_PROTOCOL_DRIVER_CHARACTERISTICS(
            Header=BRIDGE_DRIVER_HEADER,
            MajorNdisVersion=NDIS_PROTOCOL_MAJOR_VERSION,
            MinorNdisVersion=NDIS_PROTOCOL_MINOR_VERSION,
            Name="BRIDGE",
            BindAdapterHandlerEx=BridgeBind,
            UnbindAdapterHandlerEx=BridgeUnbind,
            OpenAdapterCompleteHandlerEx=BridgeOpenComplete,
            CloseAdapterCompleteHandlerEx=BridgeCloseComplete,
            NetPnPEventHandler=BridgeNetPnPEvent,
            OidRequestCompleteHandler=BridgeOidRequestComplete,
            StatusHandlerEx=BridgeStatus,
            ReceiveNetBufferListsHandler=BridgeReceive,
            SendNetBufferListsCompleteHandler=BridgeSendComplete,
        ),
    )
    if BridgeDriver is None:
        IoDeleteDevice(BridgeDevice)
    return status
