"""A toy driver: each control operation beyond 100 is one of its tricks."""
# ruff: noqa: N802

from __future__ import annotations

import time

from tests.host import toy

COUNTER = {"entries": 0}


def DriverEntry(driver_object: object, registry_path: str) -> int:
    COUNTER["entries"] += 1
    toy.log(f"entry {COUNTER['entries']}")
    return 0


@toy.role
def Work(value: int) -> None:
    toy.log(f"work {value}")


@toy.role
def WorkThatDies(value: int) -> None:
    toy.log(f"last words {value}")
    toy.die()


@toy.role
def WorkThatSpins(value: int) -> None:
    toy.spin(value)


@toy.role
def WorkThatSleeps(value: int) -> None:
    """What blocks its worker for a while is what is tried with it; nobody waits for the while to be over."""
    toy.log(f"sleeping {value}")
    time.sleep(value / 1000)
    toy.log(f"slept {value}")


@toy.role
def WorkThatRaises(value: int) -> float:
    return 1 / value


@toy.role
def WorkThatLocks(value: int) -> None:
    toy.lock_and_die(value)


@toy.role
def WorkThatExits(value: int) -> None:
    toy.leave(value)


@toy.role
def WorkThatCrashes(value: int) -> None:
    toy.crash()


@toy.role
def WorkThatLocksAndSpins(value: int) -> None:
    toy.lock_and_spin(value)


@toy.role
def WorkThatBlocksInC(value: int) -> None:
    toy.block_in_c()


@toy.role
def WorkThatComputes(value: int) -> None:
    toy.spin(value / 1000)


@toy.role
def Deferred(value: int) -> None:
    toy.log(f"deferred {value}")


@toy.role
def DeferredThatSpins(value: int) -> None:
    toy.spin(value)


@toy.role
def DeferredThatDies(value: int) -> None:
    toy.die()


WORK = {
    100: Work,
    101: WorkThatDies,
    102: WorkThatSpins,
    103: WorkThatSleeps,
    104: WorkThatRaises,
    105: WorkThatLocks,
    106: WorkThatExits,
    107: WorkThatCrashes,
    108: WorkThatLocksAndSpins,
    109: WorkThatBlocksInC,
    110: WorkThatComputes,
}
DEFERRED = {200: Deferred, 201: DeferredThatSpins, 202: DeferredThatDies}


@toy.role
def Control(operation: int, target: int, argument: int) -> int:
    if operation in WORK:
        for _ in range(target or 1):
            toy.queue_work(WORK[operation], argument)
    elif operation in DEFERRED:
        toy.queue_dpc(DEFERRED[operation], target, argument)
    elif operation == 300:
        toy.die()
    elif operation == 301:
        toy.wait_for_ever()
    elif operation == 302:
        for number in range(argument):
            toy.log(f"flood {number}")
    elif operation == 303:
        toy.make_device("Toy")
    elif operation == 111:
        toy.spin(argument / 1000)
    elif operation == 400:
        print("printed", argument)
        return operation
    return 0
