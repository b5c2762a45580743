"""What the virtual network card is plugged into: a TAP device, a cable in memory, a capture file."""
