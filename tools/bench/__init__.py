"""The benchmarks: each measures the emulator and its rivals in interleaved pairs, and prints the raw columns."""
