"""What the doctor finds: each thing a computer may lack, played by a computer that lacks it."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from emulator.host import own_namespace, privileges
from emulator.host.privileges import Check, Need, Outcome, check_all, effective_capabilities, tap_obstacle
from emulator.rules.errors import HostError
from emulator.sync import memory
from vnic.wires import linux, tap
from vnic.wires.network import interfaces

if TYPE_CHECKING:
    from pathlib import Path


def found(name: str) -> Check:
    return next(check for check in check_all() if check.name == name)


def refuse(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def test_every_check_says_what_it_found_in_one_line() -> None:
    checks = check_all()
    assert len({check.name for check in checks}) == len(checks)
    for check in checks:
        assert check.detail
        assert bool(check.mend) == (check.outcome is not Outcome.GOOD)
        assert "\n" not in str(check)
    assert {check.need for check in checks} >= {Need.MACHINE, Need.TAP, Need.PING}


def test_this_computer_can_run_machines() -> None:
    assert all(check.outcome is not Outcome.MISSING for check in check_all() if check.need is Need.MACHINE)


def test_a_good_check_and_a_bad_one_as_they_are_printed() -> None:
    assert str(Check("python", Need.MACHINE, Outcome.GOOD, "3.11.7")) == "ok      python: 3.11.7"
    bad = Check("device", Need.TAP, Outcome.MISSING, "absent", "sudo modprobe tun")
    assert str(bad) == "missing device: absent; to mend it: sudo modprobe tun"


@pytest.mark.tap
def test_with_privileges_nothing_stands_before_a_tap() -> None:
    before = interfaces(), os.listdir("/proc/self/fd"), threading.active_count()
    assert tap_obstacle() is None
    assert (interfaces(), os.listdir("/proc/self/fd"), threading.active_count()) == before


def test_another_processor_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    system = SimpleNamespace(sysname="Linux", release="6.1", machine="aarch64")
    monkeypatch.setattr("emulator.host.privileges.os.uname", lambda: system)
    check = found("system")
    assert check.outcome is Outcome.MISSING
    assert "aarch64" in check.detail
    assert "x86-64" in check.mend


def test_an_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileges, "OLDEST_PYTHON", (9, 0))
    assert found("python").outcome is Outcome.MISSING


def test_a_kernel_without_pidfds(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_process: int) -> int:
        raise refuse(errno.ENOSYS)

    monkeypatch.setattr("emulator.host.privileges.os.pidfd_open", absent)
    check = found("kernel")
    assert (check.outcome, check.detail) == (Outcome.MISSING, "without pidfd_open")


def test_a_kernel_without_close_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileges, "SYS_CLOSE_RANGE", 100_000)
    assert found("kernel").outcome is Outcome.LIMITED


def test_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_available_bytes", lambda: 1 << 20)
    check = found("shared memory")
    assert check.outcome is Outcome.MISSING
    assert "64 MiB" in check.detail


def test_no_libatomic(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ctypes.CDLL

    def without(name: str | None, **options: bool) -> object:
        if name is not None:
            raise refuse(errno.ENOENT)
        return real(name, **options)

    monkeypatch.setattr("emulator.host.privileges.ctypes.CDLL", without)
    check = found("libatomic")
    assert (check.outcome, check.mend) == (Outcome.LIMITED, "sudo apt-get install libatomic1")


def test_no_pytun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytun", None)
    check = tap_obstacle()
    assert check is not None
    assert (check.name, check.outcome) == ("python-pytun", Outcome.MISSING)
    assert check.mend.endswith("-m pip install python-pytun")


def test_no_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tap, "DEVICE", str(tmp_path / "tun"))
    check = found("device")
    assert check.outcome is Outcome.MISSING
    assert "No such file" in check.detail
    assert check.mend.startswith("sudo m")


def test_a_device_that_is_shut(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def shut(path: str, flags: int) -> int:
        if path == tap.DEVICE:
            raise refuse(errno.EACCES)
        return real(path, flags)

    monkeypatch.setattr("emulator.host.privileges.os.open", shut)
    check = found("device")
    assert (check.outcome, check.mend) == (Outcome.MISSING, "sudo chmod a+rw /dev/net/tun")


@pytest.mark.parametrize(("user", "mend"), [(0, "--cap-add NET_ADMIN"), (1000, "sudo")])
def test_no_capability(user: int, mend: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def forbid(_flags: int) -> None:
        raise refuse(errno.EPERM)

    status = tmp_path / "status"
    status.write_text("Name:\tx\nCapEff:\t0000000000000400\n", encoding="ascii")
    monkeypatch.setattr(privileges, "_STATUS", status)
    monkeypatch.setattr("emulator.host.own_namespace.os.geteuid", lambda: user)
    monkeypatch.setattr(linux, "unshare", forbid)  # in the child that tries a user namespace, too
    assert effective_capabilities() == 0x400
    check = found("CAP_NET_ADMIN")
    assert check.outcome is Outcome.MISSING
    assert mend in check.mend
    status.write_text("CapEff:\t0000000000001000\n", encoding="ascii")
    assert found("CAP_NET_ADMIN").outcome is Outcome.GOOD


def test_no_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(_flags: int) -> None:
        raise refuse(errno.EPERM)

    monkeypatch.setattr(linux, "unshare", forbid)
    check = found("TAP")
    assert check.outcome is Outcome.MISSING
    assert "making a network namespace" in check.detail
    assert check.mend


def test_no_icmp(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: int) -> None:
        raise refuse(errno.EPERM)

    monkeypatch.setattr("emulator.host.privileges.socket.socket", forbid)
    check = found("ICMP")
    assert check.outcome is Outcome.MISSING
    assert "ping_group_range" in check.mend


def test_what_stands_before_a_user_namespace_stands_before_a_tap(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    status = tmp_path / "status"
    status.write_text("CapEff:\t0000000000000000\n", encoding="ascii")
    monkeypatch.setattr(privileges, "_STATUS", status)
    monkeypatch.setattr(own_namespace, "refusal", lambda: HostError("making it", "turn it on", "it is off"))
    check = found("user namespaces")
    assert (check.outcome, check.detail, check.mend) == (Outcome.LIMITED, "making it: it is off", "turn it on")
    check = found("CAP_NET_ADMIN")
    assert (check.outcome, check.mend) == (Outcome.MISSING, "turn it on")
    assert "nor is there a user namespace for it: making it: it is off" in check.detail


def test_with_user_namespaces_an_ordinary_user_lacks_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def forbid(_flags: int) -> None:
        raise refuse(errno.EPERM)

    status = tmp_path / "status"
    status.write_text("CapEff:\t0000000000000000\n", encoding="ascii")
    tried = []
    monkeypatch.setattr(privileges, "_STATUS", status)
    monkeypatch.setattr(linux, "unshare", forbid)
    monkeypatch.setattr(own_namespace, "refusal", lambda: tried.append(1))
    assert privileges.needs_own_namespace()
    for name in ("CAP_NET_ADMIN", "TAP", "ICMP", "user namespaces"):
        tried.clear()
        assert found(name).outcome is Outcome.GOOD
        assert len(tried) == 1


def test_no_pyroute2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.host.privileges.importlib.util.find_spec", lambda _name: None)
    assert found("pyroute2").outcome is Outcome.LIMITED
