"""A real TAP in a namespace of the test's own: quiet, addressed, carrier seen, removal survived, refusals clear."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import io
import os
import select
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emulator.rules.errors import ConfigurationError
from tests.patience import DEADLINE
from vnic.wires import linux, tap
from vnic.wires.network import LinkWatcher, Namespace, delete_link, interfaces
from vnic.wires.tap import Tap
from vnic.wires.wire import Wire, WireError, is_removal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IN_A_NAMESPACE = pytest.mark.tap
TUNSETPERSIST = 0x400454CB
TUNSETOWNER = 0x400454CC


@pytest.fixture
def inside() -> Iterator[LinkWatcher]:
    """Be in a namespace of our own, its links watched."""
    before = interfaces()
    with Namespace.create() as namespace, namespace.entered(), LinkWatcher() as watcher:
        yield watcher
    assert interfaces() == before


def next_frame(wire: Tap, timeout: float = DEADLINE) -> bytes:
    poll = select.poll()
    poll.register(wire.fileno(), select.POLLIN)
    assert poll.poll(timeout * 1000), "no frame came"
    return os.read(wire.fileno(), 2048)


@IN_A_NAMESPACE
def test_a_tap_is_a_wire(inside: LinkWatcher) -> None:
    wire = Tap.open("ndis0", "10.77.0.1/24", 1400)
    assert isinstance(wire, Wire)
    assert (wire.name, wire.interface, wire.mtu) == ("tap:ndis0", "ndis0", 1400)
    assert not os.get_blocking(wire.fileno())
    assert wire.descriptors()[0] == wire.fileno()
    assert not any(map(os.get_inheritable, wire.descriptors()))
    assert not wire.carrier
    assert not wire.poll_removed()
    assert linux.is_up("ndis0")
    assert ("ndis0", "10.77.0.1") in linux.ipv4_addresses()
    assert wire._device.mtu == 1400
    wire.close()
    wire.close()
    assert wire.fileno() == -1
    assert wire.poll_removed()
    inside.wait_for("ndis0", carrier=None)


@IN_A_NAMESPACE
def test_frames_go_both_ways_whole(inside: LinkWatcher) -> None:
    wire = Tap.open("ndis0", "10.77.0.1/24")
    wire.set_carrier(True)  # and from here on the kernel sends: there is nothing to wait for
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(b"hello", ("10.77.0.2", 9))
    request = next_frame(wire)
    assert request[:6] == b"\xff" * 6
    assert request[12:14] == b"\x08\x06"  # the kernel asks who has 10.77.0.2
    assert request[38:42] == bytes((10, 77, 0, 2))
    mac = b"\x02\0\0\0\0\x02"
    reply = request[6:12] + mac + request[12:20] + b"\0\x02" + mac + request[38:42] + request[22:28] + request[28:32]
    os.writev(wire.fileno(), [reply[:14], reply[14:]])
    slot = bytearray(2048)
    datagram = next_frame(wire)
    assert datagram[:6] == mac
    assert datagram.endswith(b"hello")
    assert io.FileIO(wire.fileno(), "r", closefd=False).readinto(slot) is None
    wire.close()


@IN_A_NAMESPACE
def test_with_offloads_the_kernel_leaves_undone_what_was_enabled(inside: LinkWatcher) -> None:
    wire = Tap.open("ndis0", "10.77.0.1/24", offloads=True)
    assert wire.offloads & 0x0F == 0x0F
    wire.set_carrier(True)
    from pyroute2 import IPRoute

    station = bytes.fromhex("020000000002")
    with IPRoute() as route:
        (index,) = route.link_lookup(ifname="ndis0")
        route.neigh("add", dst="10.77.0.2", lladdr="02:00:00:00:00:02", ifindex=index, state=0x80)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for offloads, flags in ((0, 0), (1, 1), (0, 0)):
            wire.set_offloads(offloads)
            sender.sendto(b"hello", ("10.77.0.2", 9))
            found = next_frame(wire)
            assert found[10:16] == station
            assert found.endswith(b"hello")
            assert found[0] == flags
            assert not flags or found[6:10] == bytes((34, 0, 6, 0))
    with pytest.raises(WireError, match="setting the offloads"):
        wire.set_offloads(2)
    wire.close()


@IN_A_NAMESPACE
def test_a_fresh_tap_is_quiet(inside: LinkWatcher) -> None:
    wire = Tap.open("ndis0", "10.77.0.1/24")
    wire.set_carrier(True)
    inside.wait_for("ndis0", carrier=True)
    assert Path("/proc/sys/net/ipv6/conf/ndis0/disable_ipv6").read_text(encoding="ascii").strip() == "1"
    with pytest.raises(BlockingIOError):
        os.read(wire.fileno(), 2048)
    wire.close()


@IN_A_NAMESPACE
def test_carrier_is_what_the_kernel_says(inside: LinkWatcher) -> None:
    wire = Tap.open("ndis0")
    inside.wait_for("ndis0", carrier=False)
    wire.set_carrier(True)
    assert wire.carrier
    inside.wait_for("ndis0", carrier=True)
    wire.set_carrier(False)
    assert not wire.carrier
    inside.wait_for("ndis0", carrier=False)
    wire.close()


@IN_A_NAMESPACE
def test_a_change_of_carrier_is_told_at_once(inside: LinkWatcher) -> None:
    wire = Tap.open("ndis0")
    for up in (True, False, True, False):  # left to itself the kernel would tell the second change a second later
        wire.set_carrier(up)
        assert inside.refresh()["ndis0"].carrier is up
    wire.close()


@IN_A_NAMESPACE
def test_an_ipv6_address_is_usable_at_once(inside: LinkWatcher) -> None:
    wire = Tap.open("ndis0", "fd77::1/64")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as bound:
        bound.bind(("fd77::1", 0))
    with pytest.raises(WireError) as caught:
        Tap.open("ndis1", "fd77::1/64")
    assert caught.value.errno == errno.EADDRINUSE
    wire.close()


@IN_A_NAMESPACE
def test_addresses_of_both_versions(inside: LinkWatcher) -> None:
    wire = Tap.open("ndis0", "10.77.0.1/24,fd77::1/64")
    assert ("ndis0", "10.77.0.1") in linux.ipv4_addresses()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as bound:
        bound.bind(("fd77::1", 0))
    wire.close()


@IN_A_NAMESPACE
def test_deleted_from_outside_is_a_removal_and_no_crash(inside: LinkWatcher) -> None:
    wire = Tap.open("ndis0")
    wire.set_carrier(True)
    delete_link("ndis0")
    inside.wait_for("ndis0", carrier=None)
    assert wire.poll_removed()
    poll = select.poll()
    poll.register(wire.fileno(), select.POLLIN)
    assert poll.poll(0)  # the pump is woken by it
    with pytest.raises(OSError, match=r".") as reading:
        io.FileIO(wire.fileno(), "r", closefd=False).readinto(bytearray(2048))
    with pytest.raises(OSError, match=r".") as writing:
        os.write(wire.fileno(), bytes(60))
    assert is_removal(reading.value)
    assert is_removal(writing.value)
    wire.set_carrier(False)
    assert not wire.carrier
    wire.set_carrier(True)
    assert not wire.carrier
    wire.close()


@IN_A_NAMESPACE
def test_a_name_that_another_program_uses(inside: LinkWatcher) -> None:
    wire = Tap.open("ndis0")
    with pytest.raises(
        WireError, match=r"another program uses the TAP ndis0\); to mend it: --wire tap:ndis1"
    ) as caught:
        Tap.open("ndis0")
    assert caught.value.errno == errno.EBUSY
    assert not wire.poll_removed()
    wire.close()


@IN_A_NAMESPACE
def test_a_name_that_is_no_tap(inside: LinkWatcher) -> None:
    with pytest.raises(WireError, match=r"there is an interface lo, and it is no TAP") as caught:
        Tap.open("lo")
    assert caught.value.errno == errno.EEXIST


@IN_A_NAMESPACE
def test_an_address_that_another_interface_has(inside: LinkWatcher) -> None:
    first = Tap.open("ndis0", "10.77.0.1/24")
    with pytest.raises(WireError, match=r"setting the address 10.77.0.1 of ndis1 .*ndis0 has it already") as caught:
        Tap.open("ndis1", "10.77.0.1/16")
    assert caught.value.errno == errno.EADDRINUSE
    inside.refresh()
    assert set(interfaces()) == {"lo", "ndis0"}  # the one that failed is gone again
    first.close()


def without_privileges(act: Callable[[], bool]) -> bool:
    """Run `act` in a child that has kept its user and lost its capabilities; return what it returned."""
    child = os.fork()
    if child == 0:
        code = 2
        try:
            header = struct.pack("Ii", 0x20080522, 0)  # struct __user_cap_header_struct, version 3
            if ctypes.CDLL(None).capset(header, bytes(24)) == 0:
                code = 0 if act() else 1
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 1), "the child failed before it could try"
    return code == 0


def refusal(name: str, address: str = "") -> WireError:
    with pytest.raises(WireError) as caught:
        Tap.open(name, address)
    return caught.value


@IN_A_NAMESPACE
def test_an_ordinary_user_is_told_what_an_administrator_must_do(inside: LinkWatcher) -> None:
    def refused() -> bool:
        error = refusal("ndis0")
        return (
            error.errno == errno.EPERM
            and error.step == "making the TAP ndis0"
            and error.mend.startswith("sudo ip tuntap add dev ndis0 mode tap user $USER")
        )

    assert without_privileges(refused)


@IN_A_NAMESPACE
def test_an_ordinary_user_uses_the_tap_that_was_made_for_him(inside: LinkWatcher) -> None:
    wire = Tap.open("ndis0", "10.77.0.1/24", 1400)
    fcntl.ioctl(wire.fileno(), TUNSETOWNER, os.geteuid())
    fcntl.ioctl(wire.fileno(), TUNSETPERSIST, 1)
    wire.close()

    def use() -> bool:
        again = Tap.open("ndis0", "10.77.0.1/24", 1400)
        again.set_carrier(True)
        with LinkWatcher() as watcher:
            watcher.wait_for("ndis0", carrier=True)
        again.close()
        return True

    def ask_for_more() -> bool:
        error = refusal("ndis0", "10.77.1.1/24")
        return error.errno == errno.EPERM and "ip address add 10.77.1.1/24 dev ndis0" in error.mend

    assert without_privileges(use)
    assert without_privileges(ask_for_more)
    inside.wait_for("ndis0", carrier=False)  # nobody uses it, yet it belongs to the administrator
    delete_link("ndis0")


@pytest.mark.parametrize("name", ["", "x" * 16, "a/b", "a b", "ndis%d", "..", "a:b"])
def test_a_name_that_the_kernel_would_not_take(name: str) -> None:
    error = refusal(name)
    assert error.errno == errno.EINVAL
    assert error.step.startswith("naming the TAP")


def test_an_address_that_makes_no_sense_is_refused_before_anything_is_made() -> None:
    before = interfaces()
    with pytest.raises(ConfigurationError):
        Tap.open("ndis0", "10.77.0.1")
    assert interfaces() == before


def test_without_python_pytun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytun", None)
    error = refusal("ndis0")
    assert (error.step, error.mend) == ("importing python-pytun", "python3 -m pip install python-pytun")


@pytest.mark.parametrize(
    ("number", "mend"),
    [
        (errno.EACCES, "sudo chmod a+rw /dev/net/tun"),
        (errno.ENODEV, "sudo modprobe tun"),
        (errno.ENXIO, "sudo modprobe tun"),
    ],
)
def test_without_the_device(number: int, mend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: str, _flags: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("vnic.wires.tap.os.open", refuse)
    error = refusal("ndis0")
    assert (error.step, error.mend, error.errno) == ("opening /dev/net/tun", mend, number)


def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tap, "DEVICE", str(tmp_path / "tun"))
    error = refusal("ndis0")
    assert error.errno == errno.ENOENT
    assert error.mend.startswith("sudo m")  # mknod where the module is there, else modprobe


def test_pytun_is_imported_when_a_tap_is_opened_and_not_before() -> None:
    code = "import sys, vnic.wires.tap, vnic.wires.network; print(sorted({'pytun', 'pyroute2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"
