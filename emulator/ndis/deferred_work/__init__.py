"""What runs later: work items of NDIS and of the kernel, DPCs, timers."""
