"""Devices in the arena: the names under which user programs reach them, and what such programs ask.

Law: as machine.py: data first, the word that publishes them last; every word has one writer or one lock.
"""

from __future__ import annotations

from enum import IntEnum, unique
from typing import Literal

from emulator.layout.machine import OBJECT
from emulator.layout.records import Bytes, Record, u8, u32, u64


@unique
class DeviceRequestState(IntEnum):
    """Where a device request is; FREE and SUBMITTED are the host's to write."""

    FREE = 0
    SUBMITTED = 1
    BEGUN = 2
    PENDING = 3
    DONE = 4


class DEVICE(Record):
    """A name under which user programs reach a device object: of a device handle, or of a symbolic link."""

    head: OBJECT
    device: u64
    name: Bytes[Literal[64]]


class DEVICE_REQUEST(Record):
    """One call of a user program to a device; its data lie in a buffer of the same number.

    The host writes ``sequence`` to ``output`` and then ``state`` when it hands a request over or takes it back, and
    ``cancel`` in between.  Lock of the rest, and of all other changes of ``state``: DEVICES.
    """

    state: u32
    cancel: u32
    sequence: u64
    device: u64
    file: u32
    major: u32
    code: u32
    input: u32
    output: u32
    status: u32
    information: u64
    irp: u64
    slot: u32
    completed: u8
    marked: u8
    cancelled: u8
    spare: u8
    started: u64
