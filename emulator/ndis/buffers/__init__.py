"""NET_BUFFER_LISTs, NET_BUFFERs and MDLs: their pools, their bytes, whose they are, and how they change context."""
