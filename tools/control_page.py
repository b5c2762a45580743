"""docs/control.md: what can be asked of a machine that runs, from the table of commands.

Law: the commands are the table's; the words around them are here alone.
"""

from __future__ import annotations

from typing import Final

from emulator.host.commands import COMMANDS, Command

_BEFORE: Final = """\
# Commands for a machine that runs

`ndisemu run` listens on a socket of the user's own, in `$XDG_RUNTIME_DIR/ndisemu` or else `/tmp/ndisemu-UID`, under
the machine's name or at `--control PATH`; the second of two machines of one name is called `name-2`. Its first
lines say the name; what a killed run has left there goes with the next one. `ndisemu ctl COMMAND [MACHINE]` asks for
what stands below and waits for its end, at most as long as `--timeout` says (30 seconds); an operation that takes
longer goes on. `--adapter` names an adapter where there are several, also one that an intermediate driver has made
(`adapter0.10`), `--json` gives one object. Operations on one adapter are carried out one after the other, in the order
in which they were asked for.

| command | what it does | in a test |
|---|---|---|"""
_AFTER: Final = """
The exit code is 0 when it has been done, 1 when it failed or took too long or the machine ended, and 2 when it
could not be asked for: no such machine, adapter, command or OID. Either way there is one line, which says what
mends it: the state that the adapter is in, or who keeps the operation from its end, for how long, and where the
list or the request was handed to him:

```
$ ndisemu ctl pause --timeout 5
ndisemu: pause of adapter0 has not ended within 5 s and goes on; blocked: mydriver has not returned 3 of the lists that
were indicated to it, for 4.9 s; indicated at netvmini.py:419 in NICIndicateReceive
```

A halted adapter's hardware has lost its state and its carrier is off; one that has been removed does not come back.
OID requests go down as NDIS's own, from above the topmost filter; NDIS answers what it knows by itself, and a set
is not merged with what protocols have set."""


def lines() -> list[str]:
    """The page, line by line."""
    return [*_BEFORE.splitlines(), *map(_row, COMMANDS), *_AFTER.splitlines()]


def _row(command: Command) -> str:
    words = [f"[{word.name} N]" if word.name.startswith("-") else word.name for word in command.words]
    asked = " ".join([command.name, *words]).replace("|", "\\|")
    method = command.method or command.name.replace(" ", "_").replace("-", "_")
    owner = "nic" if command.of_adapter or command.operation is None else "nic.machine"
    return f"| `{asked}` | {command.help} | `{owner}.{method}(...)` |"
