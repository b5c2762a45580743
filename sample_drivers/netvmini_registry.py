"""What netvmini reads in the registry when an adapter is initialised: the standardized keywords and its own.

Law: what is not there, or NULL where there is no registry at all, has its default; nothing is read later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emulator.ndis import *
from sample_drivers.netvmini_nic import *
from sample_drivers.netvmini_offload import *
from sample_drivers.netvmini_rss import *
from vnic.device import *

if TYPE_CHECKING:
    from sample_drivers.netvmini import ADAPTER

NIC_TASK_KEYWORDS: Final = (
    ("*IPChecksumOffloadIPv4", TX_IP4, RX_IP4),
    ("*TCPChecksumOffloadIPv4", TX_TCP4, RX_TCP4),
    ("*UDPChecksumOffloadIPv4", TX_UDP4, RX_UDP4),
    ("*TCPChecksumOffloadIPv6", TX_TCP6, RX_TCP6),
    ("*UDPChecksumOffloadIPv6", TX_UDP6, RX_UDP6),
    ("*TCPUDPChecksumOffloadIPv4", TX_IP4 | TX_TCP4 | TX_UDP4, RX_IP4 | RX_TCP4 | RX_UDP4),
    ("*TCPUDPChecksumOffloadIPv6", TX_TCP6 | TX_UDP6, RX_TCP6 | RX_UDP6),
    ("*LsoV1IPv4", LSO1, 0),
    ("*LsoV2IPv4", LSO2_IP4, 0),
    ("*LsoV2IPv6", LSO2_IP6, 0),
    ("*UsoIPv4", USO_IP4, 0),
    ("*UsoIPv6", USO_IP6, 0),
    ("*RscIPv4", RSC_IP4, 0),
    ("*RscIPv6", RSC_IP6, 0),
)
"""What bit 0 of a keyword's value lets be on, and what bit 1."""


def NICReadRegistry(Adapter: ADAPTER) -> int:
    """Read the address, which is the hardware's unless NetworkAddress is unicast, and the rest; how many queues."""
    queues, Adapter.Tasks = NIC_QUEUES, NICOffloadTasks(Adapter.Offloads)
    Adapter.PermanentAddress = Adapter.CurrentAddress = VnicReadMacAddress(Adapter.Nic)
    _, configuration = NdisOpenConfigurationEx(NICConfigurationObject(Adapter))
    if configuration is not None:
        _, address, length = NdisReadNetworkAddress(configuration)
        if address is not None and length == ETH_LENGTH_OF_ADDRESS and not address[0] & NIC_GROUP_BIT:
            Adapter.CurrentAddress = address
        Adapter.FramesPerDpc = NICReadNumber(configuration, "FramesPerDpc", 0)
        queues = NICReadQueues(configuration)
        if Adapter.Tasks:
            Adapter.Tasks = NICReadTasks(configuration, Adapter.Tasks)
        NdisCloseConfiguration(configuration)
    Adapter.Directed = NIC_NOBODY
    return queues


def NICReadNumber(Configuration: Any, Keyword: str, Default: int) -> int:
    """A number in the registry."""
    _, found = NdisReadConfiguration(Configuration, Keyword, NDIS_PARAMETER_TYPE.NdisParameterInteger)
    return found.ParameterData.IntegerData if found is not None else Default


def NICReadQueues(Configuration: Any) -> int:
    """How many queues the registry allows: *NumRssQueues, or one where *RSS is 0."""
    if not NICReadNumber(Configuration, "*RSS", 1):
        return 1
    return min(max(NICReadNumber(Configuration, "*NumRssQueues", NIC_QUEUES), 1), NIC_QUEUES)


def NICReadTasks(Configuration: Any, Tasks: int) -> int:
    """Which of these offloads the registry lets be on from the beginning; a protocol may switch on more."""
    for keyword, first, second in NIC_TASK_KEYWORDS:
        value = NICReadNumber(Configuration, keyword, 3)
        Tasks &= ~((0 if value & 1 else first) | (0 if value & 2 else second))
    return Tasks


__all__ = ["NICReadRegistry"]
