"""What each parameter of a DDI function can be given: right, of another kind, freed, never allocated, NULL.

Law: one table of factories by annotation, or by annotation and name where a number or a pointer of no type means
something; a parameter that the tables do not know fails its test by name. Nothing here knows a function.
"""

from __future__ import annotations

import ctypes
import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import emulator.ndis as surface
from emulator.layout.handles import HandleKind
from emulator.layout.records import Record
from emulator.ndis.headers.structure_headers import STRUCTURE_HEADERS
from emulator.ndis.headers.structures_common import NDIS_OBJECT_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.ndis.gates.ddi import Declaration
    from tests.conformance.world import World

TAG: Final = b"Call"
RIGHT, OTHER_KIND, FREED, INVENTED, NULL, RAW, HELD = (
    "right",
    "of another kind",
    "freed",
    "never allocated",
    "NULL",
    "not initialised",
    "held",
)


class Variant(NamedTuple):
    """One way to fill a parameter; ``at_level`` is done to the value when the caller has reached its IRQL."""

    name: str
    make: Callable[[World], Any]
    at_level: Callable[[World, Any], object] | None = None


def _constant(value: Any) -> Callable[[World], Any]:
    return lambda world: value


# Structures: headers as the table of headers has them, members as small as they may be.


def headed(kind: str, **members: Any) -> Any:
    """A structure whose header is right in its first revision."""
    header = STRUCTURE_HEADERS[kind]
    revision, size = next(iter(header.sizes.items()))
    return getattr(surface, kind)(Header=NDIS_OBJECT_HEADER(header.object_type, revision, size), **members)


def timer_characteristics(world: World) -> Any:
    """Of a timer that does nothing."""
    return headed("NDIS_TIMER_CHARACTERISTICS", AllocationTag=1, TimerFunction=world.library.Timer)


def interrupt_characteristics(world: World) -> Any:
    """Of an interrupt that is nobody's."""
    library = world.library
    return headed(
        "NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS", InterruptHandler=library.Isr, InterruptDpcHandler=library.Dpc
    )


def dma_description(world: World) -> Any:
    """Of an adapter whose lists nobody looks at."""
    library = world.library
    return headed(
        "NDIS_SG_DMA_DESCRIPTION",
        MaximumPhysicalMapping=4096,
        ProcessSGListHandler=library.ProcessSgList,
        SharedMemAllocateCompleteHandler=library.SharedMemoryAllocated,
    )


def provider_characteristics(world: World) -> Any:
    """Of a provider of no interfaces."""
    library = world.library
    return headed(
        "NDIS_IF_PROVIDER_CHARACTERISTICS", QueryObjectHandler=library.QueryObject, SetObjectHandler=library.SetObject
    )


def device_attributes(world: World) -> Any:
    """Of a device that serves nothing."""
    del world
    return headed("NDIS_DEVICE_OBJECT_ATTRIBUTES", DeviceName="\\Device\\It", SymbolicName="\\DosDevices\\It")


def poll_characteristics(world: World) -> Any:
    """Of a Poll object that has nothing to give."""
    library = world.library
    return headed("NDIS_POLL_CHARACTERISTICS", PollHandler=library.Poll, SetPollNotificationHandler=library.SetPoll)


def configuration_object(world: World) -> Any:
    """Of the adapter."""
    return headed("NDIS_CONFIGURATION_OBJECT", NdisHandle=world.handle(HandleKind.ADAPTER))


def pool_parameters(world: World, kind: str = "NET_BUFFER_LIST_POOL_PARAMETERS") -> Any:
    """Of a pool with a little data in each buffer."""
    del world
    members = {"fAllocateNetBuffer": True} if kind == "NET_BUFFER_LIST_POOL_PARAMETERS" else {}
    return headed(kind, PoolTag=int.from_bytes(TAG, "little"), DataSize=64, **members)


def list_pool(world: World) -> Any:
    """A pool of lists."""
    return world.ddi("NdisAllocateNetBufferListPool", None, pool_parameters(world))


def buffer_pool(world: World, data: int = 64) -> Any:
    """A pool of buffers, with or without data."""
    parameters = pool_parameters(world, "NET_BUFFER_POOL_PARAMETERS")
    parameters.DataSize = data
    return world.ddi("NdisAllocateNetBufferPool", None, parameters)


def memory(world: World, length: int = 64) -> Any:
    """Nonpaged memory of the caller."""
    return world.ddi("NdisAllocateMemoryWithTagPriority", None, length, TAG, 0)


def net_buffer_list(world: World) -> Any:
    """A list with one buffer."""
    return world.ddi("NdisAllocateNetBufferList", list_pool(world), 0, 0)


def freed_net_buffer_list(world: World) -> Any:
    """A list that was given back to its pool."""
    made = net_buffer_list(world)
    world.ddi("NdisFreeNetBufferList", made)
    return made


def net_buffer(world: World) -> Any:
    """A buffer of its own."""
    return world.ddi("NdisAllocateNetBuffer", buffer_pool(world, 0), mdl(world), 16, 32)


def freed_net_buffer(world: World) -> Any:
    """A buffer that was given back to its pool."""
    made = net_buffer(world)
    world.ddi("NdisFreeNetBuffer", made)
    return made


def mdl(world: World) -> Any:
    """An MDL over memory of the caller."""
    return world.ddi("NdisAllocateMdl", world.handle(HandleKind.ADAPTER), memory(world), 64)


def freed_mdl(world: World) -> Any:
    """An MDL that was freed."""
    made = mdl(world)
    world.ddi("NdisFreeMdl", made)
    return made


def freed_memory(world: World) -> Any:
    """Memory that was freed."""
    made = memory(world)
    world.ddi("NdisFreeMemory", made, 0, 0)
    return made


def device(world: World) -> Any:
    """A device object of the caller."""
    return world.ddi("IoCreateDevice", world.driver_object(), 0, None, 0x12, 0, False).DeviceObject


def generic_object(world: World) -> Any:
    """A generic object."""
    return world.ddi("NdisAllocateGenericObject", None, TAG, 16)


def read_write_lock(world: World) -> Any:
    """A reader/writer lock."""
    return world.ddi("NdisAllocateRWLock", world.handle(HandleKind.ADAPTER))


def oid_request(world: World) -> Any:
    """A query that nobody has sent."""
    request = surface.NDIS_OID_REQUEST(RequestType=2)
    header = STRUCTURE_HEADERS["NDIS_OID_REQUEST"]
    request.Header.Type = header.object_type
    request.Header.Revision, request.Header.Size = next(iter(header.sizes.items()))
    request.DATA.QUERY_INFORMATION.Oid = surface.OID_GEN_MAXIMUM_FRAME_SIZE
    request.DATA.QUERY_INFORMATION.InformationBuffer = memory(world, 4)
    request.DATA.QUERY_INFORMATION.InformationBufferLength = 4
    return request


def unicode_string(world: World, text: str = "text") -> Any:
    """A string with room for its text."""
    made = surface.UNICODE_STRING()
    world.ddi("NdisInitUnicodeString", made, text)
    return made


def ansi_string(world: World) -> Any:
    """A string of single bytes."""
    made = surface.ANSI_STRING()
    world.ddi("NdisInitAnsiString", made, "text")
    return made


def shared_memory(world: World) -> Any:
    """Memory that the adapter shares with its device."""
    return world.ddi("NdisMAllocateSharedMemory", world.handle(HandleKind.ADAPTER), 64, False).VirtualAddress


def open_file(world: World) -> Any:
    """An open file, whoever opens it and wherever its driver lies."""
    world.fake.platform.read_file = lambda path: b"content"  # type: ignore[method-assign]
    return world.ddi("NdisOpenFile", "file", -1).FileHandle


def hypervisor_info(world: World) -> Any:
    """To be filled by NDIS."""
    del world
    return surface.NDIS_HYPERVISOR_INFO(Header=NDIS_OBJECT_HEADER(0, 1, 12))


def lookaside_list(world: World) -> Any:
    """An initialised lookaside list."""
    made = world.structure(It=surface.NPAGED_LOOKASIDE_LIST).It
    world.ddi("NdisInitializeNPagedLookasideList", made, None, None, 0, 64, TAG, 0)
    return made


def dpc(world: World) -> Any:
    """An initialised DPC."""
    made = world.structure(It=surface.KDPC).It
    world.ddi("KeInitializeDpc", made, world.library.Deferred, None)
    return made


def _registers(world: World) -> Any:
    adapter = world.handle(HandleKind.ADAPTER)
    return world.registers(adapter)


# Handles: what is behind each, and how the started stack or the DDI gives a right one.

KINDS: Final[dict[str, tuple[HandleKind, ...]]] = {
    "NDIS_HANDLE": (HandleKind.ADAPTER, HandleKind.FILTER_MODULE, HandleKind.BINDING),
    "MiniportDriverHandle": (HandleKind.MINIPORT_DRIVER,),
    "FilterDriverHandle": (HandleKind.FILTER_DRIVER,),
    "ProtocolDriverHandle": (HandleKind.PROTOCOL_DRIVER,),
    "AdapterHandle": (HandleKind.ADAPTER,),
    "FilterModuleHandle": (HandleKind.FILTER_MODULE,),
    "BindingHandle": (HandleKind.BINDING,),
    "BindContext": (HandleKind.BIND_CONTEXT,),
    "WorkItemHandle": (HandleKind.WORK_ITEM,),
    "PIO_WORKITEM": (HandleKind.IO_WORK_ITEM,),
    "TimerHandle": (HandleKind.TIMER,),
    "InterruptHandle": (HandleKind.INTERRUPT,),
    "NDIS_POLL_HANDLE": (HandleKind.POLL,),
    "NetBufferListPoolHandle": (HandleKind.NET_BUFFER_LIST_POOL,),
    "NetBufferPoolHandle": (HandleKind.NET_BUFFER_POOL,),
    "ConfigurationHandle": (HandleKind.CONFIGURATION,),
    "DeviceHandle": (HandleKind.DEVICE,),
    "FileHandle": (HandleKind.FILE,),
    "LogHandle": (HandleKind.LOG,),
    "NDIS_GENERIC_OBJECT": (HandleKind.GENERIC_OBJECT,),
    "DmaHandle": (HandleKind.DMA_CHANNEL,),
    "InterfaceProviderHandle": (HandleKind.INTERFACE_PROVIDER,),
}
MADE: Final[dict[HandleKind, Callable[[World], Any]]] = {
    HandleKind.BIND_CONTEXT: lambda world: world.operation(HandleKind.BIND_CONTEXT),
    HandleKind.UNBIND_CONTEXT: lambda world: world.operation(HandleKind.UNBIND_CONTEXT),
    HandleKind.FILE: open_file,
    HandleKind.LOG: lambda world: world.ddi("NdisMCreateLog", world.handle(HandleKind.ADAPTER), 100).LogHandle,
    HandleKind.WORK_ITEM: lambda world: world.ddi("NdisAllocateIoWorkItem", world.handle(HandleKind.ADAPTER)),
    HandleKind.IO_WORK_ITEM: lambda world: world.ddi("IoAllocateWorkItem", device(world)),
    HandleKind.TIMER: lambda world: (
        world.ddi(
            "NdisAllocateTimerObject", world.handle(HandleKind.ADAPTER), timer_characteristics(world)
        ).pTimerObject
    ),
    HandleKind.INTERRUPT: lambda world: (
        world.while_initializing("NdisMRegisterInterruptEx", None, interrupt_characteristics(world)).NdisInterruptHandle
    ),
    HandleKind.GENERIC_OBJECT: generic_object,
    HandleKind.DMA_CHANNEL: lambda world: (
        world.while_initializing("NdisMRegisterScatterGatherDma", dma_description(world)).NdisMiniportDmaHandle
    ),
    HandleKind.INTERFACE_PROVIDER: lambda world: (
        world.ddi("NdisIfRegisterProvider", provider_characteristics(world), None).pNdisIfProviderHandle
    ),
    HandleKind.DEVICE: lambda world: (
        world.ddi(
            "NdisRegisterDeviceEx", world.handle(HandleKind.MINIPORT_DRIVER), device_attributes(world)
        ).NdisDeviceHandle
    ),
    HandleKind.POLL: lambda world: world.poll(poll_characteristics(world)),
    HandleKind.NET_BUFFER_LIST_POOL: list_pool,
    HandleKind.NET_BUFFER_POOL: lambda world: buffer_pool(world, 0),
    HandleKind.CONFIGURATION: lambda world: (
        world.ddi("NdisOpenConfigurationEx", configuration_object(world)).ConfigurationHandle
    ),
}
"""How a live object of a kind is made, where the started stack has none."""


def _live(kind: HandleKind, world: World) -> Any:
    make = MADE.get(kind)
    return make(world) if make is not None else world.handle(kind)


def _freed(kind: HandleKind, world: World) -> Any:
    return world.freed_handle(kind)


def _invented(kind: HandleKind, world: World) -> Any:
    return world.invented_handle(kind)


def handle_variants(*kinds: HandleKind) -> list[Variant]:
    """Every kind of handle for a parameter that takes these."""
    other = HandleKind.BINDING if HandleKind.ADAPTER in kinds else HandleKind.ADAPTER
    if {HandleKind.BINDING, HandleKind.ADAPTER} <= set(kinds):
        other = HandleKind.TIMER
    return [
        *(Variant(RIGHT, partial(_live, kind)) for kind in kinds),
        Variant(OTHER_KIND, partial(_live, other)),
        *(Variant(FREED, partial(_freed, kind)) for kind in kinds),
        *(Variant(INVENTED, partial(_invented, kind)) for kind in kinds),
        Variant(NULL, _constant(None)),
    ]


INITIALISED_BY: Final = {
    "NDIS_SPIN_LOCK": "NdisAllocateSpinLock",
    "KSPIN_LOCK": "KeInitializeSpinLock",
    "KMUTEX": "NDIS_INIT_MUTEX",
    "NDIS_EVENT": "NdisInitializeEvent",
    "NDIS_RW_LOCK": "NdisInitializeReadWriteLock",
    "LIST_ENTRY": "NdisInitializeListHead",
    "SLIST_HEADER": "NdisInitializeSListHead",
}
"""What makes a member of a nonpaged structure ready for use."""

HELD_BY: Final = {
    "NDIS_SPIN_LOCK": lambda world, lock: world.ddi("NdisDprAcquireSpinLock", lock),
    "KSPIN_LOCK": lambda world, lock: world.ddi("KeAcquireSpinLockAtDpcLevel", lock),
}
"""How a lock is taken once its taker is at DISPATCH_LEVEL."""

VARIANTS: Final[dict[str, list[Variant]]] = {
    "NET_BUFFER_LIST": [Variant(RIGHT, net_buffer_list), Variant(FREED, freed_net_buffer_list)],
    "NET_BUFFER": [Variant(RIGHT, net_buffer), Variant(FREED, freed_net_buffer)],
    "MDL": [Variant(RIGHT, mdl), Variant(FREED, freed_mdl)],
    "NDIS_OID_REQUEST": [Variant(RIGHT, oid_request)],
    "NDIS_RW_LOCK_EX": [Variant(RIGHT, read_write_lock)],
    "DEVICE_OBJECT": [Variant(RIGHT, device)],
    "DRIVER_OBJECT": [Variant(RIGHT, lambda world: world.driver_object())],
    "UNICODE_STRING": [Variant(RIGHT, unicode_string)],
    "ANSI_STRING": [Variant(RIGHT, ansi_string)],
    "NPAGED_LOOKASIDE_LIST": [Variant(RIGHT, lookaside_list), Variant(RAW, _constant(None))],
    "KDPC": [Variant(RIGHT, dpc)],
    "NDIS_HYPERVISOR_INFO": [Variant(RIGHT, hypervisor_info)],
    "NDIS_TIMER_CHARACTERISTICS": [Variant(RIGHT, timer_characteristics)],
    "NDIS_MINIPORT_INTERRUPT_CHARACTERISTICS": [Variant(RIGHT, interrupt_characteristics)],
    "NDIS_CONFIGURATION_OBJECT": [Variant(RIGHT, configuration_object)],
    "NET_BUFFER_LIST_POOL_PARAMETERS": [Variant(RIGHT, pool_parameters)],
    "NET_BUFFER_POOL_PARAMETERS": [Variant(RIGHT, lambda world: pool_parameters(world, "NET_BUFFER_POOL_PARAMETERS"))],
    "NDIS_MINIPORT_ADAPTER_ATTRIBUTES": [
        Variant(RIGHT, lambda world: headed("NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES"))
    ],
    "NDIS_CONFIGURATION_PARAMETER": [Variant(RIGHT, lambda world: surface.NDIS_CONFIGURATION_PARAMETER())],
    "NET_DEVICE_PNP_EVENT": [Variant(RIGHT, lambda world: headed("NET_DEVICE_PNP_EVENT"))],
    "NET_PNP_EVENT_NOTIFICATION": [Variant(RIGHT, lambda world: headed("NET_PNP_EVENT_NOTIFICATION"))],
    "GROUP_AFFINITY": [Variant(RIGHT, lambda world: surface.GROUP_AFFINITY(1))],
    "PROCESSOR_NUMBER": [Variant(RIGHT, lambda world: surface.PROCESSOR_NUMBER(0, 0))],
    "NDIS_POLL_CHARACTERISTICS": [Variant(RIGHT, poll_characteristics)],
    "Memory": [Variant(RIGHT, shared_memory), Variant(FREED, freed_memory)],
    "Vnic": [Variant(RIGHT, _registers)],
    "NDIS_STATUS": [Variant(RIGHT, _constant(0))],
    "NDIS_PARAMETER_TYPE": [Variant(RIGHT, _constant(0))],
    "NDIS_DEVICE_POWER_STATE": [Variant(RIGHT, _constant(3)), Variant(RAW, _constant(1))],
    "bool": [Variant(RIGHT, _constant(False))],
    "str": [Variant(RIGHT, _constant("Text"))],
    "int | bytes": [Variant(RIGHT, _constant(TAG))],
    "list[str]": [Variant(RIGHT, _constant(None))],
    "Callable[[Any, WorkItemHandle], None]": [Variant(RIGHT, lambda world: world.library.Work)],
    "Callable[[DEVICE_OBJECT, Any], None]": [Variant(RIGHT, lambda world: world.library.IoWork)],
    "Callable[[DEVICE_OBJECT, IRP], None]": [Variant(RIGHT, lambda world: world.library.Cancel)],
    "Callable[[Any, Any, Any], None]": [Variant(RIGHT, lambda world: world.library.IoWorkEx)],
    "Callable[[KDPC, Any, Any, Any], None]": [Variant(RIGHT, lambda world: world.library.Deferred)],
    "Callable[[Any], bool]": [Variant(RIGHT, lambda world: world.library.Synchronize)],
    "Callable[[int, int, int], Any]": [Variant(RIGHT, lambda world: world.library.Allocate)],
    "Callable[[Any], None]": [Variant(RIGHT, lambda world: world.library.Free)],
    "Callable[[int], MDL | None]": [Variant(RIGHT, lambda world: world.library.AllocateMdl)],
    "Callable[[MDL], None]": [Variant(RIGHT, lambda world: world.library.FreeMdl)],
}

_MEMORY: Final = [Variant(RIGHT, memory), Variant(FREED, freed_memory), Variant(NULL, _constant(None))]
BY_NAME: Final[dict[tuple[str, str], list[Variant]]] = {
    ("BindContext", "UnbindContext"): handle_variants(HandleKind.UNBIND_CONTEXT),
    # Without data for NdisAllocateNetBuffer, with data for NdisAllocateNetBufferMdlAndData: each refuses the other.
    ("NetBufferPoolHandle", "PoolHandle"): [
        *handle_variants(HandleKind.NET_BUFFER_POOL),
        Variant("with data", buffer_pool),
    ],
    ("Any", "Addend"): [Variant(RIGHT, lambda world: world.structure(It=surface.LONGLONG).It)],
    ("Any", "Arguments"): [Variant(RIGHT, _constant(1))],
    ("Any", "Data"): [Variant(RIGHT, _constant(None))],
    ("Any", "NdisRoutineName"): [Variant(RIGHT, unicode_string)],
    ("Any", "Storage"): [Variant(RIGHT, memory), Variant(NULL, _constant(None))],
    **{("Any", name): _MEMORY for name in ("Destination", "Source", "Source1", "Source2", "VirtualAddress", "E")},
    **{
        ("int", name): [Variant(RIGHT, _constant(value))]
        for name, value in {
            "Length": 32,
            "Size": 32,
            "BytesNeeded": 16,
            "BytesToCopy": 16,
            "DataLength": 16,
            "DataOffset": 8,
            "DataOffsetDelta": 8,
            "AlignMultiple": 1,
            "NumberOfNetBufferLists": 1,
            "MsToWait": 1,
            "DueTime": -10_000,
            "PhysicalAddress": 4096,
            "NewIrql": 2,
            "DeviceType": 0x12,
        }.items()
    },
}
ANY: Final = [Variant(RIGHT, _constant(None))]
"""A context: whatever a driver passes there is handed on."""
INT: Final = [Variant(RIGHT, _constant(0))]


class NoFactory(LookupError):
    """A parameter that the tables do not know."""


def variants(parameter: inspect.Parameter) -> list[Variant]:
    """Every way to fill a parameter; NoFactory names what is missing."""
    annotation = parameter.annotation
    text = annotation.removesuffix(" | None")
    found = BY_NAME.get((text, parameter.name)) or _by_annotation(text, parameter.name)
    if _is_pointer(text) and not any(each.name == NULL for each in found):
        found = [*found, Variant(NULL, _constant(None))]
    return found


def _is_pointer(text: str) -> bool:
    """Is NULL something that C's compiler would let a driver pass?"""
    kind = getattr(surface, text, None)
    number = isinstance(kind, type) and issubclass(kind, int) and text not in KINDS
    return text[0].isupper() and text != "Any" and not number


def _by_annotation(text: str, name: str) -> list[Variant]:
    if text in ("Any", "int"):
        return ANY if text == "Any" else INT
    if text in VARIANTS:
        return VARIANTS[text]
    names = text.split(" | ")
    if all(each in KINDS for each in names):
        return handle_variants(*(kind for each in names for kind in KINDS[each]))
    if len(names) > 1 and "[" not in text:
        return [variant for each in names for variant in _by_annotation(each, name)]
    kind = getattr(surface, text, None)
    if isinstance(kind, type) and (issubclass(kind, (Record, ctypes.c_int32)) or hasattr(kind, "__field_type__")):
        return _member(text, kind)
    if text in STRUCTURE_HEADERS:
        return [Variant(RIGHT, lambda world: headed(text))]
    if isinstance(kind, type) and not issubclass(kind, surface.NDIS_HANDLE) and _all_optional(kind):
        return [Variant(RIGHT, lambda world: kind())]  # what a driver leaves out is zero
    raise NoFactory(
        f"{name} is a {text}, and tests/conformance/arguments.py has no factory for that: add one to VARIANTS, for a "
        "handle to KINDS and MADE"
    )


def _all_optional(kind: type) -> bool:
    return all(each.default is not each.empty for each in inspect.signature(kind).parameters.values())


def _member(text: str, kind: Any) -> list[Variant]:
    """A structure that a driver declares as a member of its own."""
    initialise = INITIALISED_BY.get(text)

    def make(world: World) -> Any:
        made = world.structure(It=kind).It
        if initialise is not None:
            world.ddi(initialise, made)
        return made

    found = [Variant(RIGHT, make)]
    if initialise is not None:
        found.append(Variant(RAW, lambda world: world.structure(It=kind).It))
    if text in HELD_BY:
        found.append(Variant(HELD, make, HELD_BY[text]))
    return found


def cases(declaration: Declaration) -> list[tuple[str, list[Variant]]]:
    """Argument lists: every parameter right, then one of them otherwise; each in words."""
    parameters = list(inspect.signature(declaration.function).parameters.values())
    choices = [variants(parameter) for parameter in parameters]
    usual = [each[0] for each in choices]
    found = [("all right", usual)]
    for place, (parameter, others) in enumerate(zip(parameters, choices, strict=True)):
        found += [
            (f"{parameter.name} {other.name}", [*usual[:place], other, *usual[place + 1 :]]) for other in others[1:]
        ]
    return found


__all__ = ["KINDS", "NULL", "RIGHT", "NoFactory", "Variant", "cases", "variants"]
