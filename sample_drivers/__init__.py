"""Drivers written as a WDK sample reads: they know the NDIS surface and the hardware's header, and nothing else."""
