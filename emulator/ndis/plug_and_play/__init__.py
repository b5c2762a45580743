"""Drivers, adapters, filter modules and bindings: registration, states, power, reset, and who blocks what."""
