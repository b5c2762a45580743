"""Benchmarks: the echo of frames and the rate of work items, each beside the peers that a reader would name.

Law: a figure is printed with the raw columns that it came from, nothing is discarded without a line that says so,
every process and interface that a run makes is gone when it ends, and every run is bounded in time.
"""
