"""Where each handler of a driver stands in DRIVER.handlers: the handlers' names in the order of the characteristics.

Law: an index is the place in Microsoft's structure, so that a table in the arena can be read with the header beside it.
"""

from __future__ import annotations

from typing import Final

from emulator.layout.handles import HandleKind
from emulator.ndis.headers.structures_common import handlers_in
from emulator.ndis.headers.structures_filter import (
    NDIS_FILTER_DRIVER_CHARACTERISTICS,
    NDIS_FILTER_PARTIAL_CHARACTERISTICS,
)
from emulator.ndis.headers.structures_miniport import (
    NDIS_MINIPORT_DRIVER_CHARACTERISTICS,
    NDIS_MINIPORT_PNP_CHARACTERISTICS,
)
from emulator.ndis.headers.structures_power import NDIS_MINIPORT_SS_CHARACTERISTICS
from emulator.ndis.headers.structures_protocol import NDIS_PROTOCOL_DRIVER_CHARACTERISTICS

MINIPORT_HANDLERS: Final = handlers_in(NDIS_MINIPORT_DRIVER_CHARACTERISTICS)
MINIPORT_PNP_HANDLERS: Final = handlers_in(NDIS_MINIPORT_PNP_CHARACTERISTICS)
MINIPORT_SS_HANDLERS: Final = handlers_in(NDIS_MINIPORT_SS_CHARACTERISTICS)
MINIPORT_OPTIONAL_HANDLERS: Final = MINIPORT_PNP_HANDLERS + MINIPORT_SS_HANDLERS
"""They stand behind those of the driver's own characteristics."""
PROTOCOL_HANDLERS: Final = handlers_in(NDIS_PROTOCOL_DRIVER_CHARACTERISTICS)
FILTER_HANDLERS: Final = handlers_in(NDIS_FILTER_DRIVER_CHARACTERISTICS)
FILTER_BYPASSED: Final = handlers_in(NDIS_FILTER_PARTIAL_CHARACTERISTICS)
"""What a module may have otherwise than its driver."""

PLACES: Final = {
    kind: {name: place for place, name in enumerate(names)}
    for kind, names in (
        (HandleKind.MINIPORT_DRIVER, MINIPORT_HANDLERS + MINIPORT_OPTIONAL_HANDLERS),
        (HandleKind.PROTOCOL_DRIVER, PROTOCOL_HANDLERS),
        (HandleKind.FILTER_DRIVER, FILTER_HANDLERS),
    )
}
"""Where each handler stands, by what the driver is registered as."""

MINIPORT_SEND: Final = MINIPORT_HANDLERS.index("SendNetBufferListsHandler")
MINIPORT_RETURN: Final = MINIPORT_HANDLERS.index("ReturnNetBufferListsHandler")
MINIPORT_CANCEL_SEND: Final = MINIPORT_HANDLERS.index("CancelSendHandler")
PROTOCOL_RECEIVE: Final = PROTOCOL_HANDLERS.index("ReceiveNetBufferListsHandler")
PROTOCOL_SEND_COMPLETE: Final = PROTOCOL_HANDLERS.index("SendNetBufferListsCompleteHandler")
FILTER_SEND, FILTER_SEND_COMPLETE, FILTER_CANCEL_SEND, FILTER_RECEIVE, FILTER_RETURN = map(
    FILTER_HANDLERS.index, FILTER_BYPASSED
)
