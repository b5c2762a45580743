"""`python -m tools.bench.steps processors`: what a frame costs on a machine of several processors, in byte codes.

Law: the drivers run as they are over the tests' rig, all processors in turn in this one process; counted is what they
take together, without the rig that plays platform and hardware.  Nobody waits for anybody here and no mutex is
contended: what is counted is the work that several processors make, and not what it takes them to meet.

Echo: netvmini and hello, one adapter, whose line one processor serves; nothing crosses.  Bridge: two netvmini under
bridge without receive side scaling, each line served by another processor, so that what one sends the other completes,
and each received frame and the list that carries it cross to and fro.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import TYPE_CHECKING, Any, Final

from emulator.kernel.loops import processor_round
from emulator.layout.arena import Geometry
from emulator.ndis.headers.oids import OID_GEN_RECEIVE_SCALE_PARAMETERS
from tests import fake_platform
from tests.drivers import rig as rigs
from tests.scenarios.scaling import datagram, parameters
from tools.bench.table import table

if TYPE_CHECKING:
    from types import FrameType

BATCH: Final = 64
LOOKS: Final = 4
WARM: Final = 1280
"""Frames before the first count: more than there are buffers, and than it takes to learn which lists cross."""
PROCESSORS: Final = (1, 2, 4)
FLOWS: Final = {"echo": 0, "bridge": 0, "bridge, a flow": 1, "bridge, 16 flows": 16}
"""What is counted, and with how many flows receive is scaled; 0: not at all."""
SET: Final = 1
FIRST, SECOND = bytes.fromhex("020000000011"), bytes.fromhex("020000000022")
_OURS: Final = {fake_platform.__file__, rigs.__file__, contextlib.__file__, __file__}


class Processors:
    """A started machine of so many processors, and what they take for frames."""

    def __init__(self, kind: str, processors: int, *, checked: bool) -> None:
        self.bridges, self.flows = kind != "echo", FLOWS[kind]
        self.rig = rigs.Rig(
            "netvmini",
            "bridge" if self.bridges else "hello",
            adapters=1 + self.bridges,
            checked=checked,
            processors=processors,
            split_frames=Geometry().split_frames,
            queues=processors if self.flows else 1,
            messages=2 * processors + 1 if self.flows else 0,
        )
        for number in range(1 + self.bridges):
            self.rig.start(number)
            if self.flows:
                table = parameters(range(processors))
                if self.rig.oid(SET, OID_GEN_RECEIVE_SCALE_PARAMETERS, table, number)[0]:
                    raise RuntimeError("receive is not scaled")
                self.rig.settle()
        self.codes = 0
        if self.bridges:
            self.rig.receive(rigs.frame(FIRST, SECOND), number=1)
        for _ in range(WARM // BATCH):
            self.move(BATCH)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        del argument
        if frame.f_code.co_filename in _OURS:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.codes += event == "opcode"
        return self._trace

    def move(self, frames: int, *, counted: bool = False) -> None:
        """Bring so many frames to the first adapter, and run rounds of every processor until all is quiet."""
        rig = self.rig
        there, sent = rig.nics[-1], len(rig.nics[-1].sent)
        addresses = (SECOND, FIRST) if self.bridges else (rigs.MAC, rigs.PEER)
        if self.flows:
            rig.nic.waiting.extend(datagram(*addresses, flow % self.flows, 0) for flow in range(frames))
        else:
            rig.nic.waiting.extend([rigs.frame(*addresses, payload=bytes(40))] * frames)
        quiet = 0
        while quiet < 2:  # what one has done last another may have to finish
            busy = any([nic.pump() for nic in rig.nics])
            for processor in rig.processors:
                with rig.fake.running(processor) as context:
                    sys.settrace(self._trace if counted else None)
                    busy = processor_round(context) or busy
                    sys.settrace(None)
            quiet = 0 if busy else quiet + 1
        if len(there.sent) - sent != frames:
            raise RuntimeError(f"{len(there.sent) - sent} of {frames} frames went on")
        there.sent.clear()

    def counted(self, frames: int) -> int:
        """Byte codes of a batch: the least of several counts."""
        found = []
        for _ in range(LOOKS):
            self.codes = 0
            gc.collect()
            gc.disable()
            try:
                self.move(frames, counted=True)
            finally:
                gc.enable()
            found.append(self.codes)
        return min(found)

    def more(self) -> tuple[int, float]:
        """Byte codes of a frame that comes alone, and of one more in a batch."""
        lone = self.counted(1)
        return lone, (self.counted(BATCH) - lone) / (BATCH - 1)


def main(builds: list[str]) -> None:
    """Print the table."""
    rows = []
    for kind, flows in FLOWS.items():
        for build in builds:
            for processors in PROCESSORS[1:] if flows else PROCESSORS:
                lone, more = Processors(kind, processors, checked=build == "checked").more()
                rows.append([kind, build, str(processors), f"{more:,.0f}", f"{lone:,}"])
    print(table(["frames", "build", "processors", "codes a frame", "codes of a lone one"], rows))
