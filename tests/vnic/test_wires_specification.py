"""What the user may write for a wire and its address, and the one line that says what makes no sense."""

from __future__ import annotations

import errno
import os

import msgspec
import pytest

from emulator.rules.errors import EXIT_HOST, ConfigurationError, HostError
from vnic.wires.wire import WireError, WireSpecification, is_removal, parse_address, parse_addresses, parse_wire


def test_the_two_kinds() -> None:
    assert parse_wire("cable") == WireSpecification("cable")
    assert parse_wire("tap:ndis0") == WireSpecification("tap", "ndis0")
    assert parse_wire("tap:ndis0", "10.77.0.1/24", 9000) == WireSpecification("tap", "ndis0", "10.77.0.1/24", 9000)
    assert parse_wire("tap:ndis0").name == "tap:ndis0"
    assert parse_wire("cable").name == "cable"
    assert parse_wire("tap:" + "x" * 15).interface == "x" * 15


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "unknown kind ''"),
        ("tun:ndis0", "unknown kind 'tun'"),
        ("cable:x", "a cable has no name"),
        ("tap", "the interface's name is missing"),
        ("tap:", "the interface's name is missing"),
        ("tap:" + "x" * 16, "longer than 15 characters"),
        ("tap:" + "ä" * 8, "longer than 15 characters"),
        ("tap:a/b", "holds '/'"),
        ("tap:a b", "holds ' '"),
        ("tap:ndis%d", "holds '%'"),
        ("tap:a:b", "holds ':'"),
        ("tap:..", "is no interface name"),
        ("tap:a\nb", r"holds '\\n'"),
        ("tap:a\0b", r"holds '\\x00'"),
    ],
)
def test_a_wire_that_makes_no_sense(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        parse_wire(text)
    assert "\n" not in str(caught.value)


def test_a_capture_file() -> None:
    assert parse_wire("pcap:a.pcap") == WireSpecification("pcap", file="a.pcap")
    found = parse_wire("pcap:/x/a=b.pcap,out=b.pcapng,speed=2.5,loop=3,end=exit,direction=all", "10.77.0.1/24", 9000)
    assert (found.file, found.out, found.speed, found.loop) == ("/x/a=b.pcap", "b.pcapng", 2.5, 3)
    assert (found.end, found.direction, found.address, found.mtu) == ("exit", "all", "10.77.0.1/24", 9000)
    assert found.name == "pcap:a=b.pcap"
    assert parse_wire("pcap:a,speed=asap").speed == 0
    assert parse_wire("pcap:a,loop=forever").loop == 0
    assert parse_wire("pcap:~/a,out=~/b").file == os.path.expanduser("~/a")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pcap", "the file's name is missing"),
        ("pcap:", "the file's name is missing; write for example 'pcap:in.pcapng'"),
        ("pcap:,out=b", "the file's name is missing"),
        ("pcap:a,asap", "'asap' is no option; there are out, speed, loop, end, direction"),
        ("pcap:a,spede=2", "'spede=2' is no option"),
        ("pcap:a,out=", "out=: expected the name of a file"),
        ("pcap:a,speed=0", "speed=0: expected how many times as fast"),
        ("pcap:a,speed=nan", "speed=nan: expected"),
        ("pcap:a,speed=fast", "speed=fast: expected"),
        ("pcap:a,loop=0", "loop=0: expected how often, or forever"),
        ("pcap:a,loop=1.5", "loop=1.5: expected"),
        ("pcap:a,end=stop", "end=stop: expected stay or exit"),
        ("pcap:a,direction=out", "direction=out: expected in or all"),
        ("pcap:a,end=exit,loop=forever", "loop=forever has no end"),
        ("pcap:a,loop=2,loop=3", "loop is given twice"),
    ],
)
def test_a_capture_file_that_makes_no_sense(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        parse_wire(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mtu", [0, 575, 9001])
def test_an_mtu_out_of_range(mtu: int) -> None:
    with pytest.raises(ConfigurationError, match="576 to 9000"):
        parse_wire("cable", mtu=mtu)


@pytest.mark.parametrize("text", ["10.77.0.1/24", "10.77.0.0/31", "fd77::1/64"])
def test_addresses(text: str) -> None:
    assert str(parse_address(text)) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is none of IPv4 or IPv6"),
        ("ten", "is none of IPv4 or IPv6"),
        ("10.77.0.1/33", "is none of IPv4 or IPv6"),
        ("10.77.0.1", "the prefix is missing"),
        ("10.77.0.1/32", "the prefix is missing"),
        ("fd77::1", "the prefix is missing"),
        ("10.77.0.0/24", "names the whole network"),
        ("10.77.0.255/24", "names the whole network"),
        ("127.0.0.2/8", "no interface can have it"),
        ("224.0.0.5/24", "no interface can have it"),
    ],
)
def test_an_address_that_makes_no_sense(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        parse_address(text)


def test_addresses_of_both_versions_and_no_two_of_one() -> None:
    both = parse_wire("tap:ndis0", " 10.77.0.1/24,  FD00:0077::1/64 ")
    assert both.address == "10.77.0.1/24,fd00:77::1/64"
    assert [str(one) for one in parse_addresses(both.address)] == both.address.split(",")
    assert parse_addresses("") == []
    for text in ("10.77.0.1/24,10.78.0.1/24", "fd00:77::1/64,10.77.0.1/24,fd00:78::1/64"):
        with pytest.raises(ConfigurationError, match=r"more than one of IPv[46]; an adapter has one of each"):
            parse_addresses(text)
    for text, says in (("10.77.0.1/24,", "address ''"), ("10.77.0.1/24;fd00:77::1/64", "is none of IPv4 or IPv6")):
        with pytest.raises(ConfigurationError, match=says):
            parse_wire("cable", text)


def test_a_specification_crosses_to_the_host() -> None:
    specification = parse_wire("tap:ndis0", "10.77.0.1/24")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(specification), type=WireSpecification) == specification


def test_a_wire_error_is_a_fault_of_the_computer() -> None:
    error = WireError("making the TAP ndis0", "sudo ndisemu ...", OSError(errno.EPERM, os.strerror(errno.EPERM)))
    assert isinstance(error, HostError)
    assert isinstance(error, OSError)
    assert error.errno == errno.EPERM
    assert error.exit_code == EXIT_HOST
    assert str(error) == "making the TAP ndis0 failed (Operation not permitted); to mend it: sudo ndisemu ..."
    assert WireError("step", "mend", "why", errno.EEXIST).errno == errno.EEXIST


def test_which_errors_mean_that_the_wire_is_gone() -> None:
    assert is_removal(OSError(errno.EBADFD, ""))
    assert is_removal(OSError(errno.ENODEV, ""))
    assert not is_removal(OSError(errno.EIO, ""))
    assert not is_removal(OSError(errno.EAGAIN, ""))
