"""The simulated platform: a machine as greenlets in one process, with virtual time and a seeded scheduler."""
