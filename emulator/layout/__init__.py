"""Typed records, cells and handles over shared memory.

Law: no system call, no clock, no process; only the shape of memory.
"""
