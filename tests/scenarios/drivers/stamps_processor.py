"""hello on an adapter that scales receive: each answer tells on which processor its frame was received, and its hash.

Law: all but the receive handler is hello's own source, included as a header would be.  Every answer is a copy, so there
are as many as are asked for; its bytes 46 to 55 are the processor, the hash function, the hash types, and the hash.
"""

from __future__ import annotations

from pathlib import Path
from struct import Struct
from typing import Any, Final

from emulator.ndis import *
from sample_drivers.hello import BINDING, HelloCopy, HelloDereference, HelloReference
from tests.bad_drivers.include import include

include(globals(), Path(__file__).parents[3] / "sample_drivers" / "hello.py")
STAMP: Final = Struct("<BBII")
STAMP_AT: Final = 46


@PROTOCOL_RECEIVE_NET_BUFFER_LISTS
def HelloReceive(
    Binding: BINDING, NetBufferLists: NET_BUFFER_LIST, PortNumber: int, NumberOfNetBufferLists: int, ReceiveFlags: int
) -> None:
    """Answer frames on copies with a stamp, and return what was not only lent."""
    HelloReference(Binding, NumberOfNetBufferLists, 0)
    answers, count = HelloCopy(Binding, NetBufferLists)
    if count == NumberOfNetBufferLists:
        HelloStamp(answers, NetBufferLists)
    if not ReceiveFlags & NDIS_RECEIVE_FLAGS_RESOURCES:
        NdisReturnNetBufferLists(Binding.Handle, NetBufferLists, ReceiveFlags & NDIS_RETURN_FLAGS_DISPATCH_LEVEL)
    if answers is not None:
        NdisSendNetBufferLists(Binding.Handle, answers, NDIS_DEFAULT_PORT_NUMBER, NDIS_SEND_FLAGS_DISPATCH_LEVEL)
    if count < NumberOfNetBufferLists:
        HelloDereference(Binding, NumberOfNetBufferLists - count, [])


def HelloStamp(Answer: Any, Received: Any) -> None:
    """Write into each answer what its frame has told."""
    processor = NdisCurrentGroupAndProcessor().Number
    while Answer is not None:
        data = NdisGetDataBuffer(Answer.FirstNetBuffer, STAMP_AT + STAMP.size, None, 1, 0)
        if data is not None:
            function, types = NET_BUFFER_LIST_GET_HASH_FUNCTION(Received), NET_BUFFER_LIST_GET_HASH_TYPE(Received)
            STAMP.pack_into(data, STAMP_AT, processor, function, types, NET_BUFFER_LIST_GET_HASH_VALUE(Received))
        Answer, Received = Answer.Next, Received.Next
