"""A user namespace of one's own: what forbids it, as a computer would, and that trying it changes nothing."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest

from emulator.host import own_namespace
from emulator.host.own_namespace import refusal
from vnic.wires import linux, tap
from vnic.wires.network import interfaces
from vnic.wires.wire import WireError

if TYPE_CHECKING:
    from pathlib import Path


def refuse(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that makes no user namespaces."""

    def unshare(_flags: int) -> None:
        raise refuse(errno.ENOSPC)

    monkeypatch.setattr(own_namespace, "SWITCHES", ())
    monkeypatch.setattr(linux, "unshare", unshare)


def test_trying_it_leaves_this_process_where_and_what_it_was() -> None:
    before = interfaces(), os.listdir("/proc/self/fd"), os.readlink("/proc/self/ns/net"), os.getuid()
    refusal()
    assert (interfaces(), os.listdir("/proc/self/fd"), os.readlink("/proc/self/ns/net"), os.getuid()) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize(("user", "mend"), [(0, "start the container with"), (1000, "run the same command with sudo")])
@pytest.mark.usefixtures("forbidden")
def test_no_namespace_is_made(user: int, mend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.host.own_namespace.os.geteuid", lambda: user)
    found = refusal()
    assert found is not None
    assert (found.step, found.reason) == ("making a user namespace", "No space left on device")
    assert found.mend.startswith(mend)


@pytest.mark.usefixtures("forbidden")
def test_the_switch_that_forbids_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    switch, absent = tmp_path / "switch", tmp_path / "absent"
    monkeypatch.setattr(own_namespace, "SWITCHES", ((str(absent), "0", "no"), (str(switch), "0", "turn it on")))
    switch.write_text("0\n", encoding="ascii")
    found = refusal()
    assert found is not None
    assert (found.reason, found.mend) == (f"No space left on device, {switch} is 0", "turn it on")
    switch.write_text("1\n", encoding="ascii")
    found = refusal()
    assert found is not None
    assert found.reason == "No space left on device"


def test_a_namespace_without_rights_is_told_with_its_switch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As AppArmor has it: the namespace is made, and nothing may be done in it."""

    def refused(name: str) -> None:
        raise WireError(f"making the TAP {name}", "sudo ip tuntap add", refuse(errno.EPERM))

    switch = tmp_path / "switch"
    switch.write_text("1\n", encoding="ascii")
    monkeypatch.setattr(own_namespace, "SWITCHES", ((str(switch), "1", "turn it off"),))
    monkeypatch.setattr(own_namespace, "enter", lambda: None)
    monkeypatch.setattr("emulator.host.own_namespace.Tap.open", refused)
    found = refusal()
    assert found is not None
    assert found.step == "making the TAP ndis0"
    assert (found.reason, found.mend) == (f"Operation not permitted, {switch} is 1", "turn it off")


def test_a_device_that_is_shut_or_absent_is_told_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(own_namespace, "enter", lambda: None)
    monkeypatch.setattr(tap, "DEVICE", str(tmp_path / "tun"))
    found = refusal()
    assert found is not None
    assert found.step == f"opening {tmp_path / 'tun'}"
    assert found.mend.startswith("sudo m")


def test_a_thread_that_ends_is_waited_for() -> None:
    def act() -> None:
        ended = threading.Event()
        threading.Thread(target=ended.wait).start()
        threading.Timer(0.05, ended.set).start()
        own_namespace.enter()

    child = os.fork()
    if child == 0:
        try:
            act()
        except OSError as error:
            os._exit(error.errno or 1)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) != errno.EINVAL


@pytest.mark.parametrize(("act", "told"), [(lambda: os._exit(9), "has died"), (lambda: 1 // 0, "ZeroDivisionError")])
def test_a_trial_that_goes_wrong_is_a_refusal(act: object, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_namespace, "enter", act)
    found = refusal()
    assert found is not None
    assert told in found.reason
    assert found.mend
