"""The frame generator for computers without a C compiler: same arguments, same line, same checks as c/gen.c.

Law: standard library only, run as a program. It is several times slower than the C one, so the rates it clocks are
bounded by itself: they compare subjects with one another and are never set beside a rate clocked by the C program.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import socket
import struct
import time
from array import array

ETHERTYPE = 0x88B5
HEADER = 14
STAMP = HEADER + 12
SO_RCVBUFFORCE = 33
SOL_PACKET = 263
PACKET_QDISC_BYPASS = 20
STALL_NS = 250_000_000
COUNTED_STALL_NS = 2_000_000_000  # of a run that is bounded by its frames: late is not lost there
STAMPED = struct.Struct("=IQ")


class Window:
    """The frames in flight, what came back, and the counts of the whole run."""

    def __init__(self, interface: str, destination: bytes, size: int, window: int) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.socket.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        self.socket.bind((interface, ETHERTYPE))
        self.socket.settimeout(0.02)
        own = self.socket.getsockname()[4]
        kind = ETHERTYPE.to_bytes(2, "big")
        self.head_out = destination + own + kind
        self.head_back = own + destination + kind
        self.tail = bytes((index * 7 + 13) & 0xFF for index in range(STAMP, size))
        self.size = size
        self.in_flight: dict[int, tuple[int, int]] = {}
        self.due = list(range(window))
        self.round_trips = array("Q")
        self.next_sequence = 1
        self.newest = 0
        self.sent = self.received = self.lost = self.reordered = self.corrupt = 0
        self.unexpected = self.refused = self.stalls = 0
        self.last_answer = time.monotonic_ns()

    def send_due(self, limit: int) -> None:
        """Send a frame for every free place of the window."""
        while self.due and (not limit or self.sent < limit):
            slot = self.due.pop()
            sequence, self.next_sequence = self.next_sequence, self.next_sequence + 1
            frame = self.head_out + STAMPED.pack(slot, sequence) + self.tail
            moment = time.monotonic_ns()
            while True:
                try:
                    self.socket.send(frame)
                    break
                except OSError as error:
                    full = isinstance(error, TimeoutError) or error.errno in (errno.EAGAIN, errno.ENOBUFS)
                    if not full or time.monotonic_ns() - moment > 1_000_000_000:
                        raise
                    self.refused += 1
                    os.sched_yield()
            self.in_flight[slot] = (sequence, moment)
            self.sent += 1

    def receive(self, counting: bool) -> bool:
        """Take what has come back; False when nothing did."""
        try:
            frame = self.socket.recv(2048)
        except TimeoutError:
            return False
        moment = time.monotonic_ns()
        if len(frame) != self.size or frame[:HEADER] != self.head_back or frame[STAMP:] != self.tail:
            self.corrupt += 1
            return True
        slot, sequence = STAMPED.unpack_from(frame, HEADER)
        waited = self.in_flight.get(slot)
        if waited is None or waited[0] != sequence:
            self.unexpected += 1
            return True
        del self.in_flight[slot]
        self.received += 1
        self.reordered += sequence < self.newest
        self.newest = max(self.newest, sequence)
        self.last_answer = moment
        if counting:
            self.round_trips.append(moment - waited[1])
        self.due.append(slot)
        return True

    def give_up(self) -> None:
        """Count everything in flight as lost and send it anew."""
        self.stalls += 1
        self.lost += len(self.in_flight)
        self.due.extend(self.in_flight)
        self.in_flight.clear()
        self.last_answer = time.monotonic_ns()


def clock(window: Window, seconds: float, warm_up: float, limit: int, pause_us: int) -> tuple[int, int]:
    """Run the closed loop and return the first and the last moment that count."""
    measure_from = time.monotonic_ns() + int(warm_up * 1e9)
    stop_at = measure_from + int(seconds * 1e9) if seconds else 1 << 62
    last_measured = measure_from
    stall = COUNTED_STALL_NS if limit else STALL_NS
    while True:
        if pause_us and window.due:
            time.sleep(pause_us / 1e6)
        now = time.monotonic_ns()
        stopping = now >= stop_at or bool(limit and window.sent >= limit)
        if not stopping:
            window.send_due(limit)
        elif not window.in_flight or now - window.last_answer > stall:
            window.lost += len(window.in_flight)
            return measure_from, last_measured
        counting = measure_from <= now < stop_at
        if window.receive(counting):
            if counting:
                last_measured = window.last_answer
        elif not stopping and now - window.last_answer > stall:
            window.give_up()


def main() -> None:
    """Read the arguments, run, print one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-i", required=True)
    parser.add_argument("-m", required=True)
    parser.add_argument("-s", type=int, required=True)
    parser.add_argument("-w", type=int, required=True)
    parser.add_argument("-t", type=float, default=0.0)
    parser.add_argument("-n", type=int, default=0)
    parser.add_argument("-u", type=float, default=0.0)
    parser.add_argument("-p", type=int, default=0)
    parser.add_argument("-r", type=int, default=0)  # no effect: this generator is never ahead of its subject
    parser.add_argument("-c", type=int, default=-1)
    given = parser.parse_args()
    if given.c >= 0:
        os.sched_setaffinity(0, {given.c})
    if bool(given.t) == bool(given.n) or not 60 <= given.s <= 1514 or not 1 <= given.w <= 1024:
        parser.error("give seconds or a count, a size of 60 to 1514 and a window of 1 to 1024")
    window = Window(given.i, bytes.fromhex(given.m.replace(":", "")), given.s, given.w)
    first, last = clock(window, given.t, given.u, given.n, given.p)
    ordered = sorted(window.round_trips)
    span = (last - first) / 1e9
    names = ("sent", "received", "lost", "reordered", "corrupt", "unexpected", "refused", "stalls")
    line = {name: getattr(window, name) for name in names}
    line |= {"measured": len(ordered), "seconds": span, "cpu_ns": time.process_time_ns()}
    line["pps"] = len(ordered) / span if span > 0 else 0.0
    for name, share in (("rtt_p50_us", 0.50), ("rtt_p90_us", 0.90), ("rtt_p99_us", 0.99), ("rtt_p999_us", 0.999)):
        line[name] = ordered[int(len(ordered) * share)] / 1000 if ordered else 0.0
    print(json.dumps(line))


if __name__ == "__main__":
    main()
