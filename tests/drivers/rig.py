"""A machine in one process with the sample drivers on it, and the hardware's end of its adapters in the test's hands.

Law: nothing moves by itself. `pump` does what the host would do, `settle` lets every context run until none has
anything to do; a control operation runs in the PnP thread's context, and whoever waits in it lets the others run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.host.specification import AdapterSpecification, DriverSpecification, MachineSpecification
from emulator.layout.handles import HandleKind
from emulator.layout.machine import ContextKind
from emulator.ndis.built_in_types import BUILT_IN_TYPES
from emulator.ndis.data_path import ledger
from emulator.ndis.executive import Executive
from emulator.ndis.gates import ddi
from emulator.ndis.loader import load_images
from emulator.ndis.plug_and_play import intermediate, pnp
from emulator.rules.states import AdapterState
from tests.fake_platform import FakeMachine, fresh_module
from vnic.device.hardware import HostVnic
from vnic.device.layout import VNIC_DESCRIPTOR_MORE, VNIC_DESCRIPTOR_OFFLOAD, VNIC_LENGTH_MORE
from vnic.device.offloads import VNIC_HEADER_BYTES, VNIC_OFFLOAD_HEADERS, header_of
from vnic.device.registers import VNIC_CONTROL_RECEIVE_ENABLE, VNIC_CONTROL_TRANSMIT_ENABLE, WORD_OFFLOADS
from vnic.device.toeplitz import FrameHash

if TYPE_CHECKING:
    import types
    from collections.abc import Callable

    from emulator.kernel.context import Context

ROOT = Path(__file__).parents[2]
MAC = bytes.fromhex("024e44000001")
PEER = bytes.fromhex("020000000099")
NOBODY = bytes.fromhex("020000000042")


class Nic:
    """The hardware of one adapter: frames go in by `receive`, and come out in `sent`.

    With offloads `headers` says for each frame to come what its header is, and `words` are the headers of those sent.
    With several queues frames are spread over them as the driver has asked, a new table being taken when all are idle
    and everything is sent;
    `carried` says by which queue each frame sent has come.
    """

    def __init__(self, rig: Rig, number: int, messages: int = 0, offloads: int = 0) -> None:
        arena = rig.fake.arena
        self.vnic = HostVnic(
            arena.view, arena.hardware_offset(number), arena.hardware_layout, [arena.frames], [arena.pool]
        )
        self.mac = MAC[:-1] + bytes((number + 1,))
        self.vnic.power_on(self.mac, True, 1000, messages, offloads)
        self.headers: list[bytes] = []
        self.words: list[bytes] = []
        self.waiting: list[bytes] = []
        self.sent: list[bytes] = []
        self.carried: list[int] = []
        self.discarded = 0
        self.blocked = False
        self._hash: FrameHash | None = None

    def pump(self) -> bool:
        """Move frames each way as the host would; True when one was moved."""
        vnic = self.vnic
        if not vnic.present:
            return False
        enabled = vnic.attend()
        moved = vnic.scaling_asked() is not None and self._scale()
        if self.waiting:
            if enabled & VNIC_CONTROL_RECEIVE_ENABLE:
                moved = (self._spread() if vnic.scaling.information else self._fill(vnic.queues[0])) or moved
            else:
                self.discarded += len(self.waiting)
                self.waiting.clear()
        if enabled & VNIC_CONTROL_TRANSMIT_ENABLE and not self.blocked:
            for number, queue in enumerate(vnic.queues):
                moved = self._take(queue, number) or moved
        return moved

    def _scale(self) -> bool:
        """Take what the driver has asked for, if nothing is under way."""
        asked = self.vnic.scaling_asked()
        if asked is None or any(not queue.idle() or queue.posted() for queue in self.vnic.queues):
            return False
        self.vnic.scale(asked)
        self._hash = FrameHash(asked.information, asked.key) if asked.information else None
        return True

    def queue_for(self, frame: bytes) -> int:
        """The queue by which a frame comes now."""
        assert self._hash is not None
        value, information = self._hash(memoryview(frame), len(frame))
        table = self.vnic.scaling.table
        return table[value & len(table) - 1] if information else 0

    def _spread(self) -> bool:
        assert self._hash is not None
        if self.vnic.scaling_asked() is not None:
            return False
        for place, frame in enumerate(self.waiting):
            queue = self.vnic.queues[self.queue_for(frame)]
            if not queue.refill(1):
                self.waiting = self.waiting[place:]
                return place > 0
            value, information = self._hash(memoryview(frame), len(frame))
            queue.empties[0][: len(frame)] = frame
            queue.deliver_hashed([len(frame)], [value | information << 32])
        self.waiting = []
        return True

    @property
    def offloads(self) -> int:
        """What the driver has enabled."""
        enabled: int = self.vnic.words[WORD_OFFLOADS]
        return enabled

    def _fill_behind_headers(self, queue: Any) -> bool:
        lengths: list[int] = []
        while self.waiting:
            frame, header = self.waiting[0], self.headers[0] if self.headers else bytes(VNIC_HEADER_BYTES)
            count = queue.refill(512)
            place = len(lengths)
            pieces = [frame[at : at + queue.capacity] for at in range(0, len(frame), queue.capacity)]
            if place + len(pieces) > count:
                break
            address = queue.addresses[place]
            queue.memory[address - VNIC_HEADER_BYTES : address] = header
            for number, piece in enumerate(pieces, place):
                queue.empties[number][: len(piece)] = piece
            lengths += [len(piece) | VNIC_LENGTH_MORE for piece in pieces]
            lengths[-1] &= ~VNIC_LENGTH_MORE
            del self.waiting[:1], self.headers[:1]
        if lengths:
            queue.deliver(lengths)
        return bool(lengths)

    def _fill(self, queue: Any) -> bool:
        if self.offloads & VNIC_OFFLOAD_HEADERS:
            return self._fill_behind_headers(queue)
        count = queue.refill(len(self.waiting))
        frames, self.waiting = self.waiting[:count], self.waiting[count:]
        for place, frame in enumerate(frames):
            queue.empties[place][: len(frame)] = frame
        if frames:
            queue.deliver([len(frame) for frame in frames])
        return bool(frames)

    def _take(self, queue: Any, number: int = 0) -> bool:
        words = queue.descriptors(queue.posted())
        done = 0
        frame, offload = b"", 0
        for place, word in enumerate(words, 1):
            if word & VNIC_DESCRIPTOR_OFFLOAD:
                offload = queue.offload(place - 1)
            frame += bytes(queue.fragment(word & ~VNIC_DESCRIPTOR_OFFLOAD))
            if not word & VNIC_DESCRIPTOR_MORE:
                self.sent.append(frame)
                self.carried.append(number)
                self.words.append(header_of(offload, len(frame)) if offload else b"")
                frame, offload = b"", 0
                done = place
        queue.finish(done)
        return done > 0


class Rig:
    """Machine, drivers and hardware."""

    def __init__(
        self,
        *drivers: str | Callable[[], types.ModuleType],
        adapters: int = 1,
        checked: bool = True,
        registry: dict[str, Any] | None = None,
        driver_registry: dict[str, Any] | None = None,
        bound: dict[str, list[str]] | None = None,
        messages: int = 0,
        offloads: int | list[int] = 0,
        queues: int = 1,
        **geometry: int | str,
    ) -> None:
        sizes: dict[str, Any] = {
            "frame_slots": (4300 if offloads else 600) * adapters * queues,
            "pool_bytes": (4 << 20) * adapters * queues,
            "hardware_queues": queues,
            "adapters": adapters,
            **geometry,
        }
        self.fake = FakeMachine(
            services=Executive(), builtin_types=BUILT_IN_TYPES, checked=checked, cooperative=True, **sizes
        )
        machine = self.fake.machine
        machine.configuration["specification"] = MachineSpecification(
            geometry=self.fake.geometry,
            drivers=[
                DriverSpecification(
                    kind="miniport" if name_of(driver) == "netvmini" else "protocol",
                    module=name_of(driver),
                    registry=driver_registry or {},
                    adapters=(bound or {}).get(name_of(driver), []),
                )
                for driver in drivers
            ],
            adapters=[AdapterSpecification(miniport="netvmini") for _ in range(adapters)],
            registry=registry or {},
        )
        ddi.install(checked=checked)
        try:
            names = [name_of(driver) for driver in drivers]
            made = {driver.__name__: driver for driver in drivers if not isinstance(driver, str)}
            with self.fake.running(self.fake.context(ContextKind.ZYGOTE)) as zygote:
                load_images(zygote, names, lambda name: made[name]() if name in made else sample_module(name))
        finally:
            ddi.install(checked=False)
        each = [offloads] * adapters if isinstance(offloads, int) else offloads
        self.nics = [Nic(self, number, messages, each[number]) for number in range(adapters)]
        self.processors = [self.fake.processor(index) for index in range(self.fake.geometry.processors)]
        self.pnp = self.fake.pnp()
        self.fake.context(ContextKind.REQUESTS)
        self.workers = [self.fake.passive_worker(index) for index in range(self.fake.geometry.passive_workers)]
        let_others_run = self.fake.platform.on_sleep
        assert let_others_run is not None

        self.before_sleep: Callable[[], object] | None = None

        def on_sleep(context: Context, deadline: int | None) -> None:
            if self.before_sleep is not None:
                self.before_sleep()
            for nic in self.nics:
                nic.pump()
            # Contexts with nothing to do are asleep, as they would be: nobody waits for them to see a new epoch.
            for other in self.fake.contexts.values():
                if other is not context:
                    self.fake.arena.sleeping[other.slot] = 1
            # A sleep may end early; what was served in a round counts for nothing there, so look again soon.
            let_others_run(context, self.fake.platform.time + 1_000_000 if deadline is None else deadline)

        self.fake.platform.on_sleep = on_sleep

    @property
    def nic(self) -> Nic:
        """The hardware of adapter 0."""
        return self.nics[0]

    def control(self, act: Any, number: int = 0) -> int:
        """Run a control operation in the PnP thread."""
        with self.fake.running(self.pnp) as context:
            self.fake.services.round(context)
            status: int = act(context, number)
            while intermediate.serve(context):
                pass
            self.fake.services.leave(context)
        return status

    def start(self, number: int = 0) -> None:
        """Start an adapter and see it run."""
        assert self.control(pnp.start_adapter, number) == 0
        assert self.adapter(number).state == AdapterState.RUNNING
        self.settle()

    def stop(self, number: int = 0) -> None:
        """Stop an adapter."""
        assert self.control(pnp.stop_adapter, number) == 0

    def adapter(self, number: int = 0) -> Any:
        """NDIS's record of an adapter."""
        found = pnp.find_adapter(self.pnp, number)
        assert found is not None
        return found[1]

    def context_of(self, number: int = 0) -> Any:
        """The miniport's own context of an adapter, as the PnP thread sees it."""
        from emulator.kernel.pointers import decode

        with self.fake.running(self.pnp):
            return decode(self.pnp, self.adapter(number).context)

    def queue_of(self, number: int = 0, queue: int = 0) -> Any:
        """A queue of netvmini's, as the PnP thread sees it."""
        adapter = self.context_of(number)
        with self.fake.running(self.pnp):
            return adapter.Queues[queue]

    def settle(self, limit: int = 2000) -> None:
        """Pump and run until nothing moves."""
        for _ in range(limit):
            moved = any([nic.pump() for nic in self.nics])
            stepped = any([self.fake._step(context) for context in list(self.fake.contexts.values())])
            if not moved and not stepped:
                return
        raise AssertionError("the machine does not come to rest")

    def receive(self, *frames: bytes, number: int = 0) -> list[bytes]:
        """Let frames arrive and everything settle; what was sent meanwhile."""
        nic = self.nics[number]
        before = len(nic.sent)
        nic.waiting.extend(frames)
        self.settle()
        return nic.sent[before:]

    def binding(self, number: int = 0) -> int:
        """The handle of the first binding to an adapter."""
        found = pnp.find_adapter(self.pnp, number)
        assert found is not None
        return pnp.bindings_of(self.pnp, found[0])[0][0]

    def oid(self, kind: int, oid: int, data: bytes, number: int = 0) -> tuple[int, bytes, int, int]:
        """Send a request down the first binding to an adapter: status, the buffer, bytes done, bytes needed."""
        import emulator.ndis as surface

        handle = self.binding(number)
        with self.fake.running(
            self.pnp, driver=self.fake.machine.objects[HandleKind.BINDING].find(handle, HandleKind.BINDING).head.driver
        ):
            buffer = surface.NdisAllocateMemoryWithTagPriority(None, max(len(data), 1), b"Test", 0)
            assert buffer is not None
            buffer[0 : len(data)] = data
            request = surface.NDIS_OID_REQUEST(RequestType=kind)
            request.Header.Type, request.Header.Revision, request.Header.Size = 0x96, 1, 236
            given = request.DATA.QUERY_INFORMATION
            given.Oid, given.InformationBuffer, given.InformationBufferLength = oid, buffer, len(data)
            status = int(surface.NdisOidRequest(surface.BindingHandle(handle), request))
            result = status, bytes(buffer)[: len(data)], given.BytesWritten, given.BytesNeeded
            surface.NdisFreeMemory(request, 0, 0)
            surface.NdisFreeMemory(buffer, 0, 0)
        return result

    def outstanding(self, number: int = 0) -> int:
        """Lists on their way, by NDIS's ledger."""
        return ledger.outstanding(self.fake.machine, number).total

    def logs(self, logger: str = "") -> list[str]:
        """What was logged, of one logger or of all."""
        return [text for _, name, text in self.fake.platform.logs if not logger or name == logger]


def name_of(driver: str | Callable[[], types.ModuleType]) -> str:
    """A driver's name: of a sample driver, or of what makes a module of that name."""
    return driver if isinstance(driver, str) else driver.__name__


def sample_module(name: str) -> types.ModuleType:
    """A fresh module object of a sample driver, which no other machine of this process shares."""
    return fresh_module(name, ROOT / "sample_drivers" / f"{name}.py")


def frame(
    destination: bytes = MAC, source: bytes = PEER, kind: int = 0x88B5, payload: bytes = b"", size: int = 60
) -> bytes:
    """An Ethernet frame, filled with zeros to `size`."""
    return (destination + source + kind.to_bytes(2, "big") + payload).ljust(size, b"\0")
