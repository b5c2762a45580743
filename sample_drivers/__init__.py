"""Drivers written as a WDK sample reads: they know the NDIS surface and the hardware's header, and nothing else.

``netvmini`` is the miniport of the virtual adapter: interrupt and DPC, preallocated receive lists, a transmit ring in
order, OIDs and statistics, packet filter and multicast list, pause and restart, link changes, surprise removal; a DPC
that finds no end goes on in a work item.  ``netvmini_nic`` is its header file.

``hello`` is a complete small protocol: it answers each frame that is addressed to the adapter with the addresses
swapped, on the memory that the frame came in.

``responder`` is a protocol that answers ARP and ICMP echo for an IPv4 address of its own; it learns neighbours at
DISPATCH_LEVEL and ages them in a work item at PASSIVE_LEVEL, under one spin lock.

``bridge`` is a protocol that joins the adapters of a machine as an 802.1D bridge does, forwarding on the memory of the
received frames; stations are learned in DPCs and aged in work items.  ``bridge_port`` is its header file.

``mux`` is an intermediate driver: a virtual adapter for each VLAN of the one below it.  ``mux_vlan`` handles tags and
lists, ``mux_adapters`` attributes and requests.
"""
