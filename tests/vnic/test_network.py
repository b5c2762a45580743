"""Anonymous namespaces that leave nothing behind, and the watcher that sees links come and go in one."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.patience import DEADLINE
from vnic.wires import linux
from vnic.wires.links import LinkWatcher
from vnic.wires.network import Namespace, delete_link, interfaces
from vnic.wires.tap import Tap
from vnic.wires.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.tap


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    home = os.readlink("/proc/thread-self/ns/net")
    before = interfaces()
    with Namespace.create() as made:
        yield made
    assert os.readlink("/proc/thread-self/ns/net") == home
    assert interfaces() == before


def test_a_namespace_is_empty_but_for_its_loopback(namespace: Namespace) -> None:
    home = os.readlink("/proc/thread-self/ns/net")
    with namespace.entered():
        assert os.readlink("/proc/thread-self/ns/net") != home
        assert interfaces() == ["lo"]
        assert linux.is_up("lo")
        assert linux.ipv4_addresses() == [("lo", "127.0.0.1")]
    assert threading.active_count() == len(threading.enumerate())
    assert not [thread for thread in threading.enumerate() if thread.name == "namespace"]
    assert not os.get_inheritable(namespace.fileno())


def test_an_exception_inside_leads_home(namespace: Namespace) -> None:
    home = os.readlink("/proc/thread-self/ns/net")
    with pytest.raises(ZeroDivisionError), namespace.entered():
        raise ZeroDivisionError
    assert os.readlink("/proc/thread-self/ns/net") == home


def test_a_child_enters_for_good(namespace: Namespace) -> None:
    child = os.fork()
    if child == 0:
        namespace.enter()
        os._exit(0 if interfaces() == ["lo"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_open_tap_holds_its_namespace(namespace: Namespace) -> None:
    with namespace.entered():
        tap = Tap.open("ndis0")
        watcher = LinkWatcher()
    namespace.close()
    namespace.close()
    assert not tap.poll_removed()
    tap.close()
    watcher.wait_for("ndis0", carrier=None)
    watcher.close()


def test_without_permission_the_error_names_step_and_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_flags: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(linux, "unshare", refuse)
    with pytest.raises(WireError, match=r"making a network namespace failed .*; to mend it: .*sudo"):
        Namespace.create()


def test_a_watcher_knows_what_is_there(namespace: Namespace) -> None:
    with namespace.entered(), LinkWatcher() as watcher:
        tap = Tap.open("ndis0")
        watcher.wait_for("ndis0", carrier=False)
        assert set(watcher.links) == {"lo", "ndis0"}
        assert watcher.links["lo"].carrier
        tap.close()
        watcher.wait_for("ndis0", carrier=None)
        assert set(watcher.refresh()) == {"lo"}


def test_a_watcher_made_inside_sees_from_outside(namespace: Namespace) -> None:
    with namespace.entered():
        tap = Tap.open("ndis0")
        watcher = LinkWatcher()
    assert set(watcher.links) == {"lo", "ndis0"}
    for up in (True, False, True, False):
        tap.set_carrier(up)
        state = watcher.wait_for("ndis0", carrier=up, timeout=DEADLINE)
        assert state is not None
        assert state.carrier == up
        assert state.up
    tap.close()
    assert watcher.wait_for("ndis0", carrier=None) is None
    watcher.close()


def test_carrier_off_just_before_the_end_is_seen(namespace: Namespace) -> None:
    with namespace.entered():
        tap = Tap.open("ndis0")
        watcher = LinkWatcher()
    tap.set_carrier(True)
    watcher.wait_for("ndis0", carrier=True)
    tap.set_carrier(False)
    tap.close()
    state = watcher.wait_for("ndis0", carrier=False)
    assert state is not None
    assert watcher.wait_for("ndis0", carrier=None) is None
    watcher.close()


def test_off_is_seen_even_when_it_is_over_and_on_only_while_it_is_on(namespace: Namespace) -> None:
    with namespace.entered(), LinkWatcher() as watcher:
        tap = Tap.open("ndis0")
        for up in (True, False):
            tap.set_carrier(up)
        with pytest.raises(TimeoutError, match="carrier on"):
            watcher.wait_for("ndis0", carrier=True, timeout=0.05)
        for up in (True, False, True):
            tap.set_carrier(up)
        watcher.wait_for("ndis0", carrier=False)
        tap.close()


def test_the_death_of_a_tap_s_owner_is_seen(namespace: Namespace) -> None:
    with namespace.entered():
        watcher = LinkWatcher()
        child = os.fork()
        if child == 0:
            tap = Tap.open("ndis0")
            tap.set_carrier(True)
            signal.pause()
            os._exit(0)
    watcher.wait_for("ndis0", carrier=True)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    watcher.wait_for("ndis0", carrier=None)
    watcher.close()


def test_waiting_in_vain_says_for_what(namespace: Namespace) -> None:
    with namespace.entered(), LinkWatcher() as watcher:
        started = time.monotonic()
        with pytest.raises(TimeoutError, match=r"ndis0: waited 0.05 s for: carrier on; it is: gone"):
            watcher.wait_for("ndis0", carrier=True, timeout=0.05)
        assert time.monotonic() - started < DEADLINE


def test_lost_events_are_asked_for_again(namespace: Namespace) -> None:
    with namespace.entered(), LinkWatcher() as watcher:
        watcher._socket.setsockopt(1, 8, 1)  # SO_RCVBUF as small as the kernel grants
        tap = Tap.open("ndis0")
        for _ in range(200):
            tap._device.down()
            tap._device.up()
        asked = watcher._sequence
        watcher.refresh()
        assert watcher._sequence > asked  # it has noticed
        tap.set_carrier(True)
        watcher.wait_for("ndis0", carrier=True)
        tap.close()
        assert watcher.wait_for("ndis0", carrier=None) is None
        assert set(watcher.links) == {"lo"}


def test_a_link_deleted_by_hand_is_gone(namespace: Namespace) -> None:
    with namespace.entered(), LinkWatcher() as watcher:
        tap = Tap.open("ndis0")
        delete_link("ndis0")
        watcher.wait_for("ndis0", carrier=None)
        assert interfaces() == ["lo"]
        assert tap.poll_removed()
        tap.close()
