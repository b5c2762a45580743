"""NDIS as the kernel's services: what happens in each round, for each control operation, request and deferred call.

Law: only dispatch; every act lives in the module that it is named after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.kernel.calls import call
from emulator.kernel.pointers import decode_argument
from emulator.kernel.stop import exception_looks
from emulator.layout.machine import ContextKind
from emulator.ndis.adapter_hardware import interrupt_service, interrupts
from emulator.ndis.buffers import possessions, publication
from emulator.ndis.control_path import host_requests, oid_lanes
from emulator.ndis.data_path import datapath_slow, held_sends, poll_service, stacks
from emulator.ndis.deferred_work import kernel_dpcs, work_items
from emulator.ndis.deferred_work.deferred import DeferredKind
from emulator.ndis.devices import device_dispatch
from emulator.ndis.gates import private_data
from emulator.ndis.gates.wrong_arguments import wrong_argument
from emulator.ndis.headers.status import NDIS_STATUS_NOT_SUPPORTED
from emulator.ndis.plug_and_play import (
    binding_closes,
    binding_opens,
    driver_changes,
    filter_changes,
    idle,
    intermediate,
    pnp,
    pnp_power,
    pnp_reset,
    pnp_wishes,
    watch,
)
from emulator.ndis.services import interface_providers, miniport_logs
from emulator.rules.control import ControlOperation

if TYPE_CHECKING:
    from collections.abc import Callable

    from emulator.kernel.context import Context
    from emulator.kernel.stop import Possession
    from emulator.kernel.workqueue import Taken
    from emulator.layout.control import CONTROL

exception_looks.append(wrong_argument)


class Executive:
    """emulator.kernel.services.Services for NDIS."""

    def attach(self, context: Context) -> None:
        """Compile the stacks and remember how the drivers' globals look."""
        stacks.refresh(context)
        if context.machine.checked:
            private_data.compare_fingerprints(context)

    def round(self, context: Context) -> None:
        """Recompile what changed since the last epoch, and give back NBLs that another context asks for."""
        # Read once, and before anything is compiled: a change that comes meanwhile is the next round's, which would not
        # come if it were acknowledged here, and whoever published it would believe that it is obeyed.
        box, epoch = context.box, context.machine.arena.machine.epoch
        if box.epoch != epoch:
            interrupt_service.compile_lines(context)
            stacks.refresh(context)
            held_sends.release(context)
            if not context.callback:
                # A passive context too: between two callbacks of a control operation what the first one had stored, and
                # looked at again, is for whoever the second one lets in.
                publication.publish_all(context)
                if context.machine.checked and context.kind is ContextKind.PROCESSOR:
                    # Here, where it costs no frame anything: before each pause, at the latest.
                    private_data.compare_fingerprints(context)
            box.epoch = epoch
        path = context.datapath
        if path is None or path.recalls[0] != path.recalls[1]:
            publication.serve_recalls(context)

    interrupts = staticmethod(interrupt_service.serve_interrupts)
    interrupts_pending = staticmethod(interrupt_service.lines_asserted)

    def deferred(self, context: Context, kind: int, target: int, argument: int) -> None:
        """Run one entry of the DPC queue."""
        _DEFERRED[kind](context, target, argument)

    def timer(self, context: Context, routine: int, value: int) -> None:
        """Call a timer's routine: SystemSpecific1, FunctionContext, SystemSpecific2, SystemSpecific3."""
        call(context, routine, None, decode_argument(context, value) if value else None, None, None)

    def runner(self, context: Context) -> Callable[[Taken], int]:
        """What runs work items."""
        return work_items.runner(context)

    def control(self, context: Context, operation: CONTROL) -> int | None:
        """Carry out one control operation."""
        idle.resume_for(context, operation)
        act = _CONTROL.get(operation.operation)
        if act is not None:
            status = act(context, operation.target, operation.argument)
        else:
            converse = _WITH_DATA.get(operation.operation)
            status = converse(context, operation) if converse is not None else NDIS_STATUS_NOT_SUPPORTED
        # What was asked for in here belongs to the operation: the host hears of its end afterwards.
        while intermediate.serve(context):
            pass
        return status

    def wishes(self, context: Context) -> bool:
        """Do one thing that a driver has asked the PnP thread for."""
        return intermediate.serve(context) or pnp_wishes.serve(context)

    def wishes_pending(self, context: Context) -> bool:
        """Is there one that may begin?"""
        return intermediate.pending(context) or pnp_wishes.pending(context)

    def requests(self, context: Context) -> bool:
        """Serve one queued OID request or what is to be done for a reset; look at what takes too long."""
        watch.look_if_due(context)
        return (
            pnp_reset.serve(context)
            or binding_opens.finish(context)
            or binding_closes.finish(context)
            or oid_lanes.serve_queued(context)
        )

    def requests_pending(self, context: Context) -> bool:
        """Is an OID request queued to an idle lane, a reset, an open or a close to be served?"""
        bindings = binding_opens.pending(context) or binding_closes.closable(context)
        return bool(bindings) or oid_lanes.queued(context) or pnp_reset.pending(context)

    def next_look(self, context: Context) -> int | None:
        """The watch goes by the clock."""
        return watch.next_look(context)

    def device_request(self, context: Context, index: int) -> None:
        """Call a driver's dispatch routine."""
        device_dispatch.serve(context, index)

    def cancel_device_request(self, context: Context, index: int) -> None:
        """Call a driver's cancel routine."""
        device_dispatch.cancel(context, index)

    def possessions(self, context: Context, *, everything: bool) -> list[Possession]:
        """The NET_BUFFER_LISTs in use, by owner."""
        return possessions.possessions(context, everything=everything)

    def retire(self, context: Context) -> None:
        """Publish every list that is at home here, and give the stock of each pool back."""
        publication.retire(context)

    def crashed(self, context: Context) -> None:
        """Call MiniportShutdownEx of those that want it."""
        pnp_power.bug_check(context)

    def leave(self, context: Context) -> None:
        """Publish what others may come for; in a passive context look at the drivers' globals too."""
        publication.leave(context)
        if context.machine.checked and context.kind is not ContextKind.PROCESSOR:
            private_data.compare_fingerprints(context)


_CONTROL: dict[int, Callable[[Context, int, int], int | None]] = {
    ControlOperation.START_ADAPTER: lambda context, target, _: pnp.start_adapter(context, target),
    ControlOperation.STOP_ADAPTER: lambda context, target, _: pnp.stop_adapter(context, target),
    ControlOperation.PAUSE: lambda context, target, _: pnp.pause(context, target),
    ControlOperation.RESTART: lambda context, target, _: pnp.restart(context, target),
    ControlOperation.SURPRISE_REMOVE: lambda context, target, _: pnp.surprise_remove(context, target),
    ControlOperation.RESET: lambda context, target, _: pnp.reset(context, target),
    ControlOperation.SWITCH_INTERRUPTS: interrupts.switch_interrupts,
    ControlOperation.POWER: pnp_power.power,
    ControlOperation.POWER_PROFILE: pnp_power.power_profile,
    ControlOperation.IDLE: lambda context, target, _: pnp_power.notify_idle(context, target),
    ControlOperation.WAKE: lambda context, target, _: pnp_power.wake(context, target),
    ControlOperation.SHUTDOWN: lambda context, _, __: pnp_power.shut_down(context),
    ControlOperation.UNLOAD: lambda context, _, __: pnp.unload(context),
}

_WITH_DATA: dict[int, Callable[[Context, CONTROL], int]] = {
    ControlOperation.OID_QUERY: host_requests.query,
    ControlOperation.OID_SET: host_requests.set_,
    ControlOperation.INTERFACE_QUERY: interface_providers.query_object,
    ControlOperation.INTERFACE_SET: interface_providers.set_object,
    ControlOperation.LOG: miniport_logs.take,
    ControlOperation.ATTACH_FILTER: filter_changes.attach,
    ControlOperation.DETACH_FILTER: filter_changes.detach,
    ControlOperation.ADMIT_DRIVER: driver_changes.admit,
    ControlOperation.UNLOAD_DRIVER: driver_changes.unload,
    ControlOperation.UNINSTALL: driver_changes.uninstall,
}
"""Operations that are given data, or answer with some."""

_DEFERRED: dict[int, Callable[[Context, int, int], None]] = {
    DeferredKind.INTERRUPT_DPC: interrupt_service.run_queued_dpc,
    DeferredKind.NESTED_CALL: datapath_slow.run_nested,
    DeferredKind.KERNEL_DPC: kernel_dpcs.run_dpc,
    DeferredKind.HELD_SEND: held_sends.run,
    DeferredKind.POLL: poll_service.run_poll,
}
