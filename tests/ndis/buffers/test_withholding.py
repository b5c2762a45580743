"""What a processor among several stores is away for its driver, and written only when another context asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator.kernel import spinlocks
from emulator.kernel.pointers import decode
from emulator.ndis.buffers import publication, withholding
from emulator.ndis.buffers.net_buffers import AWAY_LIST, NET_BUFFER_LIST, list_entry, list_pool
from emulator.ndis.data_path.datapath_state import AWAY
from emulator.rules.errors import BugCheck
from emulator.rules.limits import VnicLimit
from tests.ndis.buffers.test_publication import Stashed, fill, look
from tests.ndis.small_stack import MINI, chain

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context


@pytest.fixture(params=[True, False], ids=["checked", "free"])
def checked(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def plain(stashed: Stashed, count: int = 1) -> list[Any]:
    """Lists that refer to no other, each alone."""
    lists = chain(stashed.stack.frames(stashed.stack.pool(), count))
    for number, nbl in enumerate(lists):
        nbl.Next, nbl.Status, nbl.MiniportReserved[0] = None, number, stashed.stack.memory(16)
        nbl.ProtocolReserved[1], nbl.NetBufferListInfo[8] = number + 7, 0xDEADBEEF
    return lists


def home(context: Context, nbl: Any) -> int:
    word: int = context.datapath.halves[list_entry(nbl) >> 2]
    return word


def test_what_nobody_else_takes_is_away_and_is_not_written(checked: bool) -> None:
    stashed = Stashed(checked=checked, processors=2)
    with stashed.fake.dispatch(driver=MINI) as context:
        (nbl,) = plain(stashed)
        seen = look(nbl)
        stashed.keep(nbl)
        assert home(context, nbl) == context.slot + 1
        assert type(nbl) is (AWAY_LIST if checked else NET_BUFFER_LIST)
        assert list(context.stored) == [nbl]
        assert stashed.fake.arena.withheld[context.slot] == 1
        again = stashed.take()
        assert again is nbl
        assert not context.stored
        assert look(again) == seen


def test_another_processor_asks_at_dispatch_level_and_has_it(checked: bool) -> None:
    stashed = Stashed(checked=checked, processors=2)
    first, second = stashed.fake.processor(0), stashed.fake.processor(1)
    with stashed.fake.dispatch(0, driver=MINI):
        (nbl,) = plain(stashed)
        seen = look(nbl)
        stashed.keep(nbl)
    with stashed.fake.dispatch(1, driver=MINI):
        theirs = stashed.take()
        assert look(theirs) == seen
        assert theirs is not nbl
        assert home(second, theirs) == second.slot + 1
        assert not first.stored
        stashed.keep(theirs)
    with stashed.fake.dispatch(0, driver=MINI):
        assert stashed.take() is nbl
        assert look(nbl) == seen
        # Its pool's lists have been asked for, so they are published where they are stored.
        stashed.keep(nbl)
        assert home(first, nbl) == AWAY | first.slot + 1
        assert not first.stored


def test_a_list_goes_with_the_one_that_refers_to_it(checked: bool) -> None:
    stashed = Stashed(checked=checked, processors=2)
    with stashed.fake.dispatch(0, driver=MINI) as context:
        carrier, frame = plain(stashed, 2)
        carrier.ProtocolReserved[0] = frame
        frame.Status, frame.MiniportReserved[0], frame.ProtocolReserved[1] = 5, None, 0
        stashed.keep(carrier)
        assert list(context.stored) == [carrier, frame]
        if checked:
            assert type(frame) is AWAY_LIST
        assert stashed.take() is carrier
        assert carrier.ProtocolReserved[0] is frame
        assert frame.Status == 5
        assert not context.stored
        stashed.keep(carrier)
    with stashed.fake.dispatch(1, driver=MINI):
        theirs = stashed.take()
        assert theirs.ProtocolReserved[0]._word == frame._word
        assert theirs.ProtocolReserved[0].Status == 5


class Watched:
    """The words of a data path, which remembers the order in which they are written."""

    def __init__(self, words: Any) -> None:
        self.words, self.written = words, list[int]()

    def __getitem__(self, at: int) -> int:
        return int(self.words[at])

    def __setitem__(self, at: int, value: int) -> None:
        self.written.append(at)
        self.words[at] = value


@pytest.mark.parametrize("before", [False, True], ids=["carried", "stored before"])
def test_a_list_is_away_before_what_refers_to_it(before: bool, checked: bool) -> None:
    """Else who takes the second from another processor would leave the first behind."""
    stashed = Stashed(checked=checked, processors=2)
    with stashed.fake.dispatch(0, driver=MINI) as context:
        lists = plain(stashed, 8)
        carriers, frames = lists[::2], lists[1::2]
        for carrier, frame in zip(carriers, frames, strict=True):
            frame.MiniportReserved[0], frame.ProtocolReserved[1] = None, 0
            carrier.ProtocolReserved[0] = frame
        for nbl in frames * before + carriers:
            stashed.keep(nbl)
        assert set(context.stored) == set(lists)
        path = context.datapath
        watched = path.halves = Watched(path.halves)
        publication.flush(path)
        places = [watched.written.index(list_entry(nbl) >> 2) for nbl in lists]
        assert all(frame < carrier for carrier, frame in zip(places[::2], places[1::2], strict=True))


def test_what_is_published_takes_along_what_is_withheld(checked: bool) -> None:
    stashed = Stashed(checked=checked, processors=2)
    with stashed.fake.dispatch(0, driver=MINI) as context:
        first, second = plain(stashed, 2)
        stashed.keep(second)
        assert list(context.stored) == [second]
        first.ProtocolReserved[0] = second
        first.FirstNetBuffer.Next = fill(stashed.stack, 1)[0].FirstNetBuffer  # not plain any more
        stashed.keep(first)
        assert not context.stored
        assert home(context, second) == home(context, first) == AWAY | context.slot + 1


def test_touching_what_is_withheld_is_a_stop() -> None:
    stashed = Stashed(processors=2)
    with stashed.fake.dispatch(driver=MINI):
        (nbl,) = plain(stashed)
        stashed.keep(nbl)
        with pytest.raises(BugCheck) as caught:
            _ = nbl.FirstNetBuffer
    assert caught.value.code == VnicLimit.VNIC_PUBLISHED_DATA_TOUCHED


def test_who_is_called_answers_where_he_releases_a_lock() -> None:
    stashed = Stashed(processors=2)
    with stashed.fake.dispatch(driver=MINI) as context:
        kept, held = plain(stashed, 2)
        stashed.keep(kept)
        stashed.driver.NdisAcquireSpinLock(stashed.here.Lock)
        context.calls[withholding.ASKED] += 1
        assert list(context.stored) == [kept]
        stashed.driver.NdisReleaseSpinLock(stashed.here.Lock)
        assert not context.stored
        assert context.calls[withholding.ANSWERED] == context.calls[withholding.ASKED]
        assert home(context, kept) & AWAY
        assert held.Next is None  # what is in his hands stays there


def while_it_waits(stashed: Stashed, context: Context, holder: Context, look_on: Callable[[], object]) -> list[object]:
    """What is seen each time that a context finds the lock of the structure held, which its holder then releases."""
    index, platform, seen = stashed.here.Lock.index, stashed.fake.platform, list[object]()
    platform.owners[index] = holder.slot

    def contended(waiter: Context, lock: int) -> None:
        assert (waiter, lock) == (context, index)
        seen.append(look_on())
        del platform.owners[index]

    platform.on_contention = contended
    spinlocks.wait_for(context, index)
    return seen


def test_who_waits_for_a_lock_withholds_nothing_from_its_holder() -> None:
    stashed = Stashed(processors=2)
    with stashed.fake.dispatch(driver=MINI) as context:
        (nbl,) = plain(stashed)
        stashed.keep(nbl)
        withheld = stashed.fake.arena.withheld
        seen = while_it_waits(
            stashed,
            context,
            stashed.fake.processor(1),
            lambda: (list(context.stored), withheld[context.slot], home(context, nbl) & AWAY),
        )
    assert seen == [([], 0, AWAY)]


def test_a_single_processor_keeps_what_it_has_stored_while_it_waits() -> None:
    stashed = Stashed()
    with stashed.fake.dispatch(driver=MINI) as context:
        (nbl,) = plain(stashed)
        stashed.keep(nbl)
        seen = while_it_waits(stashed, context, stashed.fake.passive_worker(), lambda: list(context.stored))
        assert nbl.Next is None  # it may be in the hands of the callback that waits
    assert seen == [[nbl]]


def test_a_lock_that_is_free_soon_is_waited_for_without_publishing(monkeypatch: pytest.MonkeyPatch) -> None:
    stashed = Stashed(processors=2)
    fake, looks = stashed.fake, list[int]()
    with fake.dispatch(driver=MINI) as context:
        (nbl,) = plain(stashed)
        stashed.keep(nbl)
        index = stashed.here.Lock.index
        fake.platform.owners[index] = fake.processor(1).slot

        def linger(ready: Any) -> bool:
            looks.append(len(looks))
            if len(looks) == spinlocks.LOOKS:
                del fake.platform.owners[index]
            return bool(ready())

        monkeypatch.setattr(fake.platform, "linger", linger)
        stashed.driver.NdisAcquireSpinLock(stashed.here.Lock)
        assert list(context.stored) == [nbl]
        stashed.driver.NdisReleaseSpinLock(stashed.here.Lock)
    assert len(looks) == spinlocks.LOOKS


def test_a_pool_that_nobody_asks_for_any_more_is_withheld_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withholding, "UNASKED", 3)
    stashed = Stashed(processors=2)
    with stashed.fake.dispatch(driver=MINI) as context:
        (nbl,) = plain(stashed)
        list_pool(nbl).mark_crossing(crosses=True)
        for _ in range(3):
            stashed.keep(nbl)
            assert home(context, nbl) & AWAY
            assert stashed.take() is nbl
        stashed.keep(nbl)
        assert list(context.stored) == [nbl]


def test_a_passive_context_has_what_is_withheld_too(checked: bool) -> None:
    stashed = Stashed(checked=checked, processors=2)
    worker = stashed.fake.passive_worker()
    with stashed.fake.dispatch(1 - worker.processor, driver=MINI):
        (nbl,) = plain(stashed)
        seen = look(nbl)
        stashed.keep(nbl)
    with stashed.fake.running(worker):
        assert look(stashed.driver.peek(decode(worker, stashed.stash._pointer))) == seen
