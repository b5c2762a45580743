"""The VNIC_ family: stops that Windows does not know, because the limit is this emulator's and not NDIS's.

Law: a limit never borrows the number or the look of a Windows bug check. Each one says what it means, whether the
same code is legal on Windows, and what to do about it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

_FAMILY: Final = 0x564E_0000  # "VN": no Windows bug check code lies here


class VnicLimit(IntEnum):
    """The code of each limit, for the stop record; people are shown the name."""

    VNIC_PRIVATE_DATA = _FAMILY | 0x01
    VNIC_CONTEXT_TERMINATED = _FAMILY | 0x02
    VNIC_POOL_EXHAUSTED = _FAMILY | 0x03
    VNIC_TABLE_FULL = _FAMILY | 0x04
    VNIC_RECURSION_LIMIT = _FAMILY | 0x06
    VNIC_NOT_IMPLEMENTED = _FAMILY | 0x07
    VNIC_PUBLISHED_DATA_TOUCHED = _FAMILY | 0x08
    VNIC_UNKNOWN_ROUTINE = _FAMILY | 0x0B
    VNIC_DEADLOCK = _FAMILY | 0x0C
    VNIC_STEP_LIMIT = _FAMILY | 0x0D
    VNIC_ARENA_DAMAGED = _FAMILY | 0x0E
    VNIC_FORBIDDEN_NAME = _FAMILY | 0x0F
    VNIC_NO_STATUS = _FAMILY | 0x10
    VNIC_WRONG_TYPE = _FAMILY | 0x11


class LimitEntry(NamedTuple):
    """What the stop screen says about a limit."""

    limit: VnicLimit
    meaning: str
    on_windows: str
    remedy: str
    p1: str = ""
    p2: str = ""
    p3: str = ""
    p4: str = ""


_LEGAL: Final = "legal on Windows"
_CANNOT_HAPPEN: Final = "cannot happen on Windows"

LIMITS: Final[tuple[LimitEntry, ...]] = (
    LimitEntry(
        VnicLimit.VNIC_PRIVATE_DATA,
        "an ordinary Python object was used where more than one context must see it",
        f"{_LEGAL}: all of a driver's data is seen by every processor",
        "move it to nonpaged memory: a NONPAGED class, allocated or at module level",
    ),
    LimitEntry(
        VnicLimit.VNIC_CONTEXT_TERMINATED,
        "a process of this machine ended without being asked to",
        f"{_CANNOT_HAPPEN}: processors do not end",
        "see which signal or exit code ended it; the black box names the callback it was in",
        "context slot",
        "exit code or signal",
    ),
    LimitEntry(
        VnicLimit.VNIC_POOL_EXHAUSTED,
        "the machine's nonpaged pool is too small for something that cannot fail",
        f"{_LEGAL}: Windows has more memory",
        "give the machine more memory, or find the leak in the list of live allocations",
        "bytes asked",
        "bytes free",
    ),
    LimitEntry(
        VnicLimit.VNIC_TABLE_FULL,
        "a table of the emulator's kernel region is full",
        f"{_LEGAL}: Windows allocates such records from pool",
        "give the machine a larger table, or find the leak in the list of live handles",
        "table",
        "entries",
    ),
    LimitEntry(
        VnicLimit.VNIC_RECURSION_LIMIT,
        "Python's recursion limit was reached in a callback",
        f"{_LEGAL} as long as the kernel stack (24 KiB) lasts",
        "make the recursion a loop",
    ),
    LimitEntry(
        VnicLimit.VNIC_NOT_IMPLEMENTED,
        "a driver called a DDI that this emulator does not have",
        _LEGAL,
        "see docs/coverage.md for what is there, what is to come and what is left out",
    ),
    LimitEntry(
        VnicLimit.VNIC_PUBLISHED_DATA_TOUCHED,
        "a NET_BUFFER_LIST was touched here after it had been handed to another context",
        f"{_LEGAL}: the memory is the same on every processor",
        "hand it over last, and touch it only where it arrives",
    ),
    LimitEntry(
        VnicLimit.VNIC_UNKNOWN_ROUTINE,
        "a callback is not a module-level function with a role, so that another process cannot find it",
        f"{_LEGAL}: any function has an address",
        "make it a module-level function and declare its role with the decorator",
    ),
    LimitEntry(
        VnicLimit.VNIC_DEADLOCK,
        "every context waits for another one",
        "not legal on Windows either, but there the system hangs and says nothing",
        "follow the wait graph on the stop screen",
    ),
    LimitEntry(
        VnicLimit.VNIC_STEP_LIMIT,
        "a simulated schedule reached its step limit: contexts run and nothing comes to an end",
        "not legal on Windows either, but there the system hangs and says nothing",
        "see which contexts take turns; raise the limit if the scenario is just long",
        "steps",
    ),
    LimitEntry(
        VnicLimit.VNIC_ARENA_DAMAGED,
        "a record of the emulator in shared memory holds an impossible value",
        f"{_CANNOT_HAPPEN} in this form: a stray write would corrupt something else",
        "look at the addresses and lengths that the miniport posts, and for ctypes in the drivers; if neither is wrong "
        "report it: then the fault is ours",
        "offset",
        "value found",
    ),
    LimitEntry(
        VnicLimit.VNIC_FORBIDDEN_NAME,
        "a plug-in writes module globals outside DriverEntry and Unload",
        f"{_LEGAL}: globals are the image's data section, shared by all processors",
        "make it a module-level instance of a NONPAGED class",
    ),
    LimitEntry(
        VnicLimit.VNIC_NO_STATUS,
        "a callback returned something that is no NDIS_STATUS, an ISR no IsrResult",
        f"{_CANNOT_HAPPEN}: a compiler refuses it",
        "return a status in every way out; a function that ends without a return gives None",
    ),
    LimitEntry(
        VnicLimit.VNIC_WRONG_TYPE,
        "a function was given an argument that is not of the declared type",
        f"{_CANNOT_HAPPEN}: a compiler refuses it",
        "give what the function's prototype says (ndisemu explain NAME); mypy finds it before the machine does",
    ),
)

_BY_CODE: Final = {int(entry.limit): entry for entry in LIMITS}


def is_limit(code: int) -> bool:
    """Tell whether a code belongs to the emulator's family and not to Windows."""
    return code & 0xFFFF_0000 == _FAMILY


def limit_entry(code: int) -> LimitEntry | None:
    """Return what is known of a limit, or None where the code is not one."""
    return _BY_CODE.get(code)
