"""What ndis.h and wdm.h declare: types, constants, structures, callback roles, the names of OIDs and status codes."""
