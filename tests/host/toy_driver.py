"""A toy driver: each control operation beyond 100 is one of its tricks."""

import time

from tests.host import toy

COUNTER = {"entries": 0}


def DriverEntry(driver_object, registry_path):  # type: ignore[no-untyped-def]
    COUNTER["entries"] += 1
    toy.log(f"entry {COUNTER['entries']}")
    return 0


@toy.role
def Work(value):  # type: ignore[no-untyped-def]
    toy.log(f"work {value}")


@toy.role
def WorkThatDies(value):  # type: ignore[no-untyped-def]
    toy.log(f"last words {value}")
    toy.die()


@toy.role
def WorkThatSpins(value):  # type: ignore[no-untyped-def]
    toy.spin(value)


@toy.role
def WorkThatSleeps(value):  # type: ignore[no-untyped-def]
    time.sleep(value / 1000)
    toy.log(f"slept {value}")


@toy.role
def WorkThatRaises(value):  # type: ignore[no-untyped-def]
    return 1 // value


@toy.role
def Deferred(value):  # type: ignore[no-untyped-def]
    toy.log(f"deferred {value}")


@toy.role
def DeferredThatSpins(value):  # type: ignore[no-untyped-def]
    toy.spin(value)


@toy.role
def DeferredThatDies(value):  # type: ignore[no-untyped-def]
    toy.die()


@toy.role
def Control(operation, target, argument):  # type: ignore[no-untyped-def]
    if operation < 100:
        return 0
    if operation < 200:
        names = [Work, WorkThatDies, WorkThatSpins, WorkThatSleeps, WorkThatRaises]
        for _ in range(target or 1):
            toy.queue_work(names[operation - 100], argument)
        return 0
    if operation < 300:
        toy.queue_dpc([Deferred, DeferredThatSpins, DeferredThatDies][operation - 200], target, argument)
        return 0
    if operation == 300:
        toy.die()
    print("printed", argument)
    return operation
