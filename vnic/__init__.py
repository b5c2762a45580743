"""The virtual network card: the hardware a miniport drives, and the wires it can be plugged into."""
