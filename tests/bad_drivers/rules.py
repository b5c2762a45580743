"""The bad drivers and the stop that each one earns: module, bug check, parameters, rule.

Law: one row for each rule that is enforced; a parameter is a number, the name of a routine, or None where it is an
address.  Which lines the stop must name is marked in the drivers themselves: ``# stop`` and ``# site: <what>``.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from emulator.layout.handles import HandleKind, make_handle
from emulator.ndis.headers.oids import (
    OID_GEN_RECEIVE_HASH,
    OID_GEN_RECEIVE_SCALE_PARAMETERS,
    OID_PM_REMOVE_WOL_PATTERN,
    OID_PNP_SET_POWER,
    OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA,
)
from emulator.rules.irql import DIRQL
from emulator.rules.irql import DISPATCH_LEVEL as DISPATCH
from emulator.rules.irql import PASSIVE_LEVEL as PASSIVE
from emulator.rules.limits import VnicLimit

Parameter = int | str | None
Parameters = tuple[Parameter, Parameter, Parameter, Parameter]


class Rule(NamedTuple):
    """One row."""

    driver: str
    role: Literal["miniport", "filter", "protocol", "intermediate"]
    code: int
    parameters: Parameters = (None, None, None, None)
    rule: str = ""
    starts: bool = True
    """Does the adapter of the repaired twin start?"""
    other: str = ""
    """The good driver beside it; empty: the base of the other role."""
    seconds: int = 0
    """For so long the adapter runs before it is paused."""
    sleeps: bool = False
    """Its device goes to D3 and back before it is paused."""
    shuts_down: bool = False
    """The computer is switched off instead of pausing it."""
    protocol: str = "base_protocol"
    """The protocol above a filter."""


ITEM: Final = make_handle(HandleKind.WORK_ITEM, 1, 0)
IO_ITEM: Final = make_handle(HandleKind.IO_WORK_ITEM, 1, 0)
DEVICE: Final = make_handle(HandleKind.DEVICE, 1, 0)
ADAPTER: Final = make_handle(HandleKind.ADAPTER, 1, 0)
MODULE: Final = make_handle(HandleKind.FILTER_MODULE, 1, 0)
FILTER: Final = make_handle(HandleKind.FILTER_DRIVER, 1, 1)
BINDING: Final = make_handle(HandleKind.BINDING, 1, 0)
PORT: Final = make_handle(HandleKind.PORT, 1, 0)
DMA: Final = make_handle(HandleKind.DMA_CHANNEL, 1, 0)
INTERRUPT: Final = make_handle(HandleKind.INTERRUPT, 1, 0)
POLL: Final = make_handle(HandleKind.POLL, 1, 0)
# Timer 0 is the small miniport's own and timer 1 the protocol's, which binds between initialize and restart.
OWN_TIMER: Final = make_handle(HandleKind.TIMER, 1, 0)
TIMER: Final = make_handle(HandleKind.TIMER, 1, 1)
LATER_TIMER: Final = make_handle(HandleKind.TIMER, 1, 2)
MINIPORT: Final = make_handle(HandleKind.MINIPORT_DRIVER, 1, 0)
PROTOCOL: Final = make_handle(HandleKind.PROTOCOL_DRIVER, 1, 1)
HALF: Final = make_handle(HandleKind.PROTOCOL_DRIVER, 1, 2)
VIRTUAL: Final = make_handle(HandleKind.ADAPTER, 1, 1)
BIND: Final = make_handle(HandleKind.BIND_CONTEXT, 1, 0)
PROVIDER: Final = make_handle(HandleKind.INTERFACE_PROVIDER, 1, 0)
FILE: Final = make_handle(HandleKind.FILE, 1, 0)
LOG: Final = make_handle(HandleKind.LOG, 1, 0)
CONFIGURATION: Final = make_handle(HandleKind.CONFIGURATION, 1, 0)
IDLE_SECONDS: Final = 8
"""After so long an adapter that nobody uses is suspended."""
LIST_TAG: Final = int.from_bytes(b"torP", "little")
FILTER_TAG: Final = int.from_bytes(b"tliF", "little")
OWN_TAG: Final = int.from_bytes(b"iniM", "little")
OTHER_TAG: Final = int.from_bytes(b"reht", "little")
UNREADABLE_TAG: Final = int.from_bytes(b"----", "little")
PAIR: Final = "Init_NdisAllocateIoWorkItem"
WORKER_INVALID, BAD_IRQL, VERIFIER, POOL, NDIS, TIMER_INVALID, UNEXPECTED_IRQL, FREED, CORRUPT = (
    0xE4,
    0xE1,
    0xC4,
    0xC2,
    0x7C,
    0xC7,
    0xC8,
    0xD5,
    0x139,
)


def _beside(driver: str, code: int, parameters: Parameters, rule: str = "") -> Rule:
    """A rule of the requests beside the regular path, which one protocol alone asks."""
    if driver.startswith("filter_"):
        return Rule(driver, "filter", code, parameters, rule, protocol="asks_beside")
    return Rule(driver, "miniport", code, parameters, rule, other="asks_beside")


RULES: Final = [
    # Work items: work_items.md, sections 1 to 4 and 8.
    Rule("work_item_for_null", "miniport", WORKER_INVALID, (3, 0, 0, 0), PAIR),
    Rule("work_item_for_binding", "protocol", WORKER_INVALID, (3, BINDING, HandleKind.BINDING, 0), PAIR),
    Rule("work_item_queued_twice", "miniport", WORKER_INVALID, (1, ITEM, 0, 0)),
    Rule("work_item_freed_while_queued", "miniport", WORKER_INVALID, (2, ITEM, "Work", 0)),
    Rule("work_item_queued_after_free", "miniport", WORKER_INVALID, (0, ITEM, 0, 0), PAIR),
    Rule("work_item_freed_twice", "miniport", WORKER_INVALID, (0, ITEM, 0, 0), PAIR),
    Rule("work_item_left_at_halt", "miniport", VERIFIER, (0x62, ADAPTER, 0, 1), PAIR),
    Rule("work_item_left_queued_at_halt", "miniport", VERIFIER, (0x62, ADAPTER, 0, 1), PAIR),
    Rule("work_item_left_at_unload", "miniport", VERIFIER, (0x62, MINIPORT, 0, 1), PAIR),
    Rule("work_item_returns_at_dispatch", "miniport", BAD_IRQL, ("Work", DISPATCH, None, ITEM)),
    Rule("work_item_returns_with_lock", "miniport", VERIFIER, (0x100A, None, "Work", 0), "SpinLock"),
    Rule("work_item_without_routine", "miniport", WORKER_INVALID, (7, ITEM, 0, 0)),
    Rule("work_item_ends_its_thread", "miniport", 0xE9),
    Rule("work_item_of_ndis5", "miniport", NDIS, (0x15, 0, 0, 0)),
    Rule("context_freed_in_work_item", "miniport", FREED, (None, 0, 0, 0)),
    Rule("waits_with_spin_lock", "miniport", NDIS, (0x14, DISPATCH, 0, 0), "Irql_Miscellaneous_Function"),
    # The kernel's own: sections 5 and 6.
    Rule("io_work_item_storage_freed", "protocol", WORKER_INVALID, (0, IO_ITEM, None, None)),
    Rule("io_work_item_not_uninitialized", "protocol", WORKER_INVALID, (0, IO_ITEM, None, None)),
    Rule("io_work_item_uninitialized_while_queued", "protocol", WORKER_INVALID, (2, IO_ITEM, "Ran", 0)),
    Rule("io_work_item_left_by_its_routine", "protocol", VERIFIER, (0x62, None, 0, 1)),
    Rule("io_work_item_for_no_object", "protocol", WORKER_INVALID, (3, None, None, 0)),
    Rule("io_work_item_without_device", "protocol", WORKER_INVALID, (3, IO_ITEM, 2, 0)),
    Rule("io_work_item_for_no_queue", "protocol", WORKER_INVALID, (6, IO_ITEM, 7, 0)),
    Rule("ex_work_item_queued_twice", "miniport", WORKER_INVALID, (1, None, 1, 0)),
    Rule("ex_work_item_freed_while_queued", "miniport", WORKER_INVALID, (0, None, None, None)),
    Rule("ex_work_item_overwritten", "miniport", 0x96, (None, 0, 0, "Deferred")),
    Rule("ex_work_item_queued_at_unload", "protocol", 0xCE, ("Ran", 0, "Ran", 0)),
    # Devices and IRPs: the I/O verification of Driver Verifier.
    Rule("irp_completed_twice", "miniport", 0x44, (None, 0, 0, 0)),
    Rule("irp_completed_as_pending", "miniport", 0xC9, (0x06, 0x103, None, 0)),
    Rule("irp_completed_with_cancel_routine", "miniport", 0xC9, (0x07, None, None, 0)),
    Rule("irp_never_completed", "miniport", 0xC9, (0x226, "Dispatch", None, None)),
    Rule("irp_status_disagrees", "miniport", 0xC9, (0x224, "Dispatch", None, None)),
    Rule("irp_pending_unmarked", "miniport", 0xC9, (0x224, "Dispatch", None, None)),
    Rule("irp_with_too_much_information", "miniport", 0xD6, (None, 0, 0, 0)),
    Rule("cancel_routine_keeps_its_lock", "miniport", VERIFIER, (0x100A, None, "CancelRead", 0), "SpinLock"),
    Rule("start_device_completes_its_irp", "miniport", 0x44, (None, 0, 0, 0)),
    Rule("symbolic_link_left_at_unload", "miniport", VERIFIER, (0x62, None, 0, 1)),
    Rule("device_left_at_unload", "miniport", VERIFIER, (0x62, DEVICE, 0, 1)),
    Rule("device_deregistered_twice", "miniport", NDIS, (0x21, DEVICE, 0, 0)),
    Rule("device_item_left_at_deregister", "miniport", VERIFIER, (0x62, DEVICE, 0, 1), PAIR),
    Rule("device_for_an_adapter", "miniport", NDIS, (0x21, ADAPTER, HandleKind.ADAPTER, 0)),
    # IRQL: one function of each class, at a level where it may not be called.
    Rule(
        "irql_passive_function_in_timer",
        "miniport",
        VERIFIER,
        (0xE5, DISPATCH, None, 0),
        "Irql_Miscellaneous_Function",
    ),
    Rule("irql_sleep_in_timer", "miniport", VERIFIER, (0xE5, DISPATCH, None, 0), "Irql_Miniport_Driver_Function"),
    Rule("irql_wait_in_timer", "miniport", NDIS, (0x14, DISPATCH, 0, 0), "Irql_Miscellaneous_Function"),
    Rule("irql_dispatch_function_at_passive", "miniport", VERIFIER, (0xE5, PASSIVE, None, 0)),
    Rule("irql_dispatch_function_at_dirql", "miniport", VERIFIER, (0xE5, DIRQL, None, 0), "Irql_Synch_Function"),
    Rule("irql_lowered_to_higher", "miniport", VERIFIER, (0x31, DISPATCH, DISPATCH + 1, 0)),
    Rule("irql_left_raised", "miniport", UNEXPECTED_IRQL, (DISPATCH << 16 | PASSIVE << 8 | 2, "MPRestart", 0, 0)),
    Rule("stall_too_long", "miniport", VERIFIER, (0xE5, DISPATCH, 51, 0), "NdisStallExecution_Delay"),
    # Spin locks: the verifier's own subcodes.
    Rule("spin_lock_recursive", "miniport", VERIFIER, (0x1000, None, 0, 0), "SpinLock"),
    Rule("spin_lock_dpr_recursive", "miniport", VERIFIER, (0x1000, None, 0, 0), "SpinLock"),
    Rule("spin_lock_released_twice", "miniport", VERIFIER, (0x1007, None, 0, 0), "SpinLockRelease"),
    Rule("spin_lock_released_at_passive", "miniport", VERIFIER, (0x32, None, PASSIVE, 0), "SpinLockRelease"),
    Rule("spin_lock_dpr_acquire_at_passive", "miniport", VERIFIER, (0x40, PASSIVE, 0, 0), "SpinLockDpr"),
    Rule("spin_lock_dpr_release_at_passive", "miniport", VERIFIER, (0x41, PASSIVE, 0, 0), "SpinLockDpr"),
    Rule("spin_lock_not_initialized", "miniport", VERIFIER, (0x1002, 0, 0, 0)),
    Rule("spin_lock_freed_while_held", "miniport", VERIFIER, (0x100B, None, 0, 0)),
    Rule("spin_lock_held_on_return", "miniport", VERIFIER, (0x100A, None, "MPTimer", 0), "SpinLock"),
    # DriverEntry is looked at like any callback; it has no number.
    Rule("driver_entry_left_raised", "miniport", UNEXPECTED_IRQL, (DISPATCH << 16 | PASSIVE << 8 | 2, 0, 0, 0)),
    Rule("driver_entry_left_locked", "miniport", VERIFIER, (0x100A, None, 0, 0), "SpinLock"),
    # Reader/writer locks: the subcodes of spin locks.
    Rule("rw_lock_promoted", "miniport", VERIFIER, (0x1000, None, 0, 0)),
    Rule("rw_lock_released_twice", "miniport", VERIFIER, (0x1007, None, 0, 0)),
    Rule("rw_lock_state_shared", "miniport", VERIFIER, (0x1008, None, 0, 0)),
    Rule("rw_lock_with_other_state", "miniport", VERIFIER, (0x1009, None, 0, 0)),
    Rule("rw_lock_freed_while_held", "miniport", VERIFIER, (0x100B, None, 0, 0)),
    Rule("rw_lock_held_on_return", "miniport", VERIFIER, (0x100A, None, "MPTimer", 0), "SpinLock"),
    Rule("rw_lock_with_false_dispatch_flag", "miniport", VERIFIER, (0xE5, PASSIVE, 1, 0), "Flags_Irql"),
    Rule("rw_lock_used_after_free", "miniport", FREED, (None, 0, 0, 0)),
    Rule("rw_lock_freed_twice", "miniport", POOL, (0x07, 0, None, 0)),
    Rule("rw_lock_left_at_halt", "miniport", VERIFIER, (0x62, 0, None, 1)),
    Rule("rw_lock_left_at_unload", "miniport", VERIFIER, (0x62, 0, None, 1)),
    Rule("read_write_lock_not_initialized", "miniport", VERIFIER, (0x1002, 0, 0, 0)),
    # Memory.
    Rule("memory_freed_twice", "miniport", POOL, (0x07, 0, None, 0)),
    Rule("memory_freed_with_other_tag", "miniport", POOL, (0x0A, None, OWN_TAG, OTHER_TAG)),
    Rule("memory_without_tag", "miniport", POOL, (0x9B, 0, 100, 0), "NdisAllocateMemoryWithTagPriority"),
    Rule(
        "memory_with_unreadable_tag",
        "miniport",
        POOL,
        (0x9D, UNREADABLE_TAG, 0, 0),
        "NdisAllocateMemoryWithTagPriority",
    ),
    Rule("memory_of_no_bytes", "miniport", POOL, (0x00, 0, 0, OWN_TAG)),
    Rule("memory_that_is_none", "miniport", POOL, (0x41, 0, 0, 0)),
    Rule("memory_left_at_halt", "miniport", VERIFIER, (0x62, 0, 100, 1)),
    Rule("memory_left_at_unload", "miniport", VERIFIER, (0x62, 0, 100, 1)),
    Rule("memory_used_after_free", "miniport", FREED, (None, 0, 0, 0)),
    Rule("memory_written_after_free", "miniport", FREED, (None, 1, 0, 0)),
    Rule("memory_bytes_written_after_free", "miniport", FREED, (None, 1, 0, 0)),
    Rule("memory_zeroed_after_free", "miniport", FREED, (None, 1, 0, 0)),
    Rule("memory_used_after_reuse", "miniport", FREED, (None, 0, 0, 0)),
    Rule("lookaside_left_at_unload", "miniport", VERIFIER, (0x62, 0, None, 1)),
    Rule("lookaside_entry_left_at_unload", "miniport", VERIFIER, (0x62, 0, 64, 1)),
    Rule("lookaside_used_after_delete", "miniport", FREED, (None, 0, 0, 0)),
    Rule("lookaside_entry_of_another", "miniport", POOL, (0x0A, None, None, OWN_TAG)),
    Rule("lookaside_entry_freed_twice", "miniport", POOL, (0x07, 0, None, 0)),
    Rule("generic_object_freed_twice", "miniport", NDIS, (0x21, None, 0, 0), "NdisAllocateGenericObject"),
    Rule("generic_object_left_at_unload", "miniport", VERIFIER, (0x62, None, 0, 1), "NdisAllocateGenericObject"),
    # The kernel's own locks, and its IRQL.
    Rule("mutex_released_unowned", "miniport", 0x7E, (0xC0000046, 0, 0, 0)),
    Rule("mutex_not_initialized", "miniport", VERIFIER, (0x1002, 0, 0, 0)),
    Rule("kernel_spin_lock_recursive", "miniport", VERIFIER, (0x1000, None, 0, 0), "SpinLock"),
    Rule("kernel_spin_lock_at_dpc_level", "miniport", VERIFIER, (0x40, PASSIVE, 0, 0)),
    Rule("kernel_spin_lock_from_dpc_level", "miniport", VERIFIER, (0x41, PASSIVE, 0, 0)),
    Rule("dpc_not_initialized", "miniport", TIMER_INVALID, (1, None, 0, 0)),
    Rule("dpc_freed_while_queued", "miniport", TIMER_INVALID, (1, None, 0, 0)),
    Rule("irql_raised_to_lower", "miniport", VERIFIER, (0x30, DISPATCH, 1, 0)),
    Rule("string_not_freed", "miniport", VERIFIER, (0x62, 0, 18, 1)),
    Rule("string_freed_that_is_none", "miniport", POOL, (0x41, 0, 0, 0)),
    Rule("instance_name_left_at_unload", "protocol", VERIFIER, (0x62, 0, None, 1)),
    # Lists: the check that Windows makes of an entry's neighbours.
    Rule("list_entry_removed_twice", "miniport", CORRUPT, (3, None, 0, 0)),
    Rule("list_entry_inserted_twice", "miniport", CORRUPT, (3, None, 0, 0)),
    Rule("list_head_not_initialized", "miniport", CORRUPT, (3, None, 0, 0)),
    Rule("list_of_a_variable", "miniport", VnicLimit.VNIC_PRIVATE_DATA),
    Rule("interlocked_with_held_lock", "miniport", VERIFIER, (0x1000, None, 0, 0), "SpinLock"),
    # Timers and interrupts.
    Rule("timer_freed_while_set", "miniport", TIMER_INVALID, (0, LATER_TIMER, 0, 0), "CancelTimerObject"),
    Rule("timer_set_after_free", "miniport", TIMER_INVALID, (0, LATER_TIMER, 0, 0)),
    Rule("timer_periodic_cancelled_at_dispatch", "miniport", VERIFIER, (0xE5, DISPATCH, 0, 0), "PeriodicTimer"),
    Rule("timer_left_at_halt", "miniport", NDIS, (0x09, ADAPTER, TIMER, 0), "CancelTimerObject"),
    Rule("timer_left_by_failed_initialize", "miniport", NDIS, (0x0C, ADAPTER, TIMER, 0), "CancelTimerObject", False),
    Rule("interrupt_left_at_halt", "miniport", NDIS, (0x08, ADAPTER, INTERRUPT, 0), "Init_RegisterInterrupt"),
    Rule(
        "interrupt_left_by_failed_initialize",
        "miniport",
        NDIS,
        (0x0B, ADAPTER, INTERRUPT, 0),
        "Init_RegisterInterrupt",
        False,
    ),
    Rule("timer_left_at_unload", "protocol", VERIFIER, (0x62, LATER_TIMER, 0, 1), "CancelTimerObject"),
    # Poll mode.
    Rule("poll_indicates_fewer_than_it_says", "miniport", VERIFIER, (0xE5, 2, POLL, 0)),
    Rule("poll_completes_more_than_it_says", "miniport", VERIFIER, (0xE5, 0, POLL, 0)),
    Rule("poll_gives_more_than_it_may", "miniport", VERIFIER, (0xE5, 65, POLL, 0)),
    Rule("poll_lends_its_lists", "miniport", VERIFIER, (0xE5, 2, POLL, 0)),
    Rule("poll_completes_what_it_gives", "miniport", FREED),
    Rule("poll_requested_after_deregister", "miniport", NDIS, (0x21, POLL, 0, 0)),
    Rule("poll_requested_with_reserved", "miniport", VERIFIER, (0xE5, 7, POLL, 0)),
    Rule("poll_deregistered_twice", "miniport", NDIS, (0x21, POLL, 0, 0)),
    Rule("poll_deregistered_at_dispatch", "miniport", VERIFIER, (0xE5, DISPATCH, None, 0)),
    Rule("poll_left_at_halt", "miniport", VERIFIER, (0x62, POLL, 0, 1)),
    Rule("poll_left_by_failed_initialize", "miniport", VERIFIER, (0x62, POLL, 0, 1), starts=False),
    Rule("poll_on_a_processor_that_is_none", "miniport", VERIFIER, (0xE5, 63, POLL, 0)),
    # Whatever else a driver can leave behind.
    Rule("pool_left_at_halt", "miniport", VERIFIER, (0x62, None, 0, 1)),
    Rule("pool_left_by_failed_initialize", "miniport", VERIFIER, (0x62, None, 0, 1), starts=False),
    Rule("pool_left_at_unload", "miniport", VERIFIER, (0x62, None, 0, 1)),
    Rule("buffer_pool_left_at_halt", "miniport", VERIFIER, (0x62, None, 0, 1)),
    Rule("configuration_left_at_halt", "miniport", VERIFIER, (0x62, CONFIGURATION, 0, 1), "NdisOpenConfigurationEx"),
    Rule(
        "configuration_left_by_failed_initialize",
        "miniport",
        VERIFIER,
        (0x62, CONFIGURATION, 0, 1),
        "NdisOpenConfigurationEx",
        False,
    ),
    Rule("configuration_left_at_unload", "protocol", VERIFIER, (0x62, CONFIGURATION, 0, 1), "NdisOpenConfigurationEx"),
    Rule("memory_left_by_failed_initialize", "miniport", VERIFIER, (0x62, 0, 100, 1), starts=False),
    Rule(
        "shared_memory_left_by_failed_initialize",
        "miniport",
        VERIFIER,
        (0x62, 0, 0, 4096),
        "NdisMFreeSharedMemory",
        False,
    ),
    Rule("work_item_left_by_failed_initialize", "miniport", VERIFIER, (0x62, ADAPTER, 0, 1), PAIR, False),
    Rule("io_work_item_left_at_unload", "protocol", VERIFIER, (0x62, None, 0, 1)),
    Rule("device_object_left_at_unload", "protocol", VERIFIER, (0x62, 0, None, 1)),
    # Files and logs.
    Rule("file_left_open", "miniport", VERIFIER, (0x62, FILE, 0, 1)),
    Rule("file_closed_twice", "miniport", NDIS, (0x21, FILE, HandleKind.FILE, 0)),
    Rule("file_used_unmapped", "miniport", FREED, (None, 0, 0, 0)),
    Rule("log_left_at_halt", "miniport", VERIFIER, (0x62, LOG, 0, 1)),
    Rule("log_written_after_close", "miniport", NDIS, (0x21, LOG, HandleKind.LOG, 0)),
    # PnP: pause, restart, bind, unload, status.
    Rule("pause_completed_unasked", "miniport", NDIS, (0x1F, 0, ADAPTER, 0)),
    Rule("pause_completed_and_returned", "miniport", NDIS, (0x1F, 0, ADAPTER, 0)),
    Rule("pause_completed_twice", "miniport", NDIS, (0x1F, 0, ADAPTER, 0)),
    Rule("pause_fails", "miniport", VERIFIER, (0xE5, 0xC0000001, 0, 0), "MiniportPause_Return"),
    Rule("restart_completed_unasked", "miniport", NDIS, (0x1F, 0, ADAPTER, 0)),
    Rule("pause_with_sends_kept", "miniport", NDIS, (0x25, 1, ADAPTER, 0)),
    Rule("pause_with_receives_kept", "protocol", NDIS, (0x25, 1, ADAPTER, 0)),
    Rule("open_outside_bind", "protocol", NDIS, (0x16, PROTOCOL, BIND, 0)),
    Rule("open_after_bind_completed", "protocol", NDIS, (0x16, PROTOCOL, BIND, 0)),
    Rule("open_twice", "protocol", NDIS, (0x16, PROTOCOL, BIND, BINDING)),
    Rule("bind_fails_and_stays_open", "protocol", NDIS, (0x16, PROTOCOL, BIND, BINDING)),
    Rule("bind_completed_and_returned", "protocol", NDIS, (0x21, BIND, HandleKind.BIND_CONTEXT, 0)),
    Rule("unbind_without_close", "protocol", NDIS, (0x0A, BINDING, 0, 0)),
    Rule("unload_without_deregister", "miniport", NDIS, (0x0A, MINIPORT, 1, 0)),
    Rule("deregister_miniport_twice", "miniport", NDIS, (0x21, MINIPORT, 0, 0)),
    Rule("deregister_protocol_twice", "protocol", NDIS, (0x21, PROTOCOL, 0, 0)),
    Rule("status_after_halt", "miniport", NDIS, (0x21, ADAPTER, HandleKind.ADAPTER, 0)),
    Rule("status_with_wrong_header", "miniport", NDIS, (0x20, None, ADAPTER, 0), "NdisMIndicateStatusEx"),
    Rule("status_for_a_driver", "miniport", NDIS, (0x20, None, ADAPTER, 0), "NdisMIndicateStatusEx"),
    Rule("status_without_its_buffer", "miniport", NDIS, (0x20, 0x40010018, ADAPTER, 0), "NdisMIndicateStatusEx"),
    # OID requests.
    Rule("oid_completed_twice", "miniport", NDIS, (0x26, ADAPTER, None, 0), "NdisOidDoubleComplete"),
    Rule("oid_completed_twice_by_work_item", "miniport", NDIS, (0x26, ADAPTER, None, 0), "NdisOidDoubleComplete"),
    Rule("oid_completed_and_returned", "miniport", VERIFIER, (0x91002, None, 0, 0), "DoubleComplete"),
    Rule("oid_completed_with_pending", "miniport", VERIFIER, (0x91001, None, 0, 0), "NdisOidComplete"),
    Rule("oid_writes_too_much", "miniport", NDIS, (0x1D, ADAPTER, None, 0)),
    Rule(
        "scaling_with_wrong_table_accepted",
        "miniport",
        VERIFIER,
        (0xE5, ADAPTER, OID_GEN_RECEIVE_SCALE_PARAMETERS, None),
        other="asks_for_scaling",
    ),
    Rule(
        "receive_hash_beside_scaling",
        "miniport",
        VERIFIER,
        (0xE5, ADAPTER, OID_GEN_RECEIVE_HASH, None),
        other="asks_for_scaling",
    ),
    Rule(
        "oid_fails_that_must_succeed",
        "miniport",
        NDIS,
        (0x1C, ADAPTER, OID_PM_REMOVE_WOL_PATTERN, 0xC0000001),
        "NdisOidComplete",
        other="asks_at_unbind",
    ),
    Rule(
        "oid_never_completed",
        "miniport",
        VERIFIER,
        (0x92003, None, 0, 0),
        "NdisTimedOidComplete",
        other="asks_at_unbind",
    ),
    Rule("oid_issued_twice", "protocol", NDIS, (0x26, BINDING, None, 0), "NdisOidDoubleRequest"),
    # What takes too long: rules.md, sections 2 and 5.
    Rule("send_never_completed", "miniport", VERIFIER, (0x9200F, 0, ADAPTER, 1), "NdisTimedDataHang", seconds=24),
    Rule(
        "send_completed_too_late",
        "miniport",
        VERIFIER,
        (0x9200D, 0, ADAPTER, None),
        "NdisTimedDataSend",
        other="sends_often",
        seconds=45,
    ),
    Rule(
        "filter_send_kept_too_long", "filter", VERIFIER, (0x92011, 0, MODULE, 1), "NdisFilterTimedDataSend", seconds=33
    ),
    Rule(
        "filter_receive_kept_too_long",
        "filter",
        VERIFIER,
        (0x92012, 0, MODULE, 1),
        "NdisFilterTimedDataReceive",
        seconds=33,
    ),
    # What may be called in one place alone.
    Rule("io_space_mapped_late", "miniport", VERIFIER, (0xE5, PASSIVE, ADAPTER, 0), "NdisMMapIoSpace"),
    Rule(
        "shared_memory_freed_at_shutdown",
        "miniport",
        VERIFIER,
        (0xE5, PASSIVE, ADAPTER, 0),
        "NdisMFreeSharedMemory",
        shuts_down=True,
    ),
    Rule("shared_memory_not_logged", "miniport", VERIFIER, (0xE5, PASSIVE, ADAPTER, 0), "WriteErrorLog", starts=False),
    # What is freed twice, or left.
    Rule("mdl_freed_twice", "miniport", POOL, (0x07, 0, None, 0), "NdisAllocateMdl"),
    Rule("mdl_left_at_halt", "miniport", VERIFIER, (0x62, 0, None, 2)),
    Rule("net_buffer_freed_twice", "miniport", NDIS, (0x1E, 0, None, OWN_TAG), "NdisAllocateNetBuffer"),
    Rule("net_buffer_left", "miniport", NDIS, (0x27, 2, 1, OWN_TAG)),
    # Requests beside the regular path.
    _beside("direct_oid_completed_twice", NDIS, (0x26, ADAPTER, None, 0), "NdisOidDoubleComplete"),
    _beside("direct_oid_completed_as_regular", NDIS, (0x26, ADAPTER, None, 0), "NdisOidDoubleComplete"),
    _beside("direct_oid_completed_and_returned", VERIFIER, (0x91002, None, 0, 0), "DoubleComplete"),
    _beside("direct_oid_completed_with_pending", VERIFIER, (0x91001, None, 0, 0), "NdisOidComplete"),
    _beside("direct_oid_never_completed", VERIFIER, (0x92003, None, 0, 0), "NdisTimedOidComplete"),
    _beside(
        "direct_oid_fails_that_must_succeed",
        NDIS,
        (0x1C, ADAPTER, OID_TCP_TASK_IPSEC_OFFLOAD_V2_DELETE_SA, 0xC0000001),
        "NdisOidComplete",
    ),
    _beside("synchronous_oid_left_pending", VERIFIER, (0x91001, None, 0, 0), "NdisOidComplete"),
    _beside("filter_direct_oid_completed_twice", NDIS, (0x26, MODULE, None, 0), "NdisOidDoubleComplete"),
    _beside("filter_direct_oid_passed_on_itself", NDIS, (0x26, MODULE, None, 0), "NdisOidDoubleRequest"),
    _beside("filter_synchronous_oid_left_pending", VERIFIER, (0x91001, None, 0, 0), "NdisOidComplete"),
    _beside("filter_synchronous_oid_completed_with_pending", VERIFIER, (0x91001, None, 0, 0), "NdisOidComplete"),
    _beside("filter_synchronous_oid_cloned", NDIS, (0x26, MODULE, None, 0)),
    _beside("filter_synchronous_oid_passed_on", NDIS, (0x26, MODULE, None, 0), "NdisOidDoubleRequest"),
    # Reset: network/miniport-adapter-check-for-hang-and-reset-operations.md.
    Rule("reset_completed_unasked", "miniport", NDIS, (0x0F, ADAPTER, 0, 0)),
    Rule("reset_completed_and_returned", "miniport", NDIS, (0x0F, ADAPTER, 0, 0)),
    Rule("reset_completed_twice", "miniport", NDIS, (0x0F, ADAPTER, 0, 0)),
    Rule("reset_never_completed", "miniport", NDIS, (0x25, 0x22, ADAPTER, 0)),
    Rule("reset_waits", "miniport", VERIFIER, (0xE5, DISPATCH, None, 0), "Irql_Miniport_Driver_Function"),
    Rule("reset_keeps_sends", "miniport", NDIS, (0x0F, ADAPTER, 0, 0)),
    Rule("reset_returns_status_alone", "miniport", VnicLimit.VNIC_NO_STATUS),
    # Power: network/oid-pnp-set-power.md.
    Rule(
        "set_power_fails",
        "miniport",
        NDIS,
        (0x1C, ADAPTER, OID_PNP_SET_POWER, 0xC0000001),
        "NdisOidComplete",
        sleeps=True,
    ),
    Rule("power_down_queues_after_flush", "miniport", VERIFIER, (0x62, ADAPTER, 0, 1), sleeps=True),
    Rule(
        "power_down_leaves_timer_set", "miniport", VERIFIER, (0x62, OWN_TIMER, 0, 1), "CancelTimerObject", sleeps=True
    ),
    Rule("reenumerates_in_bind", "protocol", VERIFIER, (0xE5, PASSIVE, PROTOCOL, 0), "NdisReEnumerateProtocolBindings"),
    Rule("net_event_in_oid_request", "miniport", VERIFIER, (0xE5, PASSIVE, ADAPTER, 0), "NdisMNetPnPEventInOIDRequest"),
    # Selective suspend.
    *(
        Rule(f"idle_{driver}", "miniport", code, parameters, rule, seconds=IDLE_SECONDS)
        for driver, code, parameters, rule in (
            ("returns_success", VERIFIER, (0xE5, 0, ADAPTER, 0), ""),
            ("confirmed_and_vetoed", VERIFIER, (0xE5, 0x80000011, ADAPTER, 0), ""),
            ("confirmed_twice", NDIS, (0x1F, 1, ADAPTER, 0), ""),
            ("confirmed_awake", VERIFIER, (0xE5, 1, ADAPTER, 0), ""),
            ("completed_unasked", NDIS, (0x1F, 2, ADAPTER, 0), ""),
            ("completed_in_set_power", NDIS, (0x1F, 2, ADAPTER, 0), ""),
            ("cancel_never_completed", NDIS, (0x25, 0x26, ADAPTER, 0), ""),
            ("leaves_timer_set", VERIFIER, (0x62, OWN_TIMER, 0, 1), "CancelTimerObject"),
        )
    ),
    # What drivers in the field really did.
    Rule("pause_completed_after_success", "miniport", NDIS, (0x1F, 0, ADAPTER, 0)),
    Rule("send_completed_after_halt", "miniport", FREED),
    Rule("cancel_send_on_empty_queue", "miniport", 0x1E, (0xC0000144, None, 0, 0), other="cancels_sends"),
    # Network interfaces.
    Rule("interface_left_at_unload", "protocol", VERIFIER, (0x62, None, 0, 1)),
    Rule("interface_deregistered_twice", "protocol", NDIS, (0x21, 2, HandleKind.INTERFACE, 0)),
    Rule("interface_of_another", "protocol", NDIS, (0x21, 1, HandleKind.INTERFACE, 0)),
    Rule("provider_left_at_unload", "protocol", VERIFIER, (0x62, PROVIDER, 0, 1)),
    Rule("provider_with_interface_deregistered", "protocol", VERIFIER, (0x62, PROVIDER, 0, 1)),
    Rule("provider_deregistered_twice", "protocol", NDIS, (0x21, PROVIDER, HandleKind.INTERFACE_PROVIDER, 0)),
    # Memory shared with the adapter, and handles.
    Rule("shared_memory_left_at_halt", "miniport", VERIFIER, (0x62, 0, 0, 4096), "NdisMFreeSharedMemory"),
    Rule("shared_memory_freed_in_part", "miniport", NDIS, (0x03, ADAPTER, None, None)),
    Rule("shared_memory_freed_twice", "miniport", NDIS, (0x03, ADAPTER, None, None)),
    Rule("shared_memory_at_dispatch", "miniport", NDIS, (0x01, ADAPTER, 4096, DISPATCH)),
    Rule("event_completed_unasked", "protocol", NDIS, (0x22, BINDING, 0, 0)),
    Rule("event_completed_twice", "protocol", NDIS, (0x22, BINDING, 0, 0)),
    Rule("event_not_initialized", "miniport", VERIFIER, (0x1002, 0, 0, 0)),
    Rule("handle_of_another_kind", "miniport", WORKER_INVALID, (3, ADAPTER, HandleKind.ADAPTER, 0), PAIR),
    Rule("adapter_handle_of_another_kind", "miniport", NDIS, (0x21, OWN_TIMER, HandleKind.ADAPTER, 0)),
    Rule("configuration_closed_twice", "miniport", NDIS, (0x21, None, 0, 0), "NdisOpenConfigurationEx"),
    Rule("interrupt_used_after_deregister", "miniport", NDIS, (0x21, INTERRUPT, 0, 0), "NdisMDeregisterInterruptEx"),
    # NET_BUFFER_LISTs.
    Rule("send_completed_twice", "miniport", NDIS, (0x1E, 0, None, LIST_TAG)),
    Rule("send_freed_by_miniport", "miniport", NDIS, (0x1E, 0, None, LIST_TAG)),
    Rule("send_without_source_handle", "protocol", NDIS, (0x1E, 0, None, LIST_TAG)),
    Rule("large_send_without_size", "protocol", NDIS, (0x1E, 0, None, LIST_TAG), other="offers_offloads"),
    Rule("large_send_with_headers_apart", "protocol", NDIS, (0x1E, 0, None, LIST_TAG), other="offers_offloads"),
    Rule("large_send_of_two_buffers", "protocol", NDIS, (0x1E, 0, None, LIST_TAG), other="offers_offloads"),
    Rule("checksum_of_both_versions", "protocol", NDIS, (0x1E, 0, None, LIST_TAG), other="offers_offloads"),
    Rule("send_freed_in_flight", "protocol", NDIS, (0x1E, 0, None, LIST_TAG), other="keeps_sends"),
    Rule("receive_indicated_in_use", "miniport", NDIS, (0x06, 0, None, OWN_TAG), other="keeps_receives"),
    Rule("receive_returned_twice", "protocol", NDIS, (0x1E, 0, None, OWN_TAG)),
    Rule("receive_lent_and_returned", "protocol", NDIS, (0x1E, 0, None, OWN_TAG)),
    Rule("receive_lent_and_changed", "protocol", NDIS, (0x1E, 0, None, OWN_TAG)),
    Rule("receive_freed_by_protocol", "protocol", NDIS, (0x1E, 0, None, OWN_TAG)),
    Rule("receive_freed_twice", "miniport", NDIS, (0x1E, 0, None, OWN_TAG)),
    Rule("receive_touched_after_return", "protocol", FREED),
    Rule("receive_with_false_dispatch_flag", "miniport", VERIFIER, (0xE5, PASSIVE, None, 0), "Flags_Irql"),
    Rule("pool_freed_in_use", "miniport", NDIS, (0x27, 2, 1, OWN_TAG)),
    # Ports.
    Rule("port_left_at_halt", "miniport", VERIFIER, (0x62, PORT, 0, 1)),
    Rule("port_used_inactive", "miniport", NDIS, (0x20, 0x40010012, ADAPTER, 0)),
    # DMA.
    Rule("dma_left_at_halt", "miniport", VERIFIER, (0x62, DMA, 0, 1), "Init_RegisterSG"),
    Rule("dma_left_by_failed_initialize", "miniport", VERIFIER, (0x62, DMA, 0, 1), "Init_RegisterSG", starts=False),
    Rule("scatter_gather_list_left", "miniport", VERIFIER, (0x62, DMA, 0, None), "Init_RegisterSG"),
    Rule("scatter_gather_list_freed_twice", "miniport", NDIS, (0x21, None, ADAPTER, 0)),
    Rule("scatter_gather_list_at_passive", "miniport", VERIFIER, (0xE5, PASSIVE, None, 0), "Irql_Gather_DMA_Function"),
    Rule("shared_memory_got_later_left", "miniport", VERIFIER, (0x62, 0, 0, 4096), "NdisMFreeSharedMemory"),
    # Derived lists: nbl.md, section 4.
    Rule("clone_freed_as_a_list", "protocol", NDIS, (0x1E, 0, None, LIST_TAG)),
    Rule("clone_freed_with_other_flags", "protocol", NDIS, (0x1E, 0, None, LIST_TAG)),
    Rule("clone_outlives_its_parent", "protocol", NDIS, (0x1E, 0, None, OWN_TAG)),
    Rule("fragment_freed_with_other_delta", "miniport", NDIS, (0x1E, 0, None, OWN_TAG)),
    Rule("filter_parent_completed_early", "filter", NDIS, (0x1E, 0, None, LIST_TAG)),
    # Arguments that no call can be made with: NULL is followed, as on Windows, and a handle is nobody's.
    Rule("argument_null", "miniport", 0x7E, (0xC0000005, None, 0, 0)),
    Rule("argument_null_at_dispatch", "miniport", 0xD1, (0, DISPATCH, 0, None)),
    Rule("owner_gone", "miniport", NDIS, (0x21, MINIPORT, 0, 0)),
    # Limits of the emulator.
    Rule("argument_of_another_type", "miniport", VnicLimit.VNIC_WRONG_TYPE),
    Rule("private_context", "miniport", VnicLimit.VNIC_PRIVATE_DATA),
    Rule("driver_unload_set_late", "protocol", VnicLimit.VNIC_PRIVATE_DATA),
    Rule("driver_unload_without_role", "protocol", VnicLimit.VNIC_UNKNOWN_ROUTINE),
    Rule("returns_no_status", "miniport", VnicLimit.VNIC_NO_STATUS),
    Rule("routine_of_another_role", "miniport", VnicLimit.VNIC_UNKNOWN_ROUTINE),
    Rule("routine_without_role", "miniport", VnicLimit.VNIC_UNKNOWN_ROUTINE),
    Rule("list_touched_after_hand_over", "miniport", VnicLimit.VNIC_PUBLISHED_DATA_TOUCHED),
    Rule("recursion_too_deep", "miniport", VnicLimit.VNIC_RECURSION_LIMIT),
    Rule("global_written", "miniport", VnicLimit.VNIC_FORBIDDEN_NAME),
    Rule("global_container_changed", "miniport", VnicLimit.VNIC_PRIVATE_DATA),
    Rule("global_container_changed_in_receive", "protocol", VnicLimit.VNIC_PRIVATE_DATA),
    # Filter drivers: states.md, sections 2 and 4.
    Rule("filter_pause_completed_unasked", "filter", NDIS, (0x1F, 0, MODULE, 0)),
    Rule("filter_restart_completed_unasked", "filter", NDIS, (0x1F, 0, MODULE, 0)),
    Rule("filter_pause_completed_and_returned", "filter", NDIS, (0x1F, 0, MODULE, 0)),
    Rule("filter_pause_completed_twice", "filter", NDIS, (0x1F, 0, MODULE, 0)),
    Rule("filter_pause_fails", "filter", VERIFIER, (0x92010, 0xC0000001, MODULE, 0), "NdisFilterTimedPauseComplete"),
    Rule("filter_pause_never_completed", "filter", VERIFIER, (0x92010, 0, ADAPTER, 0), "NdisFilterTimedPauseComplete"),
    Rule("filter_item_left_at_detach", "filter", VERIFIER, (0x62, MODULE, 0, 1), PAIR),
    Rule("filter_item_left_at_unload", "filter", VERIFIER, (0x62, FILTER, 0, 1), PAIR),
    Rule("filter_memory_left_at_detach", "filter", VERIFIER, (0x62, 0, 128, 2)),
    Rule("filter_memory_left_by_failed_attach", "filter", VERIFIER, (0x62, 0, 64, 1)),
    Rule("filter_unloads_registered", "filter", NDIS, (0x0A, FILTER, 2, 0), "NdisFDeregisterFilterDriver"),
    Rule("filter_deregistered_while_attached", "filter", NDIS, (0x0A, FILTER, 2, 1), "NdisFDeregisterFilterDriver"),
    Rule("filter_deregistered_twice", "filter", NDIS, (0x21, FILTER, 0, 0)),
    Rule("filter_attributes_at_dispatch", "filter", VERIFIER, (0xE5, DISPATCH, None, 0), "Irql_Filter_Driver_Function"),
    Rule("filter_handle_of_another_kind", "filter", NDIS, (0x21, FILTER, HandleKind.FILTER_MODULE, 0)),
    # What passes through a filter: nbl.md, section 3.
    Rule("filter_send_completed_twice", "filter", NDIS, (0x1E, 0, None, LIST_TAG)),
    Rule("filter_send_on_and_completed", "filter", NDIS, (0x1E, 0, None, LIST_TAG)),
    Rule("filter_receive_returned_and_passed_on", "filter", NDIS, (0x1E, 0, None, OWN_TAG)),
    Rule("filter_receive_kept_at_pause", "filter", NDIS, (0x27, 1, 1, 0)),
    Rule("filter_own_send_without_source", "filter", NDIS, (0x1E, 0, None, FILTER_TAG)),
    Rule("filter_changes_source_handle", "filter", NDIS, (0x1E, 0, None, LIST_TAG)),
    Rule("filter_completes_its_own", "filter", NDIS, (0x1E, 0, None, FILTER_TAG)),
    Rule("filter_frees_what_passes", "filter", NDIS, (0x1E, 0, None, LIST_TAG)),
    Rule("filter_sends_while_paused", "filter", NDIS, (0x1F, 0, MODULE, 0)),
    Rule("filter_originates_without_complete", "filter", NDIS, (0x1E, 0, None, FILTER_TAG)),
    Rule("filter_false_dispatch_flag", "filter", VERIFIER, (0xE5, 0, 1, 0), "Flags_Irql"),
    Rule("filter_status_with_wrong_header", "filter", NDIS, (0x20, 0x40010012, MODULE, 0)),
    Rule("filter_status_to_itself", "filter", NDIS, (0x20, 0x40010012, MODULE, 0)),
    Rule("filter_touches_what_it_returned", "filter", FREED),
    Rule("filter_lent_and_returned", "filter", NDIS, (0x1E, 0, None, OWN_TAG)),
    # OID requests and events of filters: oids.md, section 1.
    Rule("filter_oid_completed_twice", "filter", NDIS, (0x26, MODULE, None, 0), "NdisOidDoubleComplete"),
    Rule("filter_oid_completed_and_returned", "filter", VERIFIER, (0x91002, None, 0, 0), "DoubleComplete"),
    Rule("filter_oid_completed_with_pending", "filter", VERIFIER, (0x91001, None, 0, 0), "NdisOidComplete"),
    Rule("filter_oid_passed_on_itself", "filter", NDIS, (0x26, MODULE, None, 0), "NdisOidDoubleRequest"),
    Rule("filter_oid_in_attach", "filter", NDIS, (0x1F, 0, MODULE, 0)),
    Rule("filter_clone_left_at_detach", "filter", VERIFIER, (0x62, 0, None, 2)),
    Rule("filter_clone_freed_in_use", "filter", NDIS, (0x26, MODULE, None, 0)),
    Rule("filter_frees_no_clone", "filter", NDIS, (0x26, MODULE, None, 0)),
    Rule("filter_net_event_with_wrong_header", "filter", NDIS, (0x22, MODULE, 0, 0)),
    # Intermediate drivers: what is passed on, and the functions of their own.
    Rule("intermediate_passes_on_without_its_source", "intermediate", NDIS, (0x1E, 0, None, LIST_TAG)),
    Rule("intermediate_completes_with_its_source", "intermediate", NDIS, (0x1E, 0, None, LIST_TAG)),
    Rule("intermediate_completes_twice", "intermediate", NDIS, (0x1E, 0, None, LIST_TAG)),
    Rule(
        "intermediate_completes_what_is_below",
        "intermediate",
        NDIS,
        (0x1E, 0, None, LIST_TAG),
        other="keeps_sends",
    ),
    Rule("intermediate_frees_what_it_passed_on", "intermediate", NDIS, (0x1E, 0, None, LIST_TAG)),
    Rule("intermediate_indicates_what_it_received", "intermediate", NDIS, (0x06, 0, None, OWN_TAG)),
    Rule("intermediate_asks_at_dispatch", "intermediate", VERIFIER, (0xE5, DISPATCH, None, 0), "Irql_IM_Function"),
    Rule("intermediate_asks_with_its_other_half", "intermediate", NDIS, (0x21, HALF, HandleKind.MINIPORT_DRIVER, 0)),
    Rule("intermediate_cancels_with_its_other_half", "intermediate", NDIS, (0x21, HALF, HandleKind.MINIPORT_DRIVER, 0)),
    Rule(
        "intermediate_associates_its_halves_crosswise",
        "intermediate",
        NDIS,
        (0x21, HALF, HandleKind.MINIPORT_DRIVER, 0),
    ),
    Rule("intermediate_context_of_no_binding", "intermediate", NDIS, (0x21, VIRTUAL, HandleKind.BINDING, 0)),
    Rule("intermediate_frees_the_context_too_early", "intermediate", FREED, (None, 0, 0, 0)),
]
