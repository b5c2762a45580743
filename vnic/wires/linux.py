"""The few system calls on interfaces and namespaces that Python 3.11 has no function for.

Law: plain wrappers with plain OSErrors, and nothing here decides; they act on the network namespace of the calling
thread.
"""

from __future__ import annotations

import ctypes
import fcntl
import functools
import os
import socket
import struct
from typing import Final

CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWNET: Final = 0x40000000

_IFF_UP: Final = 0x1
_SIOCGIFCONF: Final = 0x8912
_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_SIOCGIFTXQLEN: Final = 0x8942
_SIOCETHTOOL: Final = 0x8946
_SYS_BPF: Final = 321
_BPF_PROG_LOAD: Final = 5
_BPF_PROG_TYPE_SOCKET_FILTER: Final = 1
_BPF_INSTRUCTION_BYTES: Final = 8
_BPF_ATTRIBUTES_BYTES: Final = 48
_ETHTOOL_GLINK: Final = 0x0A
_INTERFACE_REQUEST: Final = struct.Struct("16sH22x")  # struct ifreq with ifr_flags
_INTERFACE_NUMBER: Final = struct.Struct("16si20x")  # struct ifreq with ifr_qlen
_ADDRESS_REQUEST: Final = struct.Struct("16sHxx4s16x")  # struct ifreq with a sockaddr_in
_MOST_ADDRESSES: Final = 1024


@functools.cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def unshare(flags: int) -> None:
    """Move the calling thread into new namespaces of these kinds (os.unshare from Python 3.12 on)."""
    _checked(_library().unshare(ctypes.c_int(flags)), "unshare")


def set_namespace(descriptor: int, kind: int) -> None:
    """Move the calling thread into the namespace behind this descriptor (os.setns from Python 3.12 on)."""
    _checked(_library().setns(ctypes.c_int(descriptor), ctypes.c_int(kind)), "setns")


def load_program(instructions: bytes) -> int:
    """Load an eBPF program of the kind that looks at a socket's frames; return its descriptor."""
    code, licence = ctypes.create_string_buffer(instructions), ctypes.create_string_buffer(b"MIT")
    count = len(instructions) // _BPF_INSTRUCTION_BYTES
    attributes = struct.pack(
        "=IIQQ", _BPF_PROG_TYPE_SOCKET_FILTER, count, ctypes.addressof(code), ctypes.addressof(licence)
    )
    # What is behind these is zero, and says nothing.
    request = ctypes.create_string_buffer(attributes, _BPF_ATTRIBUTES_BYTES)
    descriptor: int = _library().syscall(_SYS_BPF, _BPF_PROG_LOAD, request, _BPF_ATTRIBUTES_BYTES)
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "bpf")
    return descriptor


def longest_queue(control: socket.socket, interface: str) -> int:
    """Return how many frames the kernel keeps for each descriptor of a TAP; 0 where it does not say."""
    request = bytearray(_INTERFACE_NUMBER.pack(interface.encode(), 0))
    try:
        fcntl.ioctl(control.fileno(), _SIOCGIFTXQLEN, request, True)
    except OSError:
        return 0
    return int(_INTERFACE_NUMBER.unpack(request)[1])


def interface_names() -> list[str]:
    """Return the names of all interfaces."""
    return [name for _, name in socket.if_nameindex()]


def is_up(interface: str) -> bool:
    """Return whether the interface is administratively up."""
    return bool(_flags(interface) & _IFF_UP)


def set_up(interface: str) -> None:
    """Bring the interface administratively up, which asks for no privilege where it is so already."""
    flags = _flags(interface)
    if not flags & _IFF_UP:
        _request(_SIOCSIFFLAGS, bytearray(_INTERFACE_REQUEST.pack(interface.encode(), flags | _IFF_UP)))


def ipv4_addresses() -> list[tuple[str, str]]:
    """Return the interface and the IPv4 address of every address there is."""
    room = ctypes.create_string_buffer(_MOST_ADDRESSES * _ADDRESS_REQUEST.size)
    request = bytearray(struct.pack("iP", len(room), ctypes.addressof(room)))  # struct ifconf
    _request(_SIOCGIFCONF, request)
    length = struct.unpack_from("i", request)[0]
    return [
        (label.rstrip(b"\0").decode().partition(":")[0], socket.inet_ntoa(address))
        for label, family, address in _ADDRESS_REQUEST.iter_unpack(room.raw[:length])
        if family == socket.AF_INET
    ]


def settle_carrier(control: socket.socket, interface: str) -> None:
    """Make the kernel act on the interface's carrier now: by itself it may take a second, and drops what is sent."""
    value = ctypes.create_string_buffer(struct.pack("II", _ETHTOOL_GLINK, 0))  # struct ethtool_value
    request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))
    fcntl.ioctl(control.fileno(), _SIOCETHTOOL, request)


def _flags(interface: str) -> int:
    request = bytearray(_INTERFACE_REQUEST.pack(interface.encode(), 0))
    _request(_SIOCGIFFLAGS, request)
    return int(_INTERFACE_REQUEST.unpack(request)[1])


def _request(code: int, request: bytearray) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        fcntl.ioctl(control.fileno(), code, request, True)
