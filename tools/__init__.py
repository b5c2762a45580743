"""What maintains the project and is not installed: installation helpers, benchmarks and checks."""
