"""The live platform: processes, descriptors, signals and real clocks under a machine."""
