"""The adapter's hardware as a miniport meets it: registers, descriptor rings and Vnic functions; no I/O."""
