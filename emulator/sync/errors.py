"""The error that this floor raises when the computer lacks something, and the acts that mend each lack.

Law: every instance names the step that failed and the command, or the act, that mends it.
"""

from __future__ import annotations

import errno
from typing import Final

from emulator.rules.errors import HostError

_OLD_KERNEL: Final = "use Linux 5.9 or newer (`uname -r` shows which one runs)"
_SANDBOX: Final = "run outside the sandbox that forbids this system call"
_MEMORY: Final = "free some memory (`free -m` shows it) or make the machine smaller"

#: What a person can do about an error number, whichever step met it.
MENDS: Final[dict[int, str]] = {
    errno.ENOMEM: _MEMORY,
    errno.ENOSPC: _MEMORY,
    errno.EFBIG: "ulimit -f unlimited",
    errno.EMFILE: "ulimit -n 4096",
    errno.ENFILE: "sudo sysctl -w fs.file-max=1000000",
    errno.EAGAIN: "ulimit -u unlimited",
    errno.ENOSYS: _OLD_KERNEL,
    errno.EINVAL: _OLD_KERNEL,
    errno.EPERM: _SANDBOX,
    errno.EACCES: _SANDBOX,
}


class SharedMemoryError(HostError):
    """Shared memory, a lock, a doorbell or a process could not be had from the kernel."""

    def __init__(self, step: str, reason: OSError) -> None:
        mend = MENDS.get(reason.errno or 0, "see errno(3) for what the number means")
        super().__init__(step, mend, reason)
