"""What excludes, wakes, shares and starts: mutexes, doorbells, memory and processes, for the two platforms alone.

Law: this floor knows no NDIS. It is Python over the kernel's own primitives, chosen so that a process may be killed at
any instruction and whoever is left is told instead of hanging.
"""
