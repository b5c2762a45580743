"""What a machine counted at one moment, and that moment in one line for people or one object for programs.

Law: a rate is the difference of two moments over the time between them; nothing is estimated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from emulator.layout.delays import percentile

if TYPE_CHECKING:
    from emulator.host.messages import Statistics
    from emulator.host.specification import MachineSpecification

LOSSES = {
    "receive_discards": "that came while the driver did not receive",
    "receive_errors": "too long for their buffers",
    "send_errors": "that the wire refused",
}

FAULTS = ("lost", "corrupted", "duplicated", "reordered", "delayed", "dropped")


class Sample(msgspec.Struct, frozen=True):
    """A machine's counters at one moment."""

    seconds: float
    """Since the machine began to run."""
    counters: dict[str, int]
    adapters: list[dict[str, int]]
    delays: dict[int, int]
    """Work items by how long they waited (see emulator.layout.delays)."""

    @property
    def items_run(self) -> int:
        """Work items whose routine has returned."""
        return sum(self.delays.values())

    def delay(self, percent: float) -> float:
        """A percentile of the time from queuing to callback, in microseconds."""
        return percentile(self.delays, percent) / 1000

    def lost(self) -> int:
        """Frames that the adapters could not take or send."""
        return sum(adapter.get(name, 0) for adapter in self.adapters for name in LOSSES)


def some(count: int, what: str) -> str:
    """`1 frame`, `2 frames`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def sample_of(statistics: Statistics, seconds: float) -> Sample:
    """What the host answered, as a sample."""
    return Sample(seconds, statistics.counters, statistics.adapters, statistics.queue_to_callback)


def line_of(sample: Sample, before: Sample | None, specification: MachineSpecification) -> str:
    """A sample in one line."""
    parts = [f"{sample.seconds:6.1f} s"]
    span = sample.seconds - (before.seconds if before is not None else 0.0)
    for number, adapter in enumerate(sample.adapters):
        last = before.adapters[number] if before is not None else {}
        words = [f"{specification.adapters[number].wire.name} {'up' if adapter.get('carrier') else 'down'}"]
        for name, shown in (("received", "in"), ("sent", "out")):
            count = adapter.get(name, 0)
            rate = (count - last.get(name, 0)) / span if span > 0 else 0.0
            words.append(f"{shown} {count:,} ({rate:,.0f}/s)")
        parts.append(" ".join(words))
    if sample.adapters:
        parts.append(f"lost {sample.lost():,}")
    queued, run = sample.counters.get("work_items_queued", 0), sample.items_run
    waited = f", p50 {sample.delay(50):,.1f} us p99 {sample.delay(99):,.1f} us" if run else ""
    parts.append(f"work items {queued:,} queued {run:,} run{waited}")
    parts.append(f"workers {sample.counters.get('passive_workers', 0)}")
    return "  ".join(parts)


def short_line_of(sample: Sample, before: Sample | None, specification: MachineSpecification) -> str:
    """A sample in one short line, for a terminal's width."""
    parts = [f"{sample.seconds:.1f} s"]
    span = sample.seconds - (before.seconds if before is not None else 0.0)
    for number, adapter in enumerate(sample.adapters):
        last = before.adapters[number] if before is not None else {}
        wire = specification.adapters[number].wire
        words = [wire.interface or wire.name, *(() if adapter.get("carrier") else ("down",))]
        for name, shown in (("received", "in"), ("sent", "out")):
            count = adapter.get(name, 0)
            rate = (count - last.get(name, 0)) / span if span > 0 else 0.0
            words.append(f"{shown} {count:,} {rate:,.0f}/s")
        parts.append(" ".join(words))
    if sample.lost():
        parts.append(f"lost {sample.lost():,}")
    run = sample.items_run
    waited = f" p50 {sample.delay(50):,.0f} us" if run else ""
    parts.append(f"items {sample.counters.get('work_items_queued', 0):,}/{run:,}{waited}")
    return "  ".join(parts)


def wire_lines_of(sample: Sample, specification: MachineSpecification) -> list[str]:
    """What the wires of a sample did besides carrying frames, and what was lost there; a line for each that did."""
    lines = []
    for number, (counted, adapter) in enumerate(zip(sample.adapters, specification.adapters, strict=False)):
        parts = []
        if "replayed" in counted:
            parts.append(f"{some(counted['replayed'], 'frame')} replayed")
        for direction in ("in", "out"):
            kinds = [kind for kind in FAULTS if f"{direction}_{kind}" in counted]
            if kinds:
                words = ", ".join(f"{counted[f'{direction}_{kind}']:,} {kind}" for kind in kinds)
                parts.append(f"{direction} {words}")
        for done, missed, path in (
            ("captured", "not_captured", adapter.capture),
            ("written", "not_written", adapter.wire.out),
        ):
            if done in counted:
                without = f", {counted[missed]:,} were not" if counted[missed] else ""
                parts.append(f"{some(counted[done], 'frame')} {done} in {path}{without}")
        parts += loss_words_of(counted)
        if parts:
            lines.append(f"adapter {number} on {adapter.wire.name}: {'; '.join(parts)}")
    return lines


def loss_words_of(counted: dict[str, int]) -> list[str]:
    """Which frames an adapter has lost, and how often frames had to wait for its buffers; nothing for nothing."""
    lost = [f"{some(counted[name], 'frame')} {why}" for name, why in LOSSES.items() if counted.get(name)]
    starved = counted.get("receive_no_buffer", 0)
    return [
        *([f"lost {', '.join(lost)}"] if lost else []),
        *([f"without a free receive buffer {some(starved, 'time')}, frames waited in the wire"] if starved else []),
    ]


def object_of(sample: Sample) -> dict[str, Any]:
    """A sample for programs."""
    return {
        "event": "counters",
        "seconds": round(sample.seconds, 3),
        "counters": sample.counters,
        "adapters": sample.adapters,
        "lost": sample.lost(),
        "work_items": {
            "queued": sample.counters.get("work_items_queued", 0),
            "run": sample.items_run,
            "queue_to_callback_p50_us": round(sample.delay(50), 3),
            "queue_to_callback_p99_us": round(sample.delay(99), 3),
        },
    }
